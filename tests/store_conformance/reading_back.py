"""Scored transactions and flags come back: all of them, in the order of the log, from where they can matter."""

import pytest

from risk.clock import DAY, HOUR
from risk.events import Transaction
from risk.store import FlagRow, Store
from testing.stores import flag, nearly_sorted, store_flags
from tests.cases import NEW_YEAR
from tests.store_conformance import Promises

LATENESS = DAY


def rows_of(seed: int, count: int = 600, partition: int = 0) -> list[FlagRow]:
    times = nearly_sorted(seed, count, step_ms=6 * HOUR, lateness_ms=LATENESS)
    return [flag(offset, time, partition=partition) for offset, time in times]


def ids(store: Store, partition: int, since: int) -> list[str]:
    return [t.transaction_id for transactions in store.history(partition, since) for t in transactions]


class ReadingBack(Promises):
    """Everything, and in the order of the log."""

    def test_what_histories_are_made_from_comes_back(self, store: Store) -> None:
        store_flags(store, [flag(3, attributes='{"age":30.0,"city":"Ulm"}')])
        past = Transaction("t3", NEW_YEAR, "ann", "EUR", "mill", None, 1250, None, None, "DE")
        assert list(map(list, store.history(0, 0))) == [[past]]

    def test_what_is_missing_comes_back_missing(self, store: Store) -> None:
        store_flags(store, [flag(3, amount=None, merchant=None)])
        [[transaction]] = store.history(0, 0)
        assert (transaction.amount, transaction.merchant_id, transaction.attributes) == (None, None, {})

    def test_only_what_is_later_comes_back(self, store: Store) -> None:
        store_flags(store, [flag(0, NEW_YEAR), flag(1, NEW_YEAR + 1)])
        assert ids(store, 0, NEW_YEAR) == ["t1"]

    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("bundles", [[LATENESS], [HOUR, LATENESS], [], [HOUR, None]])
    def test_rows_that_lie_late_are_found(self, store: Store, seed: int, bundles: list[int | None]) -> None:
        """At every distance from the newest one, also with offsets missing, and whatever is known of the lateness."""
        rows = rows_of(seed)
        store_flags(store, rows)
        for number, lateness in enumerate(bundles):
            store.remember_bundle(f"v{number}", "{}" if lateness is None else f'{{"max_lateness_ms":{lateness}}}')
        newest = max(row.event_time for row in rows)
        for since in (0, *range(NEW_YEAR - DAY, newest + DAY, 7 * DAY // 3), newest - 1, newest):
            assert ids(store, 0, since) == [row.transaction_id for row in rows if row.event_time > since]

    def test_the_start_of_the_log_may_be_gone(self, store: Store) -> None:
        store.remember_bundle("v1", '{"max_lateness_ms":0}')
        store_flags(store, [flag(1_000_000_000 + number, NEW_YEAR + number) for number in range(50)])
        assert len(ids(store, 0, NEW_YEAR + 9)) == 40

    def test_partitions_do_not_mix(self, store: Store) -> None:
        first, second = rows_of(1), rows_of(2, partition=1)
        store_flags(store, first)
        store_flags(store, second, partition=1)
        assert ids(store, 1, 0) == [row.transaction_id for row in second]
        assert ids(store, 2, 0) == []

    def test_long_histories_come_in_pieces_without_a_seam(self, store: Store) -> None:
        rows = [flag(offset, NEW_YEAR + offset) for offset in range(9_001)]
        store_flags(store, rows)
        pieces = list(map(list, store.history(0, 0)))
        assert len(pieces) > 1
        assert [t.event_time for piece in pieces for t in piece] == [row.event_time for row in rows]

    def test_a_piece_of_which_nothing_is_late_enough_ends_nothing(self, store: Store) -> None:
        rows = [flag(offset, NEW_YEAR + offset) for offset in (0, 1, 20_000, 90_000)]
        store_flags(store, rows)
        assert ids(store, 0, NEW_YEAR + 1) == ["t20000", "t90000"]

    def test_texts_come_back_as_they_were(self, store: Store) -> None:
        """Also where some are missing, where they are all alike, and with what parts texts elsewhere."""
        merchants = ["mill", None, "a,b", "\n", "größe", None]
        store_flags(store, [flag(number, merchant=merchant) for number, merchant in enumerate(merchants)])
        [block] = store.history(0, 0)
        assert block.merchant_id == merchants
        assert block.country == ["DE"] * len(merchants)

    # Flags
    def test_flags_that_are_nearly_alike_come_back_each_as_it_was(self, store: Store) -> None:
        """More of them than go into one statement, whose columns are alike in all rows, or in all but one."""
        rows = [
            flag(
                number,
                NEW_YEAR + number,
                customer="bob" if number == 99 else "ann",
                merchant=None if number < 100 else "mill",
                amount=number if number < 200 else None,
                level="high" if number in (7, 150) else "low",
            )
            for number in range(235)
        ]
        store_flags(store, rows)
        assert list(store.flags()) == rows

    def test_flags_come_by_partition_and_offset(self, store: Store) -> None:
        far, near = rows_of(1, 40, partition=11), rows_of(2, 5_000)
        store_flags(store, far, partition=11)
        store_flags(store, near)
        assert list(store.flags()) == near + far
        assert list(store.flags(11)) == far
        assert list(store.flags(3)) == []

    def test_flags_can_be_asked_for_by_time_and_offset(self, store: Store) -> None:
        rows = rows_of(3)
        store_flags(store, rows)
        since, until, first = rows[100].event_time, rows[400].event_time, rows[200].source_offset
        assert list(store.flags(since=since)) == [row for row in rows if row.event_time >= since]
        assert list(store.flags(until=until)) == [row for row in rows if row.event_time < until]
        assert list(store.flags(0, since=since, until=until, first_offset=first)) == [
            row for row in rows[200:] if since <= row.event_time < until
        ]

    def test_rows_that_are_stored_meanwhile_neither_hold_up_nor_disturb_a_reader(self, store: Store) -> None:
        rows = [flag(offset, NEW_YEAR + offset) for offset in range(5_000)]
        store_flags(store, rows)
        reading = store.flags()
        read = [next(reading)]
        store_flags(store, [flag(5_000)])
        assert [*read, *reading] == [*rows, flag(5_000)]
