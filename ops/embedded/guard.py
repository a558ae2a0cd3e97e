"""Keeps watch over a broker that holds about 5 MB of a partition and then drops the oldest messages without a word.

What is written is read once more, as whole batches, to know what each partition holds. The broker hands out one batch
of a partition at a time, so in a rush the watch falls behind; what it has not read yet is taken to be like the rest.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import Any

from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest

from risk.kafka.connection import opened

# librdkafka's own, for what a partition may hold.
LIMIT = 5 << 20
# What is left is more than a batch, and more than what can come in between two looks.
FULL = 4 << 20
NOTICE = 3 << 20
LOOK_MS = 20
ANSWER_SECONDS = 60

Partition = tuple[str, int]


class Watch:
    """What each partition holds."""

    def __init__(self, connection: AIOKafkaConnection, notice: Callable[[str], None]) -> None:
        self._connection = connection
        self._notice = notice
        self._next: dict[Partition, int] = {}  # the offset to read next
        self._read: dict[Partition, int] = {}  # bytes before it
        self._noticed: set[Partition] = set()

    async def look(self) -> str | None:
        """Why the broker cannot go on, if it cannot."""
        await self._learn_topics()
        if not self._next:
            await asyncio.sleep(LOOK_MS / 1000)
            return None
        for topic, partitions in await self._fetch():
            for number, _, end, _, begin, *_, batches in partitions:
                reason = self._take((topic, number), begin, end, batches or b"")
                if reason is not None:
                    return reason
        return None

    async def _learn_topics(self) -> None:
        metadata = await self._connection.send(MetadataRequest(None))
        for _, topic, _, partitions in metadata.topics:
            for _, number, *_ in partitions:
                self._next.setdefault((topic, number), 0)
                self._read.setdefault((topic, number), 0)

    async def _fetch(self) -> list[tuple[str, list[tuple[Any, ...]]]]:
        wanted = [(topic, [(number, offset, LIMIT)]) for (topic, number), offset in self._next.items()]
        answer = await self._connection.send(FetchRequest(LOOK_MS, 1, len(wanted) * LIMIT, 0, wanted))
        topics: list[tuple[str, list[tuple[Any, ...]]]] = answer.topics
        return topics

    def _take(self, partition: Partition, begin: int, end: int, batches: bytes) -> str | None:
        name = f"{partition[0]} partition {partition[1]}"
        if begin > 0:
            return (
                f"{name}: the messages before offset {begin} are gone, as more was sent than the embedded broker "
                f"holds ({LIMIT >> 20} MB a partition); whoever reads from the beginning would miss them"
            )
        self._read[partition] += len(batches)
        self._next[partition] = after = _after(batches, self._next[partition])
        held = self._read[partition] * end / max(after, 1)
        if held >= NOTICE and partition not in self._noticed:
            self._noticed.add(partition)
            self._notice(f"{name}: holds {NOTICE >> 20} MB; at {FULL >> 20} MB the embedded broker ends")
        if held < FULL:
            return None
        return (
            f"{name}: holds {held / (1 << 20):.1f} MB, and beyond {LIMIT >> 20} MB the embedded broker would drop "
            "the oldest messages without a word"
        )


def _after(batches: bytes, offset: int) -> int:
    """The offset after the last of these batches, as their headers have it."""
    place = 0
    while place < len(batches):
        first, length = struct.unpack_from(">qi", batches, place)
        (last,) = struct.unpack_from(">i", batches, place + 23)
        offset = first + last + 1
        place += 12 + length
    return offset


async def watch(host: str, port: int, notice: Callable[[str], None]) -> str:
    """Why the broker cannot go on, once it cannot."""
    async with opened(host, port, ANSWER_SECONDS, {}) as connection:
        looking = Watch(connection, notice)
        while True:
            reason = await looking.look()
            if reason is not None:
                return reason
