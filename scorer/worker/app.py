"""The Faust app: its settings, its two agents, and what happens when partitions come and go.

The settings are those with which Faust was measured: each is given outright, so that another default in another version
changes nothing.
"""

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

import faust
from faust.app.base import BootStrategy
from faust.types import TP

from risk.kafka.batches import MOST_RECORDS
from risk.kafka.connection import Connection
from risk.topics import Topics
from scorer.worker.arrivals import Place
from scorer.worker.ownership import Ownership
from scorer.worker.transport import SCHEME, Consumer, register

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
