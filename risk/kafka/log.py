"""Reading a log up to an end that is known, without leaving a trace: no group, no commit, and never without limit.

A broker that went away is asked again by the client, for ever and in silence. So whoever knows that there are records
reads them through a `LogReader`, which gives up after a minute without any, and says so.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from risk.errors import BrokerAwayError, BrokerError
from risk.kafka.batches import MOST_RECORDS, committed
from risk.kafka.connection import Connection, client_options, in_words

FETCH_BYTES = 4 * 1024 * 1024
FETCH_MAX_WAIT_MS = 100
LIMIT_SECONDS = 60.0
# A wait is counted in fetches and not by the clock: a process that was suspended has not waited for the broker.
FETCH_SECONDS = 0.2


class Reads(Enum):
    """What a reader reads of Kafka's transactions. Up to the last stable offset means that nothing is read that lies
    behind the beginning of an open transaction, and that the log ends there; and that a `Missing` stands among the
    records where compaction took messages."""

    ALL = "everything, whatever becomes of it"
    COMMITTED = "up to the last stable offset, and nothing that was aborted"
    MARKED = "up to the last stable offset; of what was aborted, `is_aborted` tells"


class Bounds(NamedTuple):
    """The first offset of a log that there is, and the one after the last."""

    begin: int
    end: int


class FetchedRecords(NamedTuple):
    """What was read next, and where the next read goes on. Where transactions end there are offsets without a record,
    and those of aborted ones may be left out, so it may move on without any."""

    records: Sequence[Any]  # aiokafka's; it has no types
    next_offset: int


class LogReader:
    """Every call ends: with what was asked for, BrokerAwayError where nobody answers, BrokerError where it says no."""

    def __init__(
        self, consumer: AIOKafkaConsumer, *, reads: Reads = Reads.ALL, limit_seconds: float = LIMIT_SECONDS
    ) -> None:
        """`consumer` is started, reads accordingly, and is this reader's alone."""
        self._consumer = consumer
        self._reads = reads
        self._limit = limit_seconds

    async def bounds(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, Bounds]:
        wanted = list(places)
        with in_words(map(_name, wanted)):
            begins = await self._consumer.beginning_offsets(wanted)
            ends = await self._consumer.end_offsets(wanted)
        return {place: Bounds(begins[place], ends[place]) for place in wanted}

    async def ends(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        wanted = list(places)
        with in_words(map(_name, wanted)):
            return dict(await self._consumer.end_offsets(wanted))

    def begin(self, starts: Mapping[TopicPartition, int]) -> None:
        """These partitions and no others are read from now on, each from its offset."""
        self._consumer.assign(list(starts))
        for place, offset in starts.items():
            self._consumer.seek(place, offset)

    def rest(self) -> None:
        """Nothing is fetched until `begin` is called again."""
        self._consumer.unsubscribe()

    async def next(self, place: TopicPartition, end: int, *, most: int | None = None) -> FetchedRecords:
        """The next records before `end`; there must be some, or offsets without a record."""
        with in_words([_name(place)]):
            before = await self._consumer.position(place)
            for _ in range(max(1, round(self._limit / FETCH_SECONDS))):
                records = await self.poll(place, FETCH_SECONDS, most=most)
                position = await self._consumer.position(place)
                if records or position > before:
                    return FetchedRecords([record for record in records if record.offset < end], position)
        raise BrokerAwayError(
            f"{_name(place)}: nothing came behind offset {before} in {self._limit:g} s, expected records up to offset "
            f"{end}; look at the broker, and try again"
        )

    async def until(self, place: TopicPartition, end: int, *, most: int | None = None) -> AsyncIterator[Sequence[Any]]:
        """The records from where `begin` said up to `end`, as they come."""
        with in_words([_name(place)]):
            reached = await self._consumer.position(place)
        while reached < end:
            records, reached = await self.next(place, end, most=most)
            if records:
                yield records

    async def poll(self, place: TopicPartition, seconds: float, *, most: int | None = None) -> Sequence[Any]:
        """Whatever is new, which may be nothing: for who follows a log beyond its end."""
        with in_words([_name(place)]):
            fetched = await self._consumer.getmany(place, timeout_ms=round(seconds * 1000), max_records=most)
        found: Sequence[Any] = fetched.get(place, ())
        return committed(found) if self._reads is Reads.COMMITTED else found

    async def stop(self) -> None:
        """The client would hand the cancelling of its own fetches on to whoever stops it, in place of the error."""
        fetcher = getattr(self._consumer, "_fetcher", None)
        if fetcher is not None:
            tasks = [fetcher._fetch_task, *fetcher._pending_tasks]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            fetcher._pending_tasks.clear()
        await self._consumer.stop()


async def open_reader(
    connection: Connection, *, reads: Reads = Reads.ALL, limit_seconds: float = LIMIT_SECONDS
) -> LogReader:
    """Whoever asks for it stops it."""
    consumer = AIOKafkaConsumer(
        **client_options(connection),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
        max_partition_fetch_bytes=FETCH_BYTES,
        max_poll_records=MOST_RECORDS,
        isolation_level="read_uncommitted" if reads is Reads.ALL else "read_committed",
    )
    try:
        with in_words(connection.brokers):
            await consumer.start()
        # A task of the client that is cancelled before its first turn fails when the client is stopped.
        await asyncio.sleep(0)
    except BrokerError:
        await consumer.stop()
        raise
    return LogReader(consumer, reads=reads, limit_seconds=limit_seconds)


@asynccontextmanager
async def reading(
    connection: Connection, *, reads: Reads = Reads.ALL, limit_seconds: float = LIMIT_SECONDS
) -> AsyncIterator[LogReader]:
    reader = await open_reader(connection, reads=reads, limit_seconds=limit_seconds)
    try:
        yield reader
    finally:
        await reader.stop()


def _name(place: TopicPartition) -> str:
    return f"{place.topic}-{place.partition}"
