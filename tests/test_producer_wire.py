"""Delivery to a real Kafka that goes away, or forgets to say what it has."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from producer.__main__ import main
from producer.delivery.already import AlreadyThere, Place
from producer.delivery.delivering import Delivery
from producer.delivery.wire import Wire
from risk.errors import BrokerAwayError, BrokerError
from risk.kafka.connection import Connection, connection_of
from risk.kafka.sending import Message
from risk.settings import read_settings
from risk.topics import Topics, topics_of
from testing.brokers import TestKafka
from testing.replays import everything

PARTITIONS, STEPS, EACH = 2, 6, 400


def connected(kafka: TestKafka, prefix: str) -> tuple[Connection, Topics]:
    environment = kafka.environment(prefix)
    assert main(["topics", "--partitions", str(PARTITIONS)], environment) == 0
    settings = {name: value for name, value in environment.items() if name.startswith("TRUSTLENS_")}
    return connection_of(read_settings(settings)), topics_of(prefix)


def steps_to(topic: str) -> list[dict[Place, list[Message]]]:
    return [
        {
            (topic, place): [Message(b"k", f"{number}.{place}.{n}".encode()) for n in range(EACH)]
            for place in range(PARTITIONS)
        }
        for number in range(STEPS)
    ]


async def deliver(
    wire: Wire, steps: Sequence[Mapping[Place, list[Message]]], disturb: Mapping[int, Callable[[], None]]
) -> None:
    """`disturb` says what is done while a step is on its way."""
    await wire.renew()
    try:
        delivery = Delivery(wire, dict.fromkeys(steps[0], 0), AlreadyThere(), asyncio.Event(), print)
        for number, parcels in enumerate(steps):
            delivering = asyncio.ensure_future(delivery.deliver(parcels))
            if number in disturb:
                await asyncio.to_thread(disturb[number])
            await delivering
    finally:
        await wire.close()


def assert_arrived_once_in_order(address: str, topic: str, steps: Sequence[Mapping[Place, list[Message]]]) -> None:
    found = everything(address, topic)
    for partition in range(PARTITIONS):
        wanted = [message.value for parcels in steps for message in parcels[topic, partition]]
        assert [record.value for record in found[partition]] == wanted


def test_a_leader_that_is_away_for_longer_than_a_request_may_take_loses_and_doubles_nothing(
    own_kafka: TestKafka, prefix: str
) -> None:
    connection, topics = connected(own_kafka, prefix)
    steps = steps_to(topics.transactions)

    def away() -> None:
        own_kafka.kill()
        own_kafka.restart()

    asyncio.run(deliver(Wire(connection, topics, topics[:1], request_seconds=1), steps, {1: away}))
    assert_arrived_once_in_order(own_kafka.address, topics.transactions, steps)


class Forgetful(Wire):
    """Every second batch gets to the broker in part, and the client is told that it failed."""

    sends = 0
    is_failed = False

    async def renew(self) -> None:
        await super().renew()
        self.is_failed = False

    async def send(self, place: Place, messages: Sequence[Message]) -> int:
        self.sends += 1
        if self.is_failed:
            raise BrokerAwayError("this producer has failed")
        if self.sends % 2:
            return await super().send(place, messages)
        arriving = messages[: self.sends * 100 % len(messages)]
        if arriving:
            await super().send(place, arriving)
        self.is_failed = True
        raise BrokerAwayError("the leader is away")


def test_what_arrived_of_a_batch_that_failed_is_found_in_its_partition(kafka: TestKafka, prefix: str) -> None:
    connection, topics = connected(kafka, prefix)
    steps = steps_to(topics.transactions)
    asyncio.run(deliver(Forgetful(connection, topics, topics[:1]), steps, {}))
    assert_arrived_once_in_order(kafka.address, topics.transactions, steps)


async def _delete(address: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.delete_topics([topic])
    await admin.close()


def test_a_topic_that_is_deleted_meanwhile_ends_it_with_the_command_that_makes_it(
    kafka: TestKafka, prefix: str
) -> None:
    connection, topics = connected(kafka, prefix)

    steps = steps_to(topics.transactions)

    def delete() -> None:
        asyncio.run(_delete(kafka.address, topics.transactions))

    with pytest.raises(BrokerError, match=r"not there: .*; make what is missing with `python -m producer topics`"):
        asyncio.run(deliver(Wire(connection, topics, topics[:1], request_seconds=1), steps * 100, {1: delete}))
