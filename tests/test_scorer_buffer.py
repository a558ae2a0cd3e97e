"""The buffer: which partition is next, how much of it may go, and what waits."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from risk.block_codec import Decoded, decoded_of
from risk.clock import DAY
from risk.events import Rejected, RejectReason, Transaction
from scorer.log.chunks import Chunk, Place
from scorer.worker.buffer import LABELS_UNDER_WAY, UNDER_WAY, Buffer, Gap, Head

FIRST_DAY = 20_000
T = "transactions"
ONE, TWO, LABELS = Place(T, 0), Place(T, 1), Place("labels", 0)


class Known:
    """Ledger days up to one are closed."""

    def __init__(self, newest: int) -> None:
        self.newest = newest

    def is_known(self, day: int) -> bool:
        return day <= self.newest


class Given(NamedTuple):
    """A record whose event is what the test says."""

    offset: int
    event: Transaction | Rejected
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None


def decoded(records: Sequence[Given]) -> Decoded:
    return decoded_of([record.event for record in records])


def at(offset: int, days: float) -> Given:
    """A transaction so many days after the first one's midnight."""
    return Given(offset, Transaction(f"t{offset}", int((FIRST_DAY + days) * DAY), "c", "EUR"))


def unreadable(offset: int) -> Given:
    return Given(offset, Rejected(RejectReason.NOT_JSON, "why"))


class Bench:
    """An buffer of two partitions of transactions and one of labels, read to their ends."""

    def __init__(self, *, known: int = FIRST_DAY + 99, delay: int | None = 7, chunk: int = 10) -> None:
        self.days = Known(known)
        self.buffer = Buffer(ordered_topic=T, delay_days=delay, days=self.days, chunk=chunk)
        for place in (ONE, TWO, LABELS):
            self.buffer.begin(place, decoded, 0, -1)
            self.buffer.read_up_to(place, 0, 0, 0)

    def fetch(self, place: Place, *records: Given) -> None:
        self.buffer.add(place, records)
        self.buffer.read_up_to(place, records[-1].offset + 1, records[-1].offset + 1, records[-1].offset + 1)

    def dispatched(self) -> Iterator[Chunk[Any]]:
        """All that can go, each chunk done at once."""
        while (chunk := self.buffer.next()) is not None:
            yield chunk
            self.buffer.done(chunk.serial)

    def offsets(self) -> list[tuple[Place, list[int]]]:
        return [(chunk.place, [record.offset for record in chunk.records]) for chunk in self.dispatched()]


def test_the_oldest_first_record_decides() -> None:
    bench = Bench()
    bench.fetch(ONE, at(0, 0.5), at(1, 0.6))
    bench.fetch(TWO, at(0, 0.1), at(1, 0.9))
    assert bench.offsets() == [(TWO, [0, 1]), (ONE, [0, 1])]


def test_nothing_goes_before_every_partition_has_a_record_or_is_read_to_its_end() -> None:
    bench = Bench()
    bench.fetch(ONE, at(0, 0.5))
    bench.buffer.read_up_to(TWO, 3, 5, 5)
    assert bench.offsets() == []
    bench.buffer.read_up_to(TWO, 5, 5, 5)
    assert bench.offsets() == [(ONE, [0])]


def test_labels_go_first_and_wait_for_nothing() -> None:
    bench = Bench(known=0)
    bench.fetch(ONE, at(0, 0.5))
    bench.fetch(LABELS, unreadable(0))
    bench.buffer.read_up_to(TWO, 3, 5, 5)
    assert bench.offsets() == [(LABELS, [0])]


def test_a_chunk_is_cut_where_time_enters_a_day_that_is_not_closed() -> None:
    """The rest waits, and goes when the day comes."""
    bench = Bench(known=FIRST_DAY - 7)
    bench.fetch(ONE, at(0, 0.5), at(1, 0.9), at(2, 1.1), at(3, 0.8))
    assert bench.offsets() == [(ONE, [0, 1])]
    assert bench.buffer.waiting_for == FIRST_DAY - 6
    bench.days.newest += 1
    assert bench.offsets() == [(ONE, [2, 3])]
    assert bench.buffer.waiting_for is None


def test_a_partition_that_begins_looks_for_the_day_of_its_newest_time_too() -> None:
    """After a restart the day that the partition is in may not have been read yet."""
    bench = Bench(known=FIRST_DAY - 8)
    bench.buffer.begin(ONE, decoded, 0, FIRST_DAY * DAY)
    bench.fetch(ONE, at(0, -0.2))
    assert bench.offsets() == []
    assert bench.buffer.waiting_for == FIRST_DAY - 7


def test_without_a_ledger_nothing_waits() -> None:
    bench = Bench(known=0, delay=None)
    bench.fetch(ONE, at(0, 0.5), at(1, 9))
    assert bench.offsets() == [(ONE, [0, 1])]


def test_while_one_waits_older_records_of_another_go() -> None:
    bench = Bench(known=FIRST_DAY - 7)
    bench.fetch(ONE, at(0, 1.5))
    bench.fetch(TWO, at(0, 0.2), at(1, 1.2))
    assert bench.offsets() == [(TWO, [0])]
    assert bench.buffer.heads() == [Head(ONE, int((FIRST_DAY + 1.5) * DAY)), Head(TWO, int((FIRST_DAY + 1.2) * DAY))]


def test_heads_are_not_told_while_a_chunk_is_under_way() -> None:
    bench = Bench()
    bench.fetch(ONE, at(0, 0.5), at(1, 0.6))
    chunk = bench.buffer.next()
    assert chunk is not None
    assert bench.buffer.heads() is None
    bench.buffer.done(chunk.serial)
    assert bench.buffer.heads() == []


def test_who_gives_up_goes_on_up_to_the_next_day() -> None:
    """Giving up one day is not giving up the next."""
    bench = Bench(known=FIRST_DAY - 8)
    bench.fetch(ONE, at(0, 0.5), at(1, 1.5))
    assert bench.offsets() == []
    bench.buffer.give_up()
    assert bench.offsets() == [(ONE, [0])]
    assert bench.buffer.waiting_for == FIRST_DAY - 6


def test_who_gives_up_a_day_that_lies_far_ahead_waits_for_those_before_it() -> None:
    """One message with a wrong date must not take their ledger from all others."""
    bench = Bench(known=FIRST_DAY - 8)
    bench.fetch(ONE, at(0, 9_000))
    assert bench.offsets() == []
    bench.buffer.give_up()
    assert bench.offsets() == [(ONE, [0])]
    bench.fetch(TWO, at(0, 0.5))
    assert bench.offsets() == []
    assert bench.buffer.waiting_for == FIRST_DAY - 7


def test_what_cannot_be_read_goes_at_once() -> None:
    bench = Bench(known=0)
    bench.fetch(ONE, unreadable(0), unreadable(1), at(2, 0.5))
    assert bench.offsets() == [(ONE, [0, 1])]


def test_labels_that_never_end_leave_room_for_transactions() -> None:
    """Each time that a chunk is done, more of them have come."""
    bench = Bench(chunk=1)
    bench.fetch(ONE, *(at(offset, 0.5) for offset in range(3)))
    bench.fetch(LABELS, *(unreadable(offset) for offset in range(9)))
    under_way = [chunk for _ in range(9) if (chunk := bench.buffer.next()) is not None]
    assert [chunk.place for chunk in under_way] == [LABELS] * LABELS_UNDER_WAY + [ONE] * UNDER_WAY
    bench.buffer.done(under_way[0].serial)
    more = bench.buffer.next()
    assert more is not None
    assert more.place == LABELS
    assert bench.buffer.next() is None
    bench.buffer.done(under_way[-1].serial)
    last = bench.buffer.next()
    assert last is not None
    assert last.place == ONE


def test_partitions_of_labels_take_turns() -> None:
    bench = Bench(chunk=1)
    other = Place("labels", 1)
    bench.buffer.begin(other, decoded, 0, -1)
    for place in (LABELS, other):
        bench.fetch(place, *(unreadable(offset) for offset in range(2)))
    assert [place for place, _ in bench.offsets()] == [LABELS, other, LABELS, other]


def test_only_who_needs_records_to_go_on_waits_for_them() -> None:
    """What can go would otherwise wait for records that it does not need, as long as a fetch may take."""
    bench = Bench(known=FIRST_DAY - 7, chunk=1)
    assert bench.buffer.is_starved
    bench.fetch(ONE, at(0, 0.5), at(1, 1.1))
    assert not bench.buffer.is_starved, "one can go"
    bench.buffer.read_up_to(TWO, 3, 5, 5)
    assert bench.buffer.is_starved, "the other partition may bring an older one"
    bench.buffer.read_up_to(TWO, 5, 5, 5)
    assert bench.offsets() == [(ONE, [0])]
    assert not bench.buffer.is_starved, "a ledger day is needed"
    bench.days.newest += 99
    assert bench.offsets() == [(ONE, [1])]
    bench.fetch(LABELS, *(unreadable(offset) for offset in range(LABELS_UNDER_WAY + 1)))
    assert all(bench.buffer.next() for _ in range(LABELS_UNDER_WAY))
    assert not bench.buffer.is_starved, "room is needed"


def test_a_chunk_from_before_a_new_beginning_is_not_counted_against_the_new_one() -> None:
    """Its end must not make the partition look idle while a later chunk is under way."""
    bench = Bench()
    bench.fetch(ONE, at(0, 0.5))
    old = bench.buffer.next()
    bench.buffer.begin(ONE, decoded, 0, -1)
    bench.fetch(ONE, at(0, 0.5))
    new = bench.buffer.next()
    assert isinstance(old, Chunk)
    assert isinstance(new, Chunk)
    bench.buffer.done(old.serial)
    assert not bench.buffer.is_idle(ONE)
    bench.buffer.done(new.serial)
    assert bench.buffer.is_idle(ONE)


@pytest.mark.parametrize(("found", "gap"), [(5, None), (3, Gap(ONE, 5, 3)), (9, Gap(ONE, 5, 9))])
def test_it_tells_where_a_log_does_not_go_on_as_expected(found: int, gap: Gap | None) -> None:
    bench = Bench()
    bench.buffer.begin(ONE, decoded, 5, -1)
    assert bench.buffer.add(ONE, [at(found, 0.5)]) == gap


def test_it_tells_once_where_a_log_went_on_without_records() -> None:
    """What is gone must be noticed without waiting for a record behind it."""
    buffer = Bench().buffer
    assert buffer.read_up_to(ONE, 0, 5, 5) is None
    assert buffer.read_up_to(ONE, 3, 5, 5) == Gap(ONE, 0, 3, is_open=True)
    assert buffer.read_up_to(ONE, 3, 5, 5) is None
    assert buffer.read_up_to(ONE, 5, 5, 5) == Gap(ONE, 0, 5, is_open=True)
    assert buffer.add(ONE, [at(5, 0.5)]) == Gap(ONE, 0, 5)
    assert buffer.read_up_to(ONE, 6, 6, 6) is None


def test_a_partition_that_is_not_ours_is_passed_over() -> None:
    bench = Bench()
    bench.buffer.drop([ONE])
    assert bench.buffer.add(ONE, [at(0, 0.5)]) is None
    assert bench.offsets() == []


def test_a_late_record_asks_for_no_other_day_than_the_newest() -> None:
    bench = Bench(known=FIRST_DAY - 6)
    bench.fetch(ONE, at(0, 1.5), at(1, 0.2), at(2, 1.9))
    assert bench.offsets() == [(ONE, [0, 1, 2])]


def test_lag_counts_what_waits_here_too() -> None:
    bench = Bench(known=0)
    bench.fetch(ONE, at(0, 0.5), at(1, 0.5))
    bench.buffer.read_up_to(ONE, 2, 10, 10)
    assert bench.buffer.lags()[ONE] == 10


def test_what_lies_behind_an_open_transaction_holds_nothing_up_and_is_lag() -> None:
    bench = Bench()
    bench.fetch(ONE, at(0, 0.5))
    bench.buffer.read_up_to(TWO, 3, 4, 9)
    assert bench.offsets() == []
    bench.buffer.read_up_to(TWO, 4, 4, 9)
    assert bench.offsets() == [(ONE, [0])]
    assert bench.buffer.lags()[TWO] == 5


class Meddling:
    """A record: when its offset is looked at, something happens."""

    def __init__(self) -> None:
        self.happens: Callable[[], None] = lambda: None

    @property
    def offset(self) -> int:
        self.happens()
        return 0


def test_the_lag_is_told_while_partitions_come_and_go() -> None:
    """It is the metrics' thread that asks."""
    bench, record = Bench(known=0), Meddling()
    bench.buffer.begin(ONE, lambda records: decoded_of([unreadable(0).event for _ in records]), 0, -1)
    bench.buffer.add(ONE, [record])  # type: ignore[list-item]
    bench.buffer.read_up_to(ONE, 1, 10, 10)
    record.happens = lambda: bench.buffer.drop([LABELS])
    assert bench.buffer.lags() == {ONE: 10, TWO: 0, LABELS: 0}
    assert bench.buffer.lags() == {ONE: 10, TWO: 0}


def test_a_chunk_says_which_offset_was_expected() -> None:
    """Whoever works on it can tell whether something never came: gaps in a log are told of, these are not."""
    bench = Bench(chunk=2)
    bench.buffer.begin(ONE, decoded, 3, -1)
    bench.fetch(ONE, at(3, 0.5), at(4, 0.5), at(7, 0.6))
    assert [chunk.expected_offset for chunk in bench.dispatched()] == [3, 5]


def test_a_chunk_from_before_a_new_beginning_is_under_way_no_more() -> None:
    bench = Bench()
    bench.fetch(ONE, at(0, 0.5))
    chunk = bench.buffer.next()
    assert chunk is not None
    assert bench.buffer.is_under_way(chunk.serial)
    bench.buffer.begin(ONE, decoded, 0, -1)
    assert not bench.buffer.is_under_way(chunk.serial)


def test_each_chunk_has_the_transactions_of_its_own_records_whatever_was_handed_out_or_came_before() -> None:
    """Of a partition whose chunks were cut, and that was fetched from again before all had gone."""
    bench = Bench(chunk=2)
    bench.fetch(ONE, *(unreadable(offset) if offset == 3 else at(offset, 0.1) for offset in range(5)))
    chunks = [bench.buffer.next()]
    assert bench.buffer.lags()[ONE] == 3
    bench.fetch(ONE, *(at(offset, 0.2) for offset in range(5, 8)))
    assert bench.buffer.lags()[ONE] == 6
    while (chunk := bench.buffer.next()) is not None:
        bench.buffer.done(chunk.serial)
        chunks.append(chunk)
    assert [[record.offset for record in chunk.records] for chunk in chunks if chunk] == [
        [0, 1],
        [2, 3],
        [4, 5],
        [6, 7],
    ]
    ids = [chunk.content.block.transaction_id for chunk in chunks if chunk]
    assert ids == [["t0", "t1"], ["t2"], ["t4", "t5"], ["t6", "t7"]]
    assert bench.buffer.lags()[ONE] == 0


def test_while_more_records_are_needed_first_no_ledger_day_is_waited_for() -> None:
    """The heads that are published then would not be the oldest, and one that cannot be read has no time at all."""
    bench = Bench(known=FIRST_DAY - 8)
    bench.fetch(ONE, at(0, 0.5))
    assert bench.offsets() == []
    assert bench.buffer.waiting_for == FIRST_DAY - 7
    bench.buffer.read_up_to(TWO, 0, 5, 5)
    assert bench.offsets() == []
    assert bench.buffer.waiting_for is None


def test_what_was_skipped_is_no_gap_when_the_next_record_comes() -> None:
    bench = Bench()
    bench.fetch(ONE, at(0, 0.1))
    assert bench.offsets() == [(ONE, [0])]
    bench.buffer.skip_to(ONE, 4)
    assert bench.buffer.add(ONE, [at(4, 0.2)]) is None
    assert bench.buffer.add(ONE, [at(6, 0.2)]) == Gap(ONE, 5, 6)
    chunk = bench.buffer.next()
    assert chunk is not None
    assert chunk.expected_offset == 4


def test_there_is_time_for_others_only_while_no_transaction_can_be_scored() -> None:
    bench = Bench(known=FIRST_DAY - 7)
    assert bench.buffer.has_time
    bench.fetch(ONE, at(0, 0.1), at(1, 1.1))
    assert not bench.buffer.has_time  # it waits for the loop alone
    chunk = bench.buffer.next()
    assert chunk is not None
    assert not bench.buffer.has_time  # it is being scored
    bench.buffer.scored(chunk.serial)
    assert bench.buffer.next() is None
    assert bench.buffer.waiting_for is not None
    assert bench.buffer.has_time  # what is left waits for a ledger day
    bench.days.newest += 1
    bench.buffer.done(chunk.serial)
    assert bench.buffer.next() is not None
    assert not bench.buffer.has_time


def test_labels_leave_time_for_others() -> None:
    bench = Bench()
    bench.fetch(LABELS, at(0, 0.1))
    assert bench.buffer.has_time
