"""Looking at the log without leaving a trace: consumers that belong to no group, and commit nothing."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from risk.errors import BrokerAwayError
from risk.kafka.connection import Connection, client_options

FETCH_BYTES = 4 * 1024 * 1024
FETCH_MAX_WAIT_MS = 100
# A broker that went away is asked again by the client, for ever and in silence. So many times 200 ms are enough.
EMPTY_FETCHES = 300


class Bounds(NamedTuple):
    """The first offset of a log that there is, and the one after the last."""

    begin: int
    end: int


class Reader(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka has no types
    """Whoever asks it for records knows that there are some, so that hearing of none for a minute is an error."""

    _empty = 0

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int = 200, max_records: int | None = None) -> Any:
        found = await super().getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records)
        self._empty = 0 if found else self._empty + 1
        if self._empty >= EMPTY_FETCHES:
            names = ", ".join(f"{place.topic}-{place.partition}" for place in partitions)
            raise BrokerAwayError(
                f"{names}: no record came any more, expected those up to the end; look at the broker, and try again"
            )
        return found

    async def bounds(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, Bounds]:
        wanted = list(places)
        begins, ends = await self.beginning_offsets(wanted), await self.end_offsets(wanted)
        return {place: Bounds(begins[place], ends[place]) for place in wanted}


@asynccontextmanager
async def reading(connection: Connection) -> AsyncIterator[Reader]:
    reader = Reader(
        **client_options(connection),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    try:
        await reader.start()
        # A task of the client that is cancelled before its first turn fails when the client is stopped.
        await asyncio.sleep(0)
        yield reader
    except KafkaError as error:
        raise BrokerAwayError(
            f"{', '.join(connection.brokers)}: the broker did not answer as expected ({error!r}); look at it, and try "
            "again"
        ) from error
    finally:
        await reader.stop()
