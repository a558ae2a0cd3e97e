"""What a worker opens before it works: the store, and clients of Kafka. All of it is closed on the way out."""

import logging
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from risk.errors import BrokerError
from risk.kafka.connection import Connection, check_reachable, client_options, in_words
from risk.kafka.log import LogReader, Reads, open_reader
from risk.kafka.sending import CODEC, MessageParts, send_all
from risk.kafka.topic_problems import retention_warnings, topology_errors
from risk.kafka.topic_states import identity, look
from risk.kafka.topic_watch import TopicWatch
from risk.topics import Topics, topics_of
from scorer.log.bounds import LogBounds
from scorer.metrics import Metrics
from scorer.store_thread import StoreThread

log = logging.getLogger(__name__)

OTHER_LOG = (
    "Nothing of another log was stored. Go back to the topics that the store was made from, or begin with a new store "
    "and new topics; docs/runbook.md says how."
)

# The flags of a full chunk are three or four batches, acknowledged one by one. A batch that does not compress must stay
# below a broker's default limit of 1 MB.
LARGEST_BATCH = 512 * 1024
LARGEST_REQUEST = 4 * 1024 * 1024
# For one request of a send, and for a question about the topics. The producer repeats a send for as long as it takes,
# so that nothing is sent twice; a worker that gets no further by it is the watchdog's.
SEND_SECONDS = 60.0


class Clients:
    """`scoring` is the store of the thread that scores, `storing` of the one that commits, `side` of whoever else."""

    def __init__(
        self, connection: Connection, prefix: str, stack: AsyncExitStack, *, send_seconds: float, read_seconds: float
    ) -> None:
        self.topics: Topics = topics_of(prefix)
        self.partitions = 0
        self.side: StoreThread
        self.scoring: StoreThread
        self.storing: StoreThread
        self._producer: AIOKafkaProducer
        self._alerting: AIOKafkaProducer
        self.admin: AIOKafkaAdminClient
        self.bounds: LogBounds
        self.watch: TopicWatch
        self._connection = connection
        self._prefix = prefix
        self._stack = stack
        self._send_seconds = send_seconds
        self._read_seconds = read_seconds

    async def open(self, store: Path, metrics: Metrics) -> None:
        """Everything that can be refused is refused here, before a partition is taken."""
        await check_reachable(self._connection)
        self.partitions = await self._checked_topics()
        self.admin = AIOKafkaAdminClient(**client_options(self._connection))
        self._stack.push_async_callback(self.admin.close)
        with in_words(self._connection.brokers):
            await self.admin.start()
        self.side = await self._store(store, "store", metrics)
        self.scoring = await self._store(store, "score", metrics)
        self.storing = await self._store(store, "commit", metrics)
        ours = await identity(self._connection, self.topics, self._prefix)
        await self.side.call(lambda store: store.remember_identity(ours))
        self.watch = await self._stack.enter_async_context(
            TopicWatch(self._connection, self.topics, ours, OTHER_LOG, confirm_seconds=self._send_seconds)
        )
        self.bounds = LogBounds(await self.reader(), await self.reader(Reads.COMMITTED), metrics)
        self._producer, self._alerting = await self._open_producer(), await self._open_producer()

    async def send(self, topic: str, partition: int, messages: Iterable[MessageParts]) -> int:
        """See `send_all`. A producer has one request on its way to a broker, and the next waits for its answer; so that
        alerts wait for no flags of other partitions, they have a producer of their own."""
        producer = self._alerting if topic == self.topics.alerts else self._producer
        return await send_all(producer, topic, partition, messages)

    async def _open_producer(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **client_options(self._connection),
            enable_idempotence=True,
            acks="all",
            compression_type=CODEC,
            linger_ms=0,
            max_batch_size=LARGEST_BATCH,
            max_request_size=LARGEST_REQUEST,
            request_timeout_ms=int(self._send_seconds * 1000),
        )
        with in_words(self._connection.brokers):
            await producer.start()
        self._stack.push_async_callback(producer.stop)
        return producer

    async def reader(self, reads: Reads = Reads.ALL) -> LogReader:
        """One for as long as the worker lives."""
        reader = await self.open_reader(reads)
        self._stack.push_async_callback(reader.stop)
        return reader

    async def open_reader(self, reads: Reads = Reads.ALL) -> LogReader:
        """One that whoever asked for it stops."""
        return await open_reader(self._connection, reads=reads, limit_seconds=self._read_seconds)

    @property
    def is_store_held(self) -> bool:
        """Whether another process has it locked, and this one waits."""
        return any(store.is_waiting for store in (self.side, self.scoring, self.storing))

    async def _store(self, path: Path, name: str, metrics: Metrics) -> StoreThread:
        store = StoreThread(path, name=name, waited=metrics.store_wait.inc, on_busy=metrics.retries.labels("store").inc)
        self._stack.callback(store.close)
        await store.opened()
        return store

    async def _checked_topics(self) -> int:
        """The number of partitions; BrokerError where the topics are not what a worker needs."""
        states = await look(self._connection, self.topics)
        wrong = topology_errors(states, self.topics)
        if wrong:
            raise BrokerError("; ".join(wrong))
        for warning in retention_warnings(states, self.topics):
            log.warning("%s", warning)
        return next(state.partitions for state in states if state.name == self.topics.transactions)
