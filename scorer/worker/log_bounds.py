"""Where a partition's log begins and ends, as the broker says now."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from risk.errors import BrokerAwayError
from scorer.metrics import Metrics
from scorer.worker.arrivals import Place

# The client waits for 40 s by itself each time; a broker may take a while to come back.
TRIES = 5
LOOKS = 300

Offsets = Mapping[TopicPartition, int]
Ask = Callable[[Sequence[TopicPartition]], Awaitable[Offsets]]


class LogBounds:
    """Asks with consumers that belong to no group: one that reads nothing, and one to see what lies in a gap."""

    def __init__(self, consumer: AIOKafkaConsumer, reader: AIOKafkaConsumer, metrics: Metrics) -> None:
        self._consumer = consumer
        self._reader = reader
        self._metrics = metrics
        self._reading = asyncio.Lock()

    async def of(self, place: Place) -> tuple[int, int]:
        """The first offset there is, and the one after the last."""
        partition = TopicPartition(*place)
        begins = await self._asked(self._consumer.beginning_offsets, [partition])
        ends = await self._asked(self._consumer.end_offsets, [partition])
        return begins[partition], ends[partition]

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        ends = await self._asked(self._consumer.end_offsets, [TopicPartition(*place) for place in places])
        return {Place(*partition): end for partition, end in ends.items()}

    async def ends_of(self, topic: str, partitions: int) -> dict[int, int]:
        """By partition."""
        ends = await self.ends(Place(topic, number) for number in range(partitions))
        return {place.partition: end for place, end in ends.items()}

    async def holds_nothing(self, place: Place, first: int, until: int) -> bool:
        """Whether the log has no record from the one offset up to the other: it is read to see."""
        partition = TopicPartition(*place)
        async with self._reading:
            self._reader.assign([partition])
            self._reader.seek(partition, first)
            try:
                return await self._reaches(partition, until)
            finally:
                self._reader.unsubscribe()  # or it would go on fetching

    async def _reaches(self, partition: TopicPartition, until: int) -> bool:
        """Without meeting a record before."""
        for _ in range(LOOKS):
            fetched = await self._reader.getmany(partition, timeout_ms=200, max_records=1)
            for record in fetched.get(partition, ()):
                return bool(record.offset >= until)
            if await self._reader.position(partition) >= until:
                return True
        raise BrokerAwayError(
            f"{partition.topic} partition {partition.partition}: the broker did not tell what "
            f"lies before offset {until}. Look at the broker; then start the worker again."
        )

    async def _asked(self, ask: Ask, partitions: Sequence[TopicPartition]) -> Offsets:
        """To ask again changes nothing, so a broker that is away is asked again."""
        for left in reversed(range(TRIES)):
            try:
                return await ask(partitions)
            except KafkaError as error:
                self._metrics.retries.labels("offsets").inc()
                if not left:
                    raise BrokerAwayError(
                        f"{partitions[0].topic}: the broker did not tell where its log begins and ends ({error!r}), "
                        f"asked {TRIES} times. Look at the broker; then start the worker again."
                    ) from error
        raise AssertionError("the last try raises")
