"""Which records are of aborted transactions, those that the client leaves out and no others; and where messages are
missing, which is not where transactions end."""

import struct
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from risk.kafka.batches import FetchedBatches, Missing, apart, committed, is_aborted
from tests.test_kafka_batches import NOW, naming, with_a_checksum

CONTROL = 0x20


def of_a_producer(producer: int, offset: int, keys: Sequence[bytes], *, is_control: bool = False) -> bytes:
    """A batch of a transaction, or the record that ends one."""
    builder = DefaultRecordBatchBuilder(2, 0, 1, producer, 0, 0, 1 << 30)
    for place, key in enumerate(keys):
        assert builder.append(place, NOW, key, b"v", []) is not None
    raw = bytearray(builder.build())
    struct.pack_into(">q", raw, 0, offset)
    raw[22] |= CONTROL if is_control else 0
    return with_a_checksum(raw)


class Step(NamedTuple):
    """What a producer does next: sends so many records, or, with none, ends its transaction."""

    producer: int
    records: int
    commits: bool


STEPS = st.lists(st.builds(Step, st.integers(1, 3), st.integers(0, 2), st.booleans()), max_size=25)


@given(STEPS, st.integers(0, 25))
def test_what_is_marked_as_aborted_is_what_the_client_leaves_out(steps: list[Step], skipped: int) -> None:
    """Wherever a fetch begins; the broker tells of the aborted transactions that reach into it."""
    batches, opened, aborted, offset = list[tuple[int, bytes]](), dict[int, int](), list[tuple[int, int, int]](), 0
    for number, records, commits in steps:
        if records:
            opened.setdefault(number, offset)
            batches.append((offset, of_a_producer(number, offset, [b"k"] * records)))
        else:
            first = opened.pop(number, None)
            if first is not None and not commits:
                aborted.append((number, first, offset))
            batches.append((offset, of_a_producer(number, offset, [struct.pack(">HH", 0, commits)], is_control=True)))
        offset += max(records, 1)
    begin = batches[skipped][0] if skipped < len(batches) else offset
    raw = b"".join(batch for at, batch in batches if at >= begin)
    told = [(number, first) for number, first, last in aborted if last >= begin]
    ours, client = fetcher.PartitionRecords, fetcher.PartitionRecords.__base__

    def read_by(reader: Any, records: Any, level: int) -> list[Any]:
        place = TopicPartition("t", 0)
        return list(reader(place, records, told if level else None, begin, None, None, True, level))

    def content(records: Sequence[Any]) -> list[tuple[Any, ...]]:
        return [(r.offset, r.timestamp, r.timestamp_type, r.key, r.value, tuple(r.headers)) for r in records]

    found = read_by(ours, FetchedBatches(raw), fetcher.READ_COMMITTED)
    kept = [record for record in found if not is_aborted(record)]
    assert not apart(found)[1]
    assert content(kept) == content(read_by(client, MemoryRecords(raw), fetcher.READ_COMMITTED))
    assert content(committed(found)) == content(kept)
    assert content(found) == content(read_by(client, MemoryRecords(raw), fetcher.READ_UNCOMMITTED))
    assert not any(map(is_aborted, read_by(ours, FetchedBatches(raw), fetcher.READ_UNCOMMITTED)))


def emptied(raw: bytes) -> bytes:
    """As compaction leaves a batch of which it took all, so that the broker knows what its producer sent last."""
    return with_a_checksum(raw[:57] + bytes(4))


def shortened(raw: bytes) -> bytes:
    """As compaction leaves a batch of two of which it took the last."""
    left = of_a_producer(1, struct.unpack_from(">q", raw)[0], [b"k"])
    return with_a_checksum(left[:23] + raw[23:27] + left[27:])


ONE, TWO = of_a_producer(1, 0, [b"k"] * 2), of_a_producer(1, 2, [b"k"])
ABORTED = of_a_producer(1, 3, [struct.pack(">HH", 0, 0)], is_control=True)
END, LAST = of_a_producer(1, 3, [struct.pack(">HH", 0, 1)], is_control=True), of_a_producer(2, 4, [b"k"])


@pytest.mark.parametrize(
    ("left", "begin", "told"),
    [
        ([ONE, TWO, END, LAST], 0, [0, 1, 2, 4]),
        ([ONE, TWO, END, LAST], 1, [1, 2, 4]),
        ([END, LAST], 3, [4]),
        ([TWO, END, LAST], 0, [(0, 2), 2, 4]),
        ([TWO, END, LAST], 1, [(1, 2), 2, 4]),
        ([ONE, END, LAST], 0, [0, 1, (2, 3), 4]),
        ([ONE, END], 0, [0, 1, (2, 3)]),
        ([ONE, TWO, LAST], 0, [0, 1, 2, (3, 4), 4]),
        ([ONE, TWO, emptied(END), LAST], 0, [0, 1, 2, 4]),
        ([emptied(ONE), TWO, END, LAST], 0, [(0, 2), 2, 4]),
        ([ONE, emptied(TWO), END, LAST], 0, [0, 1, (2, 3), 4]),
        ([ONE, emptied(TWO)], 0, [0, 1, (2, 3)]),
        ([naming(0, 2), END, LAST], 0, [0, (1, 2), 2, 4]),
        ([naming(0, 2), END, LAST], 1, [(1, 2), 2, 4]),
        ([naming(0, 2), END, LAST], 2, [2, 4]),
        ([shortened(ONE), TWO], 0, [0, (1, 2), 2]),
        ([shortened(ONE)], 0, [0, (1, 2)]),
        ([shortened(ONE)], 1, [(1, 2)]),
    ],
)
@pytest.mark.parametrize("most", [None, 1])
def test_where_messages_are_missing_is_told_at_once(
    left: list[bytes], begin: int, told: list[Any], most: int | None
) -> None:
    """With what is fetched there: the next record may be in another fetch, and where none is, nobody would learn of
    it. What lies before the offset that was asked for is not missed."""
    records = fetched(left, begin, fetcher.READ_COMMITTED)
    found = list[Any]()
    while piece := list(islice(records, most)):
        last = piece[-1]
        assert most is None or records.next_fetch_offset == (
            last.next_offset if type(last) is Missing else last.offset + 1
        )
        found += piece
    assert [(one.offset, one.next_offset) if type(one) is Missing else one.offset for one in found] == told
    there = [offset for offset in told if isinstance(offset, int)]
    assert [record.offset for record in fetched(left, begin, fetcher.READ_UNCOMMITTED)] == there
    assert [record.offset for record in apart(found)[0]] == there


def test_what_compaction_took_of_an_aborted_transaction_is_not_missed() -> None:
    records = fetched([shortened(ONE), emptied(TWO), ABORTED, LAST], 0, fetcher.READ_COMMITTED, [(1, 0)])
    assert [(record.offset, is_aborted(record)) for record in records] == [(0, True), (4, False)]


def fetched(left: list[bytes], begin: int, level: int, aborted: Any = None) -> Any:
    return fetcher.PartitionRecords(
        TopicPartition("t", 0), FetchedBatches(b"".join(left)), aborted, begin, None, None, True, level
    )
