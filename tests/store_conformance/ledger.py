"""The store's part in the ledger: what days are closed from, and the closed days as their topic has them."""

import random
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given

from risk.clock import DAY, HOUR, day_of
from risk.errors import StoreError
from risk.events import Label, Transaction
from risk.ledger import SeenDays
from risk.ledger_day import LedgerDay, LedgerTerms, label_cutoff
from risk.ledger_log import ClosedDay
from risk.store import FlagRow, Store
from testing.stores import flag, store_flags, store_labels
from tests.cases import NEW_YEAR, Case
from tests.runs import see
from tests.store_conformance import Promises
from tests.strategies import cases

TERMS = LedgerTerms(7, HOUR)
TODAY = day_of(NEW_YEAR)


def row_of(offset: int, transaction: Transaction) -> FlagRow:
    return flag(
        offset,
        transaction.event_time,
        transaction=transaction.transaction_id,
        customer=transaction.customer_id,
        merchant=transaction.merchant_id,
    )


def days_of(transactions: Iterable[Transaction]) -> range:
    days = [day_of(t.event_time) for t in transactions]
    return range(min(days), max(days) + 1)


def closed_by_the_store(
    store: Store, transactions: Sequence[Transaction], labels: Sequence[Label], terms: LedgerTerms
) -> list[tuple[int, LedgerDay]]:
    store_flags(store, [row_of(offset, t) for offset, t in enumerate(transactions)])
    store_labels(store, labels)
    return [store.closed_day(day, terms) for day in days_of(transactions)]


def closed_in_passing(
    transactions: Sequence[Transaction], labels: Sequence[Label], terms: LedgerTerms
) -> list[tuple[int, LedgerDay]]:
    seen = SeenDays(terms)
    seen.learn(labels)
    see(seen, transactions)
    closed = seen.closed_until(days_of(transactions)[-1])
    return [(sum(day_of(t.event_time) == day.day for t in transactions), day) for day in closed]


# Closed days
def day(number: int, *, offset: int, frauds: int = 0, transactions: int = 2, terms: LedgerTerms = TERMS) -> ClosedDay:
    # The order of texts is that of their code points; "😀" comes last there, and not in UTF-16.
    merchants = ("Z", "a", "é", "ﬁ", "😀") if transactions else ()
    counts = tuple(1 for _ in merchants)
    closed = LedgerDay(
        number,
        *terms,
        merchants,
        buckets=tuple(number * DAY for _ in merchants),
        transactions=counts,
        frauds=tuple(frauds for _ in merchants),
    )
    return ClosedDay(closed, transactions, offset)


class Ledger(Promises):
    """Days are closed once, and never change."""

    @pytest.mark.hypothesis
    def test_the_store_closes_days_as_they_are_closed_offline(self) -> None:
        # The property is inside, because Hypothesis wants one that stands in a class to be run by that class alone.
        @given(cases())
        def as_offline(case: Case) -> None:
            transactions = [arrival.transaction for arrival in case.arrivals]
            expected = closed_in_passing(transactions, case.labels, case.rules.ledger_terms)
            with self.new_store() as store:
                assert closed_by_the_store(store, transactions, case.labels, case.rules.ledger_terms) == expected

        as_offline()

    @pytest.mark.parametrize("seed", range(6))
    def test_so_it_does_with_repeated_corrected_and_simultaneous_labels_of_ids_used_again(
        self, store: Store, seed: int
    ) -> None:
        dice = random.Random(seed)
        transactions = [
            Transaction(
                f"t{dice.randrange(30)}",
                NEW_YEAR + dice.randrange(45 * DAY),
                dice.choice("ab"),
                "EUR",
                merchant_id=dice.choice(("m", "n", "é", None)),
            )
            for _ in range(300)
        ]
        labels: list[Label] = []
        for _ in range(600):
            meant = dice.choice(transactions)
            cutoff = label_cutoff(day_of(meant.event_time), TERMS.label_delay_days)
            before = day_of(meant.event_time) * DAY - dice.randrange(2)
            after = meant.event_time + dice.randrange(4) * DAY
            when = dice.choice((cutoff, cutoff - 1, meant.event_time, before, after))
            source = dice.choice(("desk", "bank"))
            labels.append(Label(meant.transaction_id, meant.customer_id, dice.random() < 0.5, when, source))
            if dice.random() < 0.4:
                labels.append(dice.choice(labels))
        expected = closed_in_passing(transactions, labels, TERMS)
        assert closed_by_the_store(store, transactions, labels, TERMS) == expected
        assert sum(sum(day.frauds) for _, day in expected) > 30

    def test_a_day_without_transactions_is_closed_empty(self, store: Store) -> None:
        assert store.closed_day(TODAY, TERMS) == (0, LedgerDay(TODAY, *TERMS, (), (), (), ()))

    def test_the_first_day_is_that_of_the_oldest_flag(self, store: Store) -> None:
        assert store.first_event_day() is None
        store_flags(store, [flag(0, NEW_YEAR + 3 * DAY), flag(1, NEW_YEAR + 2 * DAY)])
        assert store.first_event_day() == TODAY + 2

    def test_closed_days_come_back_as_they_were_in_order(self, store: Store) -> None:
        days = [day(20, offset=4), day(21, offset=9, transactions=0), day(22, offset=11)]
        store.add_ledger_days(days[::-1], 12)
        assert list(store.ledger_days(TERMS, 0)) == days
        assert list(store.ledger_days(TERMS, 21)) == days[1:]
        assert list(store.ledger_days(LedgerTerms(8, HOUR), 0)) == []

    def test_the_bounds_tell_the_first_day_the_first_with_transactions_and_the_newest(self, store: Store) -> None:
        assert store.ledger_bounds(TERMS) == (None, None, None)
        store.add_ledger_days([day(20, offset=4, transactions=0)], 5)
        assert store.ledger_bounds(TERMS) == (20, None, 20)
        store.add_ledger_days(
            [day(21, offset=9), day(22, offset=12), day(5, offset=13, terms=LedgerTerms(3, HOUR))], 14
        )
        assert store.ledger_bounds(TERMS) == (20, 21, 22)

    def test_the_place_in_the_topic_only_moves_up(self, store: Store) -> None:
        assert store.ledger_offset() == 0
        store.add_ledger_days([], 7)
        store.add_ledger_days([], 3)
        assert store.ledger_offset() == 7

    def test_a_day_that_comes_again_changes_nothing(self, store: Store) -> None:
        """Every worker brings the days it read; a keeper that came late may have published one again."""
        first = day(20, offset=4)
        store.add_ledger_days([first, first], 5)
        store.add_ledger_days([day(20, offset=8, frauds=1), first], 9)
        assert list(store.ledger_days(TERMS, 0)) == [first]

    @pytest.mark.parametrize("offset", [3, 4])
    @pytest.mark.parametrize("content", [{"frauds": 1}, {"transactions": 3}])
    def test_another_content_where_the_store_read_already_is_an_error(
        self, store: Store, offset: int, content: dict[str, int]
    ) -> None:
        first = day(20, offset=4)
        store.add_ledger_days([first], 5)
        with pytest.raises(StoreError, match=r"ledger day 1970-01-21 \(label delay 7 d, bucket 3600000 ms\): got"):
            store.add_ledger_days([day(19, offset=2), day(20, offset=offset, **content)], 9)
        assert list(store.ledger_days(TERMS, 0)) == [first]
        assert store.ledger_offset() == 5
