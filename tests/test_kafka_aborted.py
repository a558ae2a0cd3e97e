"""Which records are of aborted transactions, those that the client leaves out and no others; and where messages are
missing, which is not where transactions end."""

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from risk.kafka.batches import FetchedBatches, committed, is_aborted, is_behind_gap
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
    assert not any(map(is_behind_gap, found))
    assert content(kept) == content(read_by(client, MemoryRecords(raw), fetcher.READ_COMMITTED))
    assert content(committed(found)) == content(kept)
    assert content(found) == content(read_by(client, MemoryRecords(raw), fetcher.READ_UNCOMMITTED))
    assert not any(map(is_aborted, read_by(ours, FetchedBatches(raw), fetcher.READ_UNCOMMITTED)))


def emptied(raw: bytes) -> bytes:
    """As compaction leaves a batch of which it took all, so that the broker knows what its producer sent last."""
    return with_a_checksum(raw[:57] + bytes(4))


ONE, TWO = of_a_producer(1, 0, [b"k"] * 2), of_a_producer(1, 2, [b"k"])
END, LAST = of_a_producer(1, 3, [struct.pack(">HH", 0, 1)], is_control=True), of_a_producer(2, 4, [b"k"])


@pytest.mark.parametrize(
    ("left", "begin", "behind"),
    [
        ([ONE, TWO, END, LAST], 0, []),
        ([ONE, TWO, END, LAST], 1, []),
        ([END, LAST], 3, []),
        ([TWO, END, LAST], 0, [2]),
        ([ONE, END, LAST], 0, [4]),
        ([ONE, TWO, LAST], 0, [4]),
        ([emptied(ONE), TWO, END, LAST], 0, [2]),
        ([ONE, emptied(TWO), END, LAST], 0, [4]),
        ([naming(0, 2), END, LAST], 0, [0, 2]),
    ],
)
def test_the_first_record_behind_missing_messages_is_marked(left: list[bytes], begin: int, behind: list[int]) -> None:
    found = fetcher.PartitionRecords(TopicPartition("t", 0), FetchedBatches(b"".join(left)), None, begin,
                                     None, None, True, fetcher.READ_COMMITTED)  # fmt: skip
    assert [record.offset for record in found if is_behind_gap(record)] == behind
