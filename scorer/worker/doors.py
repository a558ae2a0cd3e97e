"""What a worker opens before it works: the store, and clients of Kafka. All of it is closed on the way out."""

import logging
from contextlib import AsyncExitStack
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from risk.errors import BrokerError
from risk.kafka.connection import Connection, client_options, reach
from risk.kafka.topic_problems import losses, misfits
from risk.kafka.topic_states import identity, look
from risk.topics import Topics, topics_of
from scorer.metrics import Metrics
from scorer.worker.log_bounds import LogBounds
from scorer.worker.store_thread import StoreThread

log = logging.getLogger(__name__)

# A flag for every transaction of a chunk goes into one batch, which leaves at once.
LARGEST_BATCH = 512 * 1024
LARGEST_REQUEST = 4 * 1024 * 1024
# A send that is not acknowledged for so long ends the worker.
SEND_SECONDS = 60.0
FETCH_BYTES = 4 * 1024 * 1024
FETCH_MAX_WAIT_MS = 100


class Doors:
    """`scoring` is the store of the thread that scores, `storing` of the one that commits, `side` of whoever else."""

    def __init__(
        self, connection: Connection, prefix: str, stack: AsyncExitStack, *, send_seconds: float = SEND_SECONDS
    ) -> None:
        self.topics: Topics = topics_of(prefix)
        self.partitions = 0
        self.side: StoreThread
        self.scoring: StoreThread
        self.storing: StoreThread
        self.producer: AIOKafkaProducer
        self.bounds: LogBounds
        self._connection = connection
        self._prefix = prefix
        self._stack = stack
        self._send_seconds = send_seconds

    async def open(self, store: Path, metrics: Metrics) -> None:
        """Everything that can be refused is refused here, before a partition is taken."""
        await reach(self._connection)
        self.partitions = await self._checked_topics()
        self.side = self._store(store, "store")
        self.scoring = self._store(store, "score")
        self.storing = self._store(store, "commit")
        ours = await identity(self._connection, self.topics, self._prefix)
        await self.side.call(lambda store: store.remember_identity(ours))
        self.bounds = LogBounds(await self.reader(), await self.reader(), metrics)
        self.producer = AIOKafkaProducer(
            **client_options(self._connection),
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=LARGEST_BATCH,
            max_request_size=LARGEST_REQUEST,
            request_timeout_ms=int(self._send_seconds * 1000),
        )
        await self.producer.start()
        self._stack.push_async_callback(self.producer.stop)

    async def reader(self) -> AIOKafkaConsumer:
        """A consumer that belongs to no group, for as long as the worker lives."""
        reader = await self.open_reader()
        self._stack.push_async_callback(reader.stop)
        return reader

    async def open_reader(self) -> AIOKafkaConsumer:
        """A consumer that belongs to no group, and that whoever asked for it stops."""
        reader = AIOKafkaConsumer(
            **client_options(self._connection),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        await reader.start()
        return reader

    def _store(self, path: Path, name: str) -> StoreThread:
        store = StoreThread(path, name=name)
        self._stack.callback(store.close)
        return store

    async def _checked_topics(self) -> int:
        """The number of partitions; BrokerError where the topics are not what a worker needs."""
        states = await look(self._connection, self.topics)
        wrong = misfits(states, self.topics)
        if wrong:
            raise BrokerError("; ".join(wrong))
        for loss in losses(states, self.topics):
            log.warning("%s", loss)
        return next(state.partitions for state in states if state.name == self.topics.transactions)
