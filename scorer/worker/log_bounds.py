"""Where a partition's log begins and ends, as the broker says now."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from risk.errors import BrokerAwayError
from scorer.metrics import Metrics
from scorer.worker.arrivals import Place

# The client waits for 40 s by itself each time; a broker may take a while to come back.
TRIES = 5

Offsets = Mapping[TopicPartition, int]
Ask = Callable[[Sequence[TopicPartition]], Awaitable[Offsets]]


class LogBounds:
    """Asks with a consumer that belongs to no group and reads nothing."""

    def __init__(self, consumer: AIOKafkaConsumer, metrics: Metrics) -> None:
        self._consumer = consumer
        self._metrics = metrics

    async def of(self, place: Place) -> tuple[int, int]:
        """The first offset there is, and the one after the last."""
        partition = TopicPartition(*place)
        begins = await self._asked(self._consumer.beginning_offsets, [partition])
        ends = await self._asked(self._consumer.end_offsets, [partition])
        return begins[partition], ends[partition]

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        ends = await self._asked(self._consumer.end_offsets, [TopicPartition(*place) for place in places])
        return {Place(*partition): end for partition, end in ends.items()}

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
