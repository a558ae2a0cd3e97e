"""The buffer: how large chunks become, and how many are under way."""

from collections.abc import Sequence

from risk.block_codec import Decoded
from scorer.worker.buffer import ENOUGH, TO_SCORE
from tests.test_scorer_buffer import FIRST_DAY, ONE, TWO, Bench, Given, at, decoded


def test_a_chunk_has_a_size() -> None:
    bench = Bench(chunk=3)
    bench.fetch(ONE, *(at(offset, 0.5) for offset in range(7)))
    assert bench.offsets() == [(ONE, [0, 1, 2]), (ONE, [3, 4, 5]), (ONE, [6])]


def test_only_so_many_chunks_are_under_way() -> None:
    bench = Bench(chunk=1)
    bench.fetch(ONE, *(at(offset, 0.5) for offset in range(7)))
    taken = [bench.buffer.next() for _ in range(TO_SCORE)]
    assert bench.buffer.next() is None, "room in front of the thread that scores is needed"
    for chunk in taken:
        assert chunk is not None
        bench.buffer.scored(chunk.serial)
    bench.fetch(TWO, at(0, 0.6))
    assert bench.buffer.next() is None, "of the partition whose turn it is, so many are sent and stored"
    assert not bench.buffer.is_starved
    assert taken[0] is not None
    bench.buffer.done(taken[0].serial)
    next_one = bench.buffer.next()
    assert next_one is not None
    assert next_one.place == ONE
    assert bench.buffer.next() is None


def test_what_fills_no_chunk_grows_while_another_is_scored() -> None:
    bench = Bench(chunk=3)
    bench.fetch(ONE, *(at(offset, 0.5) for offset in range(4)))
    first = bench.buffer.next()
    assert first is not None
    assert bench.buffer.next() is None
    bench.fetch(ONE, at(4, 0.5))
    assert bench.buffer.next() is None
    bench.buffer.scored(first.serial)
    assert bench.offsets() == [(ONE, [3, 4])]


class Counted:
    """Reads, and counts the records of each call."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, records: Sequence[Given]) -> Decoded:
        self.calls += [len(records)] if records else []
        return decoded(records)


def test_what_comes_few_at_a_time_is_read_together() -> None:
    """Once it may be its turn: to read a record by itself costs as much as to read ten."""
    bench, read = Bench(), Counted()
    bench.buffer.begin(ONE, read, 0, -1)
    for offset in range(5):
        bench.fetch(ONE, at(offset, 0.5))
        assert bench.buffer.lags()[ONE] == offset + 1
    assert bench.offsets() == [(ONE, [0, 1, 2, 3, 4])]
    assert read.calls == [5]


def test_what_comes_at_once_is_read_chunk_by_chunk() -> None:
    """The rest of one that was cut goes by itself if it is large, and is filled up if it is not."""
    few, size = ENOUGH - 1, 2 * ENOUGH
    bench, read = Bench(known=FIRST_DAY - 7, chunk=size), Counted()
    bench.buffer.begin(ONE, read, 0, -1)
    days = [0.5] * few + [1.5] * few + [2.5] * (2 * size)
    bench.fetch(ONE, *(at(offset, day) for offset, day in enumerate(days)))
    sizes = []
    for closed in range(3):
        bench.days.newest = FIRST_DAY - 7 + closed
        sizes.append([len(offsets) for _, offsets in bench.offsets()])
    assert sizes == [[few], [few], [size, size]]
    assert read.calls == [size, size - 2, size]


def test_a_partition_is_fetched_from_until_enough_of_it_waits() -> None:
    bench = Bench(chunk=ENOUGH)
    bench.fetch(ONE, *(at(offset, 0.5) for offset in range(ENOUGH - 1)))
    assert not bench.buffer.has_enough(ONE)
    bench.fetch(ONE, at(ENOUGH - 1, 0.5))
    assert bench.buffer.has_enough(ONE)
    assert bench.offsets() == [(ONE, list(range(ENOUGH)))]
    assert not bench.buffer.has_enough(ONE)
