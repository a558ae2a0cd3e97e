"""Reads the rejected topic, and commits how far its messages were sent again."""

from collections.abc import Mapping
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition
from aiokafka.errors import KafkaError

from producer.delivery.already import Place
from producer.delivery.wire import Commit, Wire
from producer.redrive.marks import Marks
from producer.redrive.redriving import Found
from risk.errors import BrokerAwayError, BrokerError
from risk.kafka.batches import MOST_RECORDS
from risk.kafka.connection import Connection, client_options
from risk.kafka.log import LIMIT_SECONDS, Bounds, LogReader, reading


class RejectShelf:
    def __init__(
        self,
        connection: Connection,
        wire: Wire,
        group: str,
        bounds: Mapping[Place, Bounds],
        *,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> None:
        """`bounds`: of the rejects, partition by partition."""
        self._connection, self._wire, self._group = connection, wire, group
        self._consumer = AIOKafkaConsumer(
            **client_options(connection),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_poll_records=MOST_RECORDS,
        )
        self._begins = {TopicPartition(*place): at.begin for place, at in bounds.items()}
        self._reader = LogReader(self._consumer, limit_seconds=limit_seconds)
        self._noted: dict[Place, Commit] = {}

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        # All of them at once and never again: the client's coordinator fails when it is assigned something while it
        # looks for its broker.
        self._reader.begin(self._begins)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._reader.stop()

    async def marks(self, place: Place, begin: int) -> Marks:
        commit = await self._committed(place)
        if commit is None:
            return Marks(begin, {})
        self._noted[place] = commit
        try:
            return Marks.read(commit.offset, commit.note)
        except (msgspec.DecodeError, RecursionError) as error:
            raise BrokerError(
                f"{place[0]} partition {place[1]}: got the note {commit.note[:80]!r} at offset {commit.offset} of "
                f"group {self._group}, expected one that a redrive wrote; somebody else uses this group. Set its "
                "offset to where to go on, with Kafka's own tool"
            ) from error

    async def read(self, place: Place, offset: int, most: int) -> tuple[list[Found], int]:
        """BrokerAwayError when nothing comes for too long, though there must be something."""
        partition = TopicPartition(*place)
        self._consumer.seek(partition, offset)
        records, behind = await self._reader.next(partition, offset + most, most=most)
        return [_found(one) for one in records], behind

    async def original(self, place: Place, offset: int) -> Found | None:
        """The record at that offset; None where it is gone."""
        at = (await self._wire.offsets([place]))[place]
        if not at.begin <= offset < at.end:
            return None
        partition = TopicPartition(*place)
        async with reading(self._connection) as reader:
            reader.begin({partition: offset})
            records, _ = await reader.next(partition, offset + 1, most=1)
        return _found(records[0]) if records else None

    async def check(self, place: Place) -> None:
        if await self._committed(place) != self._noted.get(place):
            raise BrokerError(
                f"{place[0]} partition {place[1]}: somebody else sends rejects again at the same time (group "
                f"{self._group}), expected one at a time; let the other finish, and begin again"
            )

    async def note(self, place: Place, marks: Marks) -> None:
        commit = Commit(marks.base, marks.note())
        try:
            await self._consumer.commit({TopicPartition(*place): OffsetAndMetadata(*commit)})
        except KafkaError as error:
            raise BrokerAwayError(
                f"{place[0]} partition {place[1]}: what was sent last could not be noted ({error!r}); the next run "
                "sends it again"
            ) from error
        self._noted[place] = commit

    async def _committed(self, place: Place) -> Commit | None:
        return (await self._wire.committed(self._group, [place])).get(place)


def _found(record: Any) -> Found:
    return Found(record.offset, record.key, record.value, record.headers)
