"""The topic watch: a topic that was made again, grew or went is noticed, whichever it is."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic

from risk.errors import BrokerAwayError, BrokerError
from risk.kafka.connection import Connection
from risk.kafka.topic_states import create_missing, identity, look
from risk.kafka.topic_watch import TopicWatch
from risk.topics import KINDS, Topics, topics_of
from testing.brokers import TestKafka
from tests.test_kafka_topics import connection

NAMES = [kind.name for kind in KINDS]


class Place:
    """Topics on a broker, a watch over them, and what an administrator does."""

    def __init__(self, at: Connection, topics: Topics, watch: TopicWatch, admin: AIOKafkaAdminClient) -> None:
        self.topics, self.watch, self._at, self._admin = topics, watch, at, admin

    async def make_again(self, name: str, partitions: int) -> None:
        was = await self._state(name)
        await self.delete(name)
        await self._admin.create_topics([NewTopic(name, partitions, 1)])
        await self._until_others_see(name, was)

    async def delete(self, name: str) -> None:
        was = await self._state(name)
        await self._admin.delete_topics([name])
        while await self._state(name) == was:
            pass

    async def grow(self, name: str, partitions: int) -> None:
        was = await self._state(name)
        await self._admin.create_partitions({name: NewPartitions(partitions)})
        await self._until_others_see(name, was)

    async def _state(self, name: str) -> tuple[str | None, int]:
        [state] = await look(self._at, [name])
        return state.id, state.partitions

    async def _until_others_see(self, name: str, was: tuple[str | None, int]) -> None:
        """The controller answers a moment before the broker serves what it decided."""
        while await self._state(name) in (was, (None, 0)):
            pass

    async def confirm(self) -> None:
        await self.watch.confirm(self.topics.transactions, 1)


@asynccontextmanager
async def watched(address: str, prefix: str, names: Sequence[str] = (), seconds: float = 60) -> AsyncIterator[Place]:
    topics, at = topics_of(prefix), connection(address)
    await create_missing(at, topics, partitions=2, replication=1)
    known = await identity(at, topics, prefix)
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    async with TopicWatch(
        at, names or topics, known, "Do this.", confirm_seconds=seconds, looks_every_seconds=0.02
    ) as watch:
        await admin.start()
        try:
            yield Place(at, topics, watch, admin)
        finally:
            await admin.close()


def test_topics_that_stay_are_confirmed(kafka: TestKafka, prefix: str) -> None:
    async def ask() -> None:
        async with watched(kafka.address, prefix) as place:
            for topic in place.topics:
                await place.watch.confirm(topic, 0)

    asyncio.run(ask())


class Counted:
    """A client, and how often it was asked."""

    def __init__(self, client: Any) -> None:
        self.questions = 0
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node: int, request: Any) -> Any:
        self.questions += 1
        return await self._client.send(node, request)


def test_whoever_comes_while_a_question_is_under_way_shares_the_next(kafka: TestKafka, prefix: str) -> None:
    """And not that one: it was asked before."""

    async def ask() -> int:
        async with watched(kafka.address, prefix) as place:
            client: Any = Counted(place.watch._client)
            place.watch._client = client
            first = asyncio.create_task(place.confirm())
            while client.questions == 0:
                await asyncio.sleep(0)
            others = [asyncio.create_task(place.confirm()) for _ in range(9)]
            gives_up = asyncio.create_task(place.confirm())
            await asyncio.sleep(0)
            gives_up.cancel()
            await asyncio.gather(first, *others)
            return int(client.questions)

    assert asyncio.run(ask()) == 2


@pytest.mark.parametrize("name", NAMES)
def test_one_that_was_made_again_is_never_confirmed(kafka: TestKafka, prefix: str, name: str) -> None:
    """By the first answer that was asked for afterwards: no look in between is needed."""

    async def ask() -> None:
        async with watched(kafka.address, prefix) as place:
            await place.make_again(prefix + name, 1 if prefix + name == place.topics.ledger else 2)
            await place.confirm()

    with pytest.raises(BrokerError, match=rf"{prefix}{name}: topic id: got \S+, expected \S+ as .*Do this\."):
        asyncio.run(ask())


@pytest.mark.parametrize("name", NAMES)
def test_one_that_grew_is_never_confirmed(kafka: TestKafka, prefix: str, name: str) -> None:
    async def ask() -> None:
        async with watched(kafka.address, prefix) as place:
            await place.grow(prefix + name, 6)
            await place.confirm()

    with pytest.raises(BrokerError, match=rf"{prefix}{name}: number of partitions: got 6, expected [12] "):
        asyncio.run(ask())


def test_one_that_grew_before_the_watch_began_is_noticed_by_its_first_look(kafka: TestKafka, prefix: str) -> None:
    """Between the look that a program goes by and the watch, partitions may come that nobody reads."""

    async def ask() -> None:
        at, topics = connection(kafka.address), topics_of(prefix)
        await create_missing(at, topics, partitions=2, replication=1)
        known = await identity(at, topics, prefix)
        async with TopicWatch(at, topics, known._replace(partitions=1), "Do this."):
            pass

    with pytest.raises(BrokerError, match=rf"{prefix}transactions: number of partitions: got 2, expected 1 "):
        asyncio.run(ask())


def test_one_that_is_gone_is_not_confirmed_and_is_told_after_a_while(kafka: TestKafka, prefix: str) -> None:

    async def ask() -> None:
        async with watched(kafka.address, prefix, seconds=0.3) as place:
            await place.delete(place.topics.labels)
            with pytest.raises(BrokerAwayError, match="did not tell whether it is still the same topic"):
                await place.confirm()
            await place.watch.run()

    with pytest.raises(BrokerError, match=f"{prefix}labels: not there any more"):
        asyncio.run(ask())


def test_topics_that_nobody_asked_about_may_change(kafka: TestKafka, prefix: str) -> None:
    async def ask() -> None:
        topics = topics_of(prefix)
        async with watched(kafka.address, prefix, (topics.transactions, topics.labels)) as place:
            await place.make_again(topics.flags, 2)
            await place.confirm()

    asyncio.run(ask())


def test_a_broker_that_tells_no_ids_is_believed(embedded_kafka: str, prefix: str) -> None:
    async def ask() -> None:
        async with watched(embedded_kafka, prefix) as place:
            await place.confirm()

    asyncio.run(ask())


def test_a_broker_that_comes_back_confirms(own_kafka: TestKafka, prefix: str) -> None:
    async def ask() -> None:
        async with watched(own_kafka.address, prefix) as place:
            await asyncio.to_thread(own_kafka.stop)
            waiting = asyncio.ensure_future(place.confirm())
            await asyncio.to_thread(own_kafka.restart)
            await waiting

    asyncio.run(ask())
