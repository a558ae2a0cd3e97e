"""The door to the rejects and to how far they were sent again."""

from typing import Self

from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition
from aiokafka.errors import KafkaError

from producer.delivery.already import Place
from producer.delivery.wire import Commit, Wire
from producer.redrive.marks import Marks
from producer.redrive.redriving import Found
from risk.errors import BrokerAwayError, BrokerError
from risk.kafka.connection import Connection, client_options


class RejectShelf:
    def __init__(self, connection: Connection, wire: Wire, group: str) -> None:
        self._wire, self._group = wire, group
        self._consumer = AIOKafkaConsumer(
            **client_options(connection), group_id=group, enable_auto_commit=False, auto_offset_reset="none"
        )
        self._noted: dict[Place, Commit] = {}

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._consumer.stop()

    async def marks(self, place: Place, begin: int) -> Marks:
        commit = await self._committed(place)
        if commit is None:
            return Marks(begin, {})
        self._noted[place] = commit
        return Marks.read(commit.offset, commit.note)

    async def read(self, place: Place, offset: int, most: int) -> tuple[list[Found], int]:
        partition = TopicPartition(*place)
        try:
            if self._consumer.assignment() != {partition}:
                self._consumer.assign([partition])
            self._consumer.seek(partition, offset)
            answer = await self._consumer.getmany(partition, timeout_ms=1000, max_records=most)
            behind = await self._consumer.position(partition)
        except KafkaError as error:
            raise BrokerAwayError(f"{place[0]} partition {place[1]} cannot be read ({error!r})") from error
        found = [Found(one.offset, one.key, one.value, one.headers) for one in answer.get(partition, [])]
        return found, behind

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
