"""Faust, and its private members: here, and nowhere else.

Faust is the life cycle, the groups, the rebalances and the commits; the messages are ours. Its own loop makes four
tasks for each message, 17,000 messages a second at best, so a transport of our own gives the agents chunks of one
partition. It relies on the insides of one version of Faust, which is therefore pinned exactly.

What a chunk is, and when one may go, the buffer decides. A chunk's message bears the last record's offset. What the
group commits is the partition's next offset, which is that of the store.

The settings are those with which Faust was measured: each is given outright, so that another default in another version
changes nothing.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, cast

import aiokafka
import faust
from aiokafka.errors import IllegalStateError
from aiokafka.protocol.group import LeaveGroupRequest
from faust.app.base import BootStrategy
from faust.tables import TableManager
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from risk.errors import BrokerAwayError, StoreError
from risk.kafka.batches import MOST_RECORDS, Missing, apart, committed
from risk.kafka.connection import Connection
from risk.topics import Topics
from scorer.log.chunks import Place
from scorer.worker.buffer import Gap
from scorer.worker.ownership import Ownership

log = logging.getLogger(__name__)

SCHEME = "trustlens"
# How long a fetch waits for records: when nothing else is to be done, and while something waits here.
IDLE_SECONDS, BUSY_SECONDS = 0.2, 0.02
# What the broker may hold a fetch back for; Faust's own figure, 1,500, would let one idle partition slow the others.
FETCH_MAX_WAIT_MS = 25
# Less than Faust would wait for a seek.
SEEK_SECONDS = 60.0
# How long each step of a stop may wait for a broker. Two commits, the leave, the client's own end, and a thread that
# still starts: five of them, which is less than a worker has for its stop. What is given up costs little: the group's
# offset only shows the lag to others, and a member that did not leave counts as gone when its session ends.
STEP_SECONDS = 4.0


async def _at_most(seconds: float, what: str, step: Coroutine[Any, Any, Any]) -> None:
    """In a task of its own. What it is cancelled by, inside Faust or the client, is not meant for whoever waits here;
    and as some of them go on when they are cancelled, one that takes too long is left alone."""
    task = asyncio.ensure_future(step)
    await asyncio.wait([task], timeout=seconds)
    if not task.done():
        log.warning("%s took longer than %g s and is left undone", what, seconds)
    elif not task.cancelled() and (error := task.exception()) is not None:
        log.warning("%s failed: %r", what, error)


def _daemon(service: Any) -> Any:
    """A thread that Faust was told to stop before it ran is not stopped: it must not keep the process alive."""
    thread = driver.AIOKafkaConsumerThread.Worker(service)
    thread.daemon = True
    return thread


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The client, in its thread."""

    shutdown_timeout = 3 * STEP_SECONDS
    _is_joining = False

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        consumer._isolation_level = "read_committed"
        return consumer

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await super().on_partitions_revoked(revoked)
        self._is_joining = True

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._is_joining = False
        await super().on_partitions_assigned(assigned, generation_id)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Not while the group is joined. The broker reads the commit when that is done, and refuses it for its old
        generation; at that, the client forgets which member it is and joins as a new one, and the group waits for the
        one that it was until the session is over. What is assigned is committed anew after its seek."""
        return not self._is_joining and await super()._commit(offsets)

    async def on_thread_stop(self) -> None:
        """The client's own stop waits until a rebalance that is under way is through, hence for every other member of
        the group: so the group is left first. And it ends by a cancellation where a fetch failed just before; Faust
        would then wait for this thread when it is gone."""
        if self._consumer is not None:
            await _at_most(STEP_SECONDS, "leaving the group", _leave(self._consumer))
        await _at_most(STEP_SECONDS, "closing the client", super().on_thread_stop())


async def _leave(client: aiokafka.AIOKafkaConsumer) -> None:
    """By the connection that fetches: a broker answers the requests of a connection one after the other, and to join
    the group may be under way on the one that the client would take."""
    coordinator = client._coordinator
    joining = coordinator._coordination_task
    joining.cancel()
    await asyncio.wait([joining])
    member, node = coordinator.member_id, coordinator.coordinator_id
    try:
        if member and node is not None:
            await client._client.send(node, LeaveGroupRequest(coordinator.group_id, member))
    finally:
        coordinator.reset_generation()  # or the client would leave once more


class Consumer(driver.Consumer):
    """Faust's consumer, with `getmany` and what hangs on it our own."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self._fetching = asyncio.Lock()
        self._seeks = 0
        self._is_sought = False
        super().__init__(*arguments, **keywords)
        self._ownership: Ownership = cast(Any, self.app).ownership

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon, Worker=cast(Any, _daemon))

    def check_group(self) -> None:
        """Raises what the client met when it wanted to join, if it cannot go on."""
        client = self._thread._consumer
        if client is not None and client._coordinator is not None:
            client._coordinator.check_errors()

    def verify_event_path(self, now: float, tp: TP) -> None:
        """The watchdog does that; Faust would miss fetches of partitions that have records waiting here."""

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets without a record need no book of their own: the group's offset is the store's."""

    def close(self) -> None:
        """Faust calls it, in the wrong thread, when a rebalance comes while it stops. The group would not be left, and
        a commit under way could go on for ever. The thread closes its client itself."""

    def assignment(self) -> set[TP]:
        """Nothing while the client is not there yet; Faust would give up a stop that came so early half-way."""
        return super().assignment() if self._thread._consumer is not None else set()

    def resume_flow(self) -> None:
        """Not in a stop, which waits until nothing is under way: a takeover that ends meanwhile would begin more."""
        if not self.app.should_stop:
            super().resume_flow()

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """In a stop, as long as a step may take: the client tries until a broker that is away comes back."""
        committing = super().commit(topics, start_new_transaction)
        if not self.app.should_stop:
            return await committing
        await _at_most(STEP_SECONDS, "committing the group's offsets", committing)
        return False

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self._is_sought = False
        self._ownership.buffer.drop(Place(*tp) for tp in revoked)
        await super().on_partitions_revoked(revoked)

    async def perform_seek(self) -> None:
        """To the store's offsets. The lock lets a fetch end first: what it brings was fetched from the old place.

        Faust ends its recovery without a word when this takes too long, and no partition would ever come again: so the
        worker ends by itself before that. Nothing is handed out before it is through, and the partitions are taken.
        """
        self._is_sought = False
        try:
            async with asyncio.timeout(SEEK_SECONDS):
                await self._seek_to_store()
        except TimeoutError as error:
            self._ownership.fatal(BrokerAwayError(f"no partition could be sought in {SEEK_SECONDS:g} s ({error!r})"))
        except IllegalStateError:
            raise  # a partition was taken away meanwhile; Faust goes on with the rebalance that does it
        except Exception as error:
            self._ownership.fatal(error)

    async def _seek_to_store(self) -> None:
        async with self._fetching:
            self._seeks += 1
            wanted = {TP(*place): offset for place, offset in self._ownership.rewind().items()}
            if wanted:
                await self.seek_wait(wanted)
            for tp, offset in wanted.items():
                self._read_offset[tp] = offset or None
                self._committed_offset[tp] = None  # the store leads; the group follows wherever it goes
            self._is_sought = not self._ownership.is_taking_over  # if it still is, another rebalance is on its way

    def ack(self, message: Any) -> bool:
        """Whoever waits until nothing is under way is told. Faust would keep books of acks to commit by."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        waiting = self._waiting_for_ack
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in self.assignment() if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self._ownership.next_offset(Place(*tp))

    def _should_commit(self, tp: TP, offset: int) -> bool:
        return self._committed_offset[tp] != offset

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """The chunks that can go now; ends when more records, room, or a ledger day is needed."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # Faust's own call has it
        seeks = self._seeks
        for ready in self._ready(seeks):  # since the last call: they need not wait for a fetch
            yield ready
        async with self._fetching:
            if self.should_stop or not self._is_current(seeks):
                await self.sleep(BUSY_SECONDS)
                return
            records = await self._fetch(timeout)
        if self.should_stop or not self._is_current(seeks):
            return  # a rebalance came between; the seek that ends it begins again from the store
        await self._take_in(records)
        for ready in self._ready(seeks):
            yield ready
        if self._is_current(seeks):
            await self._ownership.change()

    def _ready(self, seeks: int) -> Iterator[tuple[TP, ConsumerMessage]]:
        """The chunks that can go, until a rebalance comes: whoever takes one may wait before it asks for the next."""
        buffer, generation = self._ownership.buffer, self.app.consumer_generation_id
        while not self.should_stop and self._is_current(seeks) and (chunk := buffer.next()) is not None:
            tp, last = TP(*chunk.place), chunk.records[-1]
            whole = cast(Any, chunk)  # a message of Faust bears bytes; ours bears what was decoded from them
            yield tp, ConsumerMessage(
                tp.topic, tp.partition, last.offset, last.timestamp / 1000, last.timestamp_type,
                None, b"", whole, None, 0, 0, tp, generation_id=generation,
            )  # fmt: skip

    def _is_current(self, seeks: int) -> bool:
        """No rebalance came since there had been so many seeks."""
        return self.flow_active and self._is_sought and seeks == self._seeks

    async def _fetch(self, timeout: float) -> Mapping[TP, Sequence[Any]]:
        """What was committed. A partition that has records waiting here is not fetched from: memory stays bounded, and
        others get the turn.
        An empty set would mean all of them to the client."""
        buffer = self._ownership.buffer
        active = set(self._get_active_partitions())
        hungry = {tp for tp in active if not buffer.has_enough(Place(*tp))}
        if not hungry:
            if not active:
                await self.sleep(IDLE_SECONDS)
            return {}
        if not buffer.is_starved:
            timeout = 0.0  # what can go goes at once; for anything but records, `change` waits
        elif len(hungry) < len(active):
            timeout = BUSY_SECONDS
        fetched = await self._getmany(hungry, min(timeout, IDLE_SECONDS))
        return {tp: committed(records) for tp, records in fetched.items()}

    async def _take_in(self, records: Mapping[TP, Sequence[Any]]) -> None:
        """All at once: a seek must not come between records that were fetched together. A gap that is not to be ends
        the worker here; by way of Faust it would end with two tracebacks more."""
        buffer, gaps = self._ownership.buffer, list[Gap]()
        for tp, fetched in records.items():
            there, gone = apart(fetched)
            if gone:
                self._pass_over(Place(*tp), gone)
            gap = buffer.add(Place(*tp), there)
            gaps += [] if gap is None else [gap]
        assignment = self._thread._ensure_consumer()._subscription.subscription.assignment
        for tp in self.assignment():
            state = assignment.state_value(tp)
            if state is not None and state.has_valid_position:
                gap = buffer.read_up_to(Place(*tp), state.position, state.lso, state.highwater)
                gaps += [] if gap is None else [gap]
        try:
            for gap in gaps:
                await self._ownership.check_gap(gap)
        except Exception as error:
            self._ownership.fatal(error)

    def _pass_over(self, place: Place, gone: Sequence[Missing]) -> None:
        try:
            self._ownership.pass_over(place, gone)
        except StoreError as error:
            self._ownership.fatal(error)


class Transport(driver.Transport):
    Consumer = Consumer


def register() -> None:
    """Makes the transport known to Faust, for brokers of this scheme."""
    TRANSPORTS.aliases[SCHEME] = f"{__name__}:Transport"


# Takeover after a crash takes as long as this; a session's heartbeat has a thread of its own.
SESSION_SECONDS = 15.0
COMMIT_SECONDS = 0.25
GROUP_SECONDS = 1.0


class PassThrough(faust.Schema[Any, Any]):
    """Chunks are decoded already."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 - as Faust calls it
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002
        return message.value


class Boot(BootStrategy):
    enable_web = False


class NoTables(TableManager):
    async def on_start(self) -> None:
        """Faust's own gives tables a second to be declared before the group is joined; there are none."""
        await self._update_channels()
        await self.recovery.start()


class ScorerApp(faust.App):
    """Faust's app, and the partitions that its transport asks about."""

    BootStrategy = Boot
    ownership: Ownership

    def _create_directories(self) -> None:
        """Faust would make a folder for tables; there are none."""


async def watch_group(app: ScorerApp) -> None:
    """The client keeps what goes wrong in its group for whoever fetches by a call that Faust never makes: a worker that
    may not join would wait for ever, without a word."""
    while True:
        await asyncio.sleep(GROUP_SECONDS)
        if isinstance(app.consumer, Consumer):
            app.consumer.check_group()


def make_app(
    *,
    group: str,
    client_id: str,
    topics: Topics,
    connection: Connection,
    ownership: Ownership,
    fatal: Callable[[BaseException], None],
    session_seconds: float = SESSION_SECONDS,
) -> ScorerApp:
    register()
    app = ScorerApp(
        group,
        broker=[f"{SCHEME}://{address}" for address in connection.brokers],
        broker_client_id=client_id,
        broker_credentials=_credentials(connection),
        autodiscover=False,
        TableManager=NoTables,
        store="memory://",
        processing_guarantee="at_least_once",
        stream_wait_empty=True,
        stream_buffer_maxsize=16,
        broker_commit_interval=COMMIT_SECONDS,
        broker_max_poll_records=MOST_RECORDS,
        broker_session_timeout=session_seconds,
        broker_heartbeat_interval=session_seconds / 5,
        consumer_auto_offset_reset="earliest",
        table_standby_replicas=1,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_replication_factor=1,
    )
    app.ownership = ownership

    async def each(stream: Any) -> None:
        """Nothing leaves this loop but the end of the stream: Faust would take an exception for a batch well done."""
        stream.enable_acks = False  # the next chunk begins before this one ends, and an ack is the end
        async for event in stream.events():
            try:
                await ownership.work_on(event.value, partial(stream.ack, event))
            except Exception as error:
                fatal(error)

    for topic in (topics.transactions, topics.labels):
        app.agent(app.topic(topic, schema=PassThrough(), acks=True), name=topic, concurrency=1)(each)

    async def rebalanced(*_: Any, **__: Any) -> None:
        try:
            await ownership.assign(lambda: _places(app.consumer.assignment(), topics))
        except Exception as error:
            fatal(error)

    app.on_rebalance_complete.connect(rebalanced, weak=False)
    return app


def _places(assigned: set[TP], topics: Topics) -> list[Place]:
    ours = (topics.transactions, topics.labels)
    return [Place(tp.topic, tp.partition) for tp in assigned if tp.topic in ours]


def _credentials(connection: Connection) -> Any:
    if connection.security.startswith("SASL_"):
        return faust.SASLCredentials(
            username=connection.user,
            password=connection.password.reveal(),
            mechanism=connection.mechanism,
            ssl_context=connection.context,
        )
    context: ssl.SSLContext | None = connection.context
    return None if context is None else faust.SSLCredentials(context=context)
