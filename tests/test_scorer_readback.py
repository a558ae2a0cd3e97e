"""Reading outputs back: what is there with the same bytes is not sent again."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from aiokafka import TopicPartition

from risk.kafka.sending import Message
from risk.topics import SOURCE_OFFSET, SOURCE_TOPIC
from scorer.worker.outgoing import Out
from scorer.worker.readback import Opening, Shelf, open_shelves, source_of_reject, source_of_value

PLACE = TopicPartition("risk-flags", 0)


class Stored(NamedTuple):
    offset: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Partition:
    """A consumer of one partition that gives three records at a time."""

    def __init__(self, records: Sequence[Stored]) -> None:
        self._records = records
        self._position = 0
        self.given = 0

    def assign(self, places: list[TopicPartition]) -> None:
        assert places == [PLACE]

    def seek(self, place: TopicPartition, offset: int) -> None:
        assert place == PLACE
        self._position = offset

    async def getmany(self, place: TopicPartition, *, timeout_ms: int) -> dict[TopicPartition, list[Stored]]:
        assert timeout_ms > 0
        found = [record for record in self._records if record.offset >= self._position][:3]
        self._position = found[-1].offset + 1 if found else self._position
        self.given += len(found)
        return {place: found}

    async def position(self, place: TopicPartition) -> int:
        assert place == PLACE
        return self._position


def value(source: int, words: str = "") -> bytes:
    return f'{{"words":"{words}","source_offset":{source}}}'.encode()


def out(source: int, words: str = "") -> Out:
    return Out(source, Message(None, value(source, words)))


def shelf(records: Sequence[Stored], *, first: int = 0, end: int | None = None) -> tuple[Shelf, Partition]:
    partition = Partition(records)
    [made] = open_shelves(partition, [Opening(PLACE, first, len(records) if end is None else end, source_of_value)])
    return made, partition


def test_what_is_there_is_not_sent_again() -> None:
    made, _ = shelf([Stored(n, value(n)) for n in range(5)])
    asyncio.run(made.read_to(4))
    found = made.sendable([out(n) for n in range(3, 7)])
    assert ([o.source_offset for o in found.missing], found.present, found.different) == ([5, 6], 2, 0)


def test_what_is_there_with_other_bytes_is_sent_and_counted() -> None:
    made, _ = shelf([Stored(0, value(0, "other"))])
    asyncio.run(made.read_to(0))
    found = made.sendable([out(0)])
    assert (len(found.missing), found.present, found.different) == (1, 0, 1)


def test_it_reads_no_further_than_it_must() -> None:
    """However much is there, memory holds what lies a fetch ahead."""
    made, partition = shelf([Stored(n, value(n)) for n in range(100)])
    asyncio.run(made.read_to(4))
    assert partition.given == 6
    assert made.value(4) == value(4)
    assert not made.is_read


def test_it_ends_where_the_partition_ended_when_the_reading_began() -> None:
    """What was sent since is ours."""
    made, _ = shelf([Stored(n, value(n)) for n in range(4)], end=2)
    asyncio.run(made.read_to(3))
    assert made.is_read
    assert (made.value(1), made.value(2)) == (value(1), None)


def test_a_repeat_in_between_brings_nothing_new() -> None:
    made, _ = shelf([Stored(place, value(source)) for place, source in enumerate([0, 1, 2, 1, 2, 3, 4])])
    asyncio.run(made.read_to(4))
    assert made.sendable([out(n) for n in range(6)]).present == 5


def test_a_source_without_an_output_does_not_hold_the_reading_up() -> None:
    """Rejects are few: the next one that is there may lie far behind."""
    made, _ = shelf([Stored(0, value(1)), Stored(1, value(90))])
    asyncio.run(made.read_to(50))
    assert made.sendable([out(1), out(50)]).present == 1
    assert made.has_seen(60)
    assert not made.has_seen(91)


def test_it_is_done_when_all_is_read_and_nothing_is_left_to_compare() -> None:
    made, _ = shelf([Stored(0, value(0)), Stored(1, value(7))])
    asyncio.run(made.read_to(7))
    made.forget_before(5)
    assert not made.is_done
    made.forget_before(8)
    assert made.is_done


def test_a_tombstone_or_a_strangers_message_is_passed_over() -> None:
    made, _ = shelf([Stored(0, None), Stored(1, b"hello"), Stored(2, value(0))])
    asyncio.run(made.read_to(0))
    assert made.value(0) == value(0)


def test_rejects_of_another_topic_are_not_ours() -> None:
    """Transactions and labels have their rejects in one partition."""
    source = source_of_reject("transactions")
    ours = Stored(0, b"x", [(SOURCE_TOPIC, b"transactions"), (SOURCE_OFFSET, b"12")])
    other = Stored(0, b"x", [(SOURCE_TOPIC, b"labels"), (SOURCE_OFFSET, b"12")])
    assert (source(ours), source(other), source(Stored(0, b"x"))) == (12, None, None)
    assert source(Stored(0, b"x", [(SOURCE_TOPIC, b"transactions"), (SOURCE_OFFSET, b"twelve")])) is None
