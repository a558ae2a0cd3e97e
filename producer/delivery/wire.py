"""The door to Kafka for what is sent: what is asked of a cluster, in the project's own words and errors."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar

from aiokafka import AIOKafkaProducer, OffsetAndMetadata, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError, OutOfOrderSequenceNumber, UnknownProducerId

from producer.delivery.already import Place, Record
from risk.errors import BrokerAwayError, BrokerError
from risk.kafka.connection import Connection, client_options
from risk.kafka.log import Bounds, reading
from risk.kafka.sending import CODEC, Message, send_all
from risk.kafka.topic_problems import topology_errors
from risk.kafka.topic_states import look
from risk.topics import Topics

BATCH_BYTES = 512 * 1024  # half of what a broker takes unless told otherwise
REQUEST_SECONDS = 30
CLOSE_SECONDS = 3
COORDINATOR_TRIES, COORDINATOR_SECONDS = 25, 0.2


T = TypeVar("T")


class Commit(NamedTuple):
    offset: int
    note: str


class Wire:
    """The way to the topics of one system. `send` keeps the order within a partition; see risk/kafka/sending.py."""

    def __init__(
        self, connection: Connection, topics: Topics, needed: Sequence[str], request_seconds: float = REQUEST_SECONDS
    ) -> None:
        """`needed`: those of the topics that must be there. `request_seconds`: a batch that is older, and has no leader
        to go to, fails."""
        self._connection, self._topics, self._needed = connection, topics, needed
        self._request_ms = int(request_seconds * 1000)
        self._producer: AIOKafkaProducer | None = None
        self._admin: AIOKafkaAdminClient | None = None

    async def check(self) -> int:
        """How many partitions the topics have. BrokerAwayError where nobody answers; BrokerError where a person must
        act: topics that are not there, say."""
        states = await look(self._connection, self._needed)
        wrong = topology_errors(states, self._topics)
        if wrong:
            raise BrokerError("; ".join(wrong))
        return states[0].partitions

    async def renew(self) -> None:
        """A new producer: one that failed has lost count of what the broker has."""
        await self._stop_producer()
        await self.check()
        producer = AIOKafkaProducer(
            **client_options(self._connection),
            enable_idempotence=True,
            acks="all",
            compression_type=CODEC,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=self._request_ms,
        )
        await _asked(producer.start())
        self._producer = producer

    async def close(self) -> None:
        await self._stop_producer()
        if self._admin is not None:
            await self._admin.close()

    async def _stop_producer(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            with suppress(TimeoutError):  # what it still holds was given up: nobody waits for it
                await asyncio.wait_for(producer.stop(), CLOSE_SECONDS)

    async def send(self, place: Place, messages: Sequence[Message]) -> int:
        """The offset behind the last; BrokerAwayError where a new producer may try again."""
        assert self._producer is not None
        try:
            return await send_all(self._producer, *place, messages)
        except BrokerError as error:
            cause = error.__cause__
            if isinstance(cause, (OutOfOrderSequenceNumber, UnknownProducerId)):  # the broker has lost count of us
                raise BrokerAwayError(str(error)) from cause
            raise

    async def offsets(self, places: Sequence[Place]) -> dict[Place, Bounds]:
        async with reading(self._connection) as reader:
            bounds = await reader.bounds([TopicPartition(*place) for place in places])
        return {(partition.topic, partition.partition): found for partition, found in bounds.items()}

    async def records(self, starts: Mapping[Place, int]) -> dict[Place, list[Record]]:
        """Everything from these offsets to the ends as of now."""

        found: dict[Place, list[Record]] = defaultdict(list)
        async with reading(self._connection) as reader:
            bounds = await reader.bounds([TopicPartition(*place) for place in starts])
            firsts = {p: max(starts[p.topic, p.partition], begin) for p, (begin, _) in bounds.items()}
            reader.begin(firsts)
            for partition, (_, end) in bounds.items():
                async for records in reader.until(partition, end):
                    found[partition.topic, partition.partition] += [Record(one.key, one.value) for one in records]
        return found

    async def committed(self, group: str, places: Iterable[Place]) -> dict[Place, Commit]:
        """As far as the group has committed any."""
        if self._admin is None:
            admin = AIOKafkaAdminClient(**client_options(self._connection))
            await _asked(admin.start())
            self._admin = admin
        # All by name: the embedded broker does not know the question for everything.
        partitions = [TopicPartition(*place) for place in places]
        offsets = await _asked(_once_there_is_a_coordinator(self._admin, group, partitions))
        return {
            (p.topic, p.partition): Commit(at.offset, at.metadata or "") for p, at in offsets.items() if at.offset >= 0
        }


async def _once_there_is_a_coordinator(
    admin: AIOKafkaAdminClient, group: str, partitions: list[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """The first group of a cluster waits a moment until the broker has made its own topic for them."""
    for _ in range(COORDINATOR_TRIES):
        try:
            return dict(await admin.list_consumer_group_offsets(group, partitions=partitions))
        except GroupCoordinatorNotAvailableError:
            await asyncio.sleep(COORDINATOR_SECONDS)
    return dict(await admin.list_consumer_group_offsets(group, partitions=partitions))


async def _asked(answer: Awaitable[T]) -> T:
    """Kafka's own errors in ours. Only asking is done here, so all of them may be tried again."""
    try:
        return await answer
    except KafkaError as error:
        raise BrokerAwayError(f"the broker did not answer ({error!r}); look at the broker") from error
