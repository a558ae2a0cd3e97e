"""Where a partition's log begins and ends, as the broker says now.

Its end is where the next record will be, and an open transaction of a producer lies before it: whoever asks whether all
is read that was sent asks for that. Workers read only up to the last stable offset.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from aiokafka import TopicPartition

from risk.errors import BrokerAwayError
from risk.kafka.batches import apart
from risk.kafka.log import LogReader
from scorer.log.chunks import Place
from scorer.metrics import Metrics

# The client waits for 40 s by itself each time; a broker may take a while to come back.
TRIES = 5

Answer = TypeVar("Answer")


class LogBounds:
    """Asks with readers of its own: one that reads nothing, and one that reads committed, to see what lies in a gap."""

    def __init__(self, asker: LogReader, committed: LogReader, metrics: Metrics) -> None:
        self._asker = asker
        self._committed = committed
        self._metrics = metrics
        self._reading = asyncio.Lock()

    async def of(self, place: Place) -> tuple[int, int]:
        """The first offset there is, and the one after the last."""
        partition = TopicPartition(*place)
        return (await self._asked(lambda: self._asker.bounds([partition])))[partition]

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        return await self._ends(self._asker, places)

    async def stable_ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """As far as a worker can read now."""
        return await self._ends(self._committed, places)

    async def _ends(self, reader: LogReader, places: Iterable[Place]) -> dict[Place, int]:
        partitions = [TopicPartition(*place) for place in places]
        ends = await self._asked(lambda: reader.ends(partitions))
        return {Place(*partition): end for partition, end in ends.items()}

    async def ends_of(self, topic: str, partitions: int) -> dict[int, int]:
        """By partition."""
        ends = await self.ends(Place(topic, number) for number in range(partitions))
        return {place.partition: end for place, end in ends.items()}

    async def holds_nothing(self, place: Place, first: int, until: int) -> bool:
        """Whether the log has no record for a worker from the one offset up to the other: it is read to see. What
        compaction took the worker's own consumer tells, whenever it moves beyond."""
        partition = TopicPartition(*place)
        async with self._reading:
            self._committed.begin({partition: first})
            try:
                async for records in self._committed.until(partition, until):
                    if apart(records)[0]:
                        return False
                return True
            finally:
                self._committed.rest()  # or it would go on fetching

    async def _asked(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """To ask again changes nothing, so a broker that is away is asked again."""
        for left in reversed(range(TRIES)):
            try:
                return await ask()
            except BrokerAwayError as error:
                self._metrics.retries.labels("offsets").inc()
                if not left:
                    raise BrokerAwayError(f"{error}; asked {TRIES} times") from error
        raise AssertionError("the last try raises")
