"""Pruning lets go of what is old, and of nothing that a restart or the ledger can still ask for."""

import random
from collections.abc import Iterator

import pytest

from risk.clock import DAY, HOUR
from risk.errors import StoreError
from risk.events import Label
from risk.ledger_day import LedgerDay, LedgerTerms
from risk.ledger_log import ClosedDay
from risk.store import Pruned, Role, Store, prune
from testing.stores import LABELS, TRANSACTIONS, flag, store_flags, store_labels
from tests.cases import NEW_YEAR
from tests.store_conformance import Promises

LATENESS = DAY
LEDGER = LedgerTerms(7, HOUR)
FIRST = NEW_YEAR // DAY
LENGTH = 100  # days of the history
NEWEST = NEW_YEAR + (LENGTH - 1) * DAY


def close_days(store: Store, count: int, ledger: LedgerTerms = LEDGER) -> None:
    days = [LedgerDay(FIRST + n, *ledger, ("mill",), ((FIRST + n) * DAY,), (1,), (0,)) for n in range(count)]
    store.add_ledger_days([ClosedDay(day, 1, n) for n, day in enumerate(days)], count)


def prune_days(store: Store, days: int, *ledgers: LedgerTerms) -> Pruned:
    return prune(store, TRANSACTIONS, older_than_ms=days * DAY, max_lateness_ms=LATENESS, ledgers=ledgers or (LEDGER,))


def oldest(store: Store) -> int:
    return next(store.flags()).event_time


class Pruning(Promises):
    """Nothing goes that can still be asked for."""

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        """A hundred days, a flag and a label each."""
        times = [NEW_YEAR + number * DAY for number in range(LENGTH)]
        with self.new_store() as made:
            store_flags(made, [flag(number, time) for number, time in enumerate(times)])
            store_labels(made, [Label(f"t{number}", "ann", True, time, "desk") for number, time in enumerate(times)])
            yield made

    @pytest.fixture
    def empty(self) -> Iterator[Store]:
        with self.new_store() as made:
            yield made

    def test_what_is_older_goes_and_what_is_as_old_stays(self, store: Store) -> None:
        close_days(store, LENGTH)
        whole_from = -(-(NEWEST - 60 * DAY) // DAY)
        assert prune_days(store, 60) == (39, 39, 39, [], whole_from)
        assert oldest(store) == NEWEST - 60 * DAY
        assert prune_days(store, 60) == (0, 0, 0, [], None)

    def test_what_histories_are_rebuilt_from_stays(self, store: Store) -> None:
        close_days(store, LENGTH)
        since = NEWEST - 30 * DAY - 2 * LATENESS
        before = list(map(list, store.history(0, since)))
        pruned = prune_days(store, 0)
        assert pruned.kept == ["partition 0: 32 flags stay, because histories are rebuilt from 2024-03-08T00:00:00Z on"]
        assert list(map(list, store.history(0, since))) == before
        assert oldest(store) == since

    def test_days_that_are_not_closed_stay(self, store: Store) -> None:
        close_days(store, 10)
        before = [store.closed_day(FIRST + n, LEDGER) for n in range(10, LENGTH)]
        pruned = prune_days(store, 0)
        assert (pruned.flags, pruned.labels) == (10, 10)
        assert pruned.kept == [
            "partition 0: 89 flags stay, because day 2024-01-11 of the ledger (label delay 7 d, "
            "bucket 3600 s) is not closed yet"
        ]
        assert [store.closed_day(FIRST + n, LEDGER) for n in range(10, LENGTH)] == before

    def test_before_the_first_day_is_closed_everything_stays(self, store: Store) -> None:
        pruned = prune_days(store, 0)
        why = "no day of the ledger (label delay 7 d, bucket 3600 s) is closed yet"
        assert pruned == (0, 0, 0, [f"partition 0: 99 flags stay, because {why}"], None)

    def test_without_a_ledger_no_day_holds_anything_up(self, store: Store) -> None:
        assert prune(store, TRANSACTIONS, older_than_ms=50 * DAY, max_lateness_ms=LATENESS, ledgers=()).flags == 49

    def test_a_day_that_one_of_several_ledgers_has_not_closed_stays(self, store: Store) -> None:
        """A ledger with a longer label delay closes its days later, from the same flags and labels."""
        longer = LedgerTerms(20, HOUR)
        close_days(store, 90)
        close_days(store, 30, longer)
        before = [store.closed_day(FIRST + n, longer) for n in range(30, LENGTH)]
        pruned = prune_days(store, 0, LEDGER, longer)
        assert (pruned.flags, pruned.labels) == (30, 30)
        why = "day 2024-01-31 of the ledger (label delay 20 d, bucket 3600 s) is not closed yet"
        assert pruned.kept == [f"partition 0: 69 flags stay, because {why}"]
        assert [store.closed_day(FIRST + n, longer) for n in range(30, LENGTH)] == before
        assert prune_days(store, 0, LEDGER).flags == 37

    def test_each_ledger_keeps_what_its_own_features_can_ask_for_and_its_newest_day(self, store: Store) -> None:
        longer, retired = LedgerTerms(20, HOUR), LedgerTerms(7, 2 * HOUR)
        for ledger, count in ((LEDGER, LENGTH), (longer, LENGTH), (retired, 5)):
            close_days(store, count, ledger)
        prune_days(store, 0)
        for ledger, first in ((LEDGER, FIRST + 61), (longer, FIRST + 48), (retired, FIRST + 4)):
            assert list(store.ledger_days(ledger, first))
            with pytest.raises(StoreError, match="pruned"):
                list(store.ledger_days(ledger, first - 1))

    def test_a_partition_that_is_behind_keeps_its_own(self, store: Store) -> None:
        close_days(store, LENGTH)
        rows = [flag(number, NEW_YEAR + number * DAY, partition=1) for number in range(50)]
        store_flags(store, rows, partition=1)
        since = NEW_YEAR + 19 * DAY - 2 * LATENESS
        pruned = prune_days(store, 60)
        assert pruned.flags == 39 + 17
        assert pruned.kept == ["partition 1: 22 flags stay, because histories are rebuilt from 2024-01-18T00:00:00Z on"]
        assert next(store.flags(1)).event_time == since
        # Labels tell of transactions of any partition, and the ledger's days are asked for by the slowest.
        assert (pruned.labels, pruned.ledger_rows) == (17, 11)

    def test_which_bundle_scored_from_when_stays(self, store: Store) -> None:
        close_days(store, LENGTH)
        before = store.starts(Role.BUNDLE)
        assert prune_days(store, 40).flags > 0
        assert len(before) == 1
        assert store.starts(Role.BUNDLE) == before

    def test_offsets_are_not_touched(self, store: Store) -> None:
        close_days(store, LENGTH)
        before = store.positions()
        prune_days(store, 60)
        assert store.positions() == before

    def test_the_ledger_keeps_what_features_can_ask_for_and_still_knows_where_it_began(self, store: Store) -> None:
        close_days(store, LENGTH)
        pruned = prune_days(store, 0)
        kept = FIRST + pruned.ledger_rows
        assert kept * DAY == NEWEST - LATENESS - 7 * DAY - 30 * DAY
        assert [day.closed.day for day in store.ledger_days(LEDGER, kept)] == list(range(kept, FIRST + LENGTH))
        assert store.ledger_bounds(LEDGER) == (FIRST, FIRST, FIRST + LENGTH - 1)
        with pytest.raises(StoreError, match="the ledger's rows of 2024-03-01 were pruned"):
            list(store.ledger_days(LEDGER, kept - 1))

    def test_a_day_that_was_pruned_cannot_be_closed_again(self, store: Store) -> None:
        close_days(store, LENGTH)
        prune_days(store, 0)
        close_days(store, 3)
        with pytest.raises(StoreError, match="pruned"):
            list(store.ledger_days(LEDGER, FIRST))

    def test_an_empty_store_has_nothing_to_prune(self, empty: Store) -> None:
        empty.take_over(TRANSACTIONS, 0, first_offset=0)
        empty.take_over(LABELS, 0, first_offset=0)
        assert prune_days(empty, 60) == (0, 0, 0, ["nothing was scored yet"], None)

    def test_nothing_goes_before_the_first_of_its_log_does(self, empty: Store) -> None:
        """That it is gone is how a history knows that the store is not whole; what came after it may be older."""
        times = [NEW_YEAR + 20 * HOUR, NEW_YEAR + HOUR, NEWEST]
        store_flags(empty, [flag(number, time) for number, time in enumerate(times)])
        for before, gone in ((NEW_YEAR + 20 * HOUR, 0), (NEW_YEAR + 20 * HOUR + 1, 2)):
            pruned = prune(empty, TRANSACTIONS, older_than_ms=NEWEST - before, max_lateness_ms=LATENESS, ledgers=())
            assert pruned.flags == gone

    def test_much_is_pruned_in_pieces_and_all_of_it(self, empty: Store) -> None:
        """More flags and labels than go at once, with labels of one customer across several pieces."""
        dice = random.Random(5)
        times = [NEW_YEAR + dice.randrange(80 * DAY) for _ in range(41_000)]
        rows = [flag(n, time, customer=dice.choice("abc")) for n, time in enumerate(times)]
        store_flags(empty, [*rows, flag(len(rows), NEWEST)])
        store_labels(empty, [Label(row.transaction_id, row.customer_id, True, row.event_time, "desk") for row in rows])
        old = sum(time < NEWEST - 50 * DAY for time in times)
        assert old > 20_000
        assert prune(empty, TRANSACTIONS, older_than_ms=50 * DAY, max_lateness_ms=LATENESS, ledgers=())[:3] == (
            old,
            old,
            0,
        )
        assert sum(1 for _ in empty.flags()) == len(rows) + 1 - old
