"""Changing what is in a log, which Kafka does not do: the records go, and others come in their place."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete

from risk.kafka.sending import Message, send_all

KNOWN_SECONDS = 60
ALL = -1  # as Kafka has it: up to the end

Change = Callable[[list[Message]], Sequence[Message]]


def messages(address: str, topic: str, partition: int) -> list[Message]:
    """All that are there now."""
    return asyncio.run(_messages(address, TopicPartition(topic, partition)))


def send(address: str, topic: str, partition: int, wanted: Sequence[Message]) -> None:
    """Behind what is there."""
    asyncio.run(_send(address, TopicPartition(topic, partition), wanted))


def send_as_of(address: str, topic: str, partition: int, wanted: Sequence[tuple[Message, int]]) -> None:
    """Behind what is there, each with the time at which its sender says that it was sent."""
    asyncio.run(_send_as_of(address, TopicPartition(topic, partition), wanted))


def configure(address: str, topic: str, **settings: str) -> None:
    """These settings of the topic, with points for their underscores; the others are the broker's from then on, which
    knows it when this returns."""
    asyncio.run(_configure(address, topic, {name.replace("_", "."): value for name, value in settings.items()}))


def send_in_a_transaction(address: str, topic: str, partition: int, wanted: Sequence[Message]) -> None:
    """Behind what is there, and behind them an offset that holds no record: the transaction's end."""
    asyncio.run(_send_in_a_transaction(address, TopicPartition(topic, partition), wanted))


def send_and_abort(address: str, topic: str, partition: int, wanted: Sequence[Message]) -> None:
    """Behind what is there, in a transaction that comes to nothing. It leaves its records, and its end behind them."""
    with suppress(_AbortedError):
        asyncio.run(_send_in_a_transaction(address, TopicPartition(topic, partition), wanted, error=_AbortedError()))


def rewrite(address: str, topic: str, partition: int, wanted: Sequence[Message]) -> None:
    """These, instead of what is there: at other offsets, in the same topic."""
    asyncio.run(_rewrite(address, TopicPartition(topic, partition), wanted))


def lose(address: str, topic: str, partition: int, before: int) -> None:
    """The records before that offset, as retention does."""
    asyncio.run(_lose(address, TopicPartition(topic, partition), before))


def compact(address: str, topic: str, partition: int, last: tuple[Message, int | None], left: int) -> None:
    """Returns once compaction has left so many messages, the last one among them: it goes behind what is there, for the
    newest part of a log is not compacted. Sent when: None is now. The topic's policy is right again after that."""
    configure(address, topic, cleanup_policy="compact", segment_ms="1", min_cleanable_dirty_ratio="0.0")
    asyncio.run(_send_as_of(address, TopicPartition(topic, partition), [last]))
    while len(messages(address, topic, partition)) > left:
        pass
    configure(address, topic, cleanup_policy="delete")


async def _messages(address: str, place: TopicPartition) -> list[Message]:
    found: list[Message] = []
    async with AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest") as consumer:
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        while await consumer.position(place) < end:
            for record in (await consumer.getmany(place, timeout_ms=200)).get(place, ()):
                found.append(Message(record.key, record.value, tuple(record.headers)))
    return found


async def _send(address: str, place: TopicPartition, wanted: Sequence[Message]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=address, acks="all") as producer:
        await send_all(producer, place.topic, place.partition, wanted)


async def _send_as_of(address: str, place: TopicPartition, wanted: Sequence[tuple[Message, int | None]]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=address, acks="all") as producer:
        for message, sent in wanted:
            await producer.send(place.topic, message.value, message.key, place.partition, timestamp_ms=sent)


async def _configure(address: str, topic: str, settings: dict[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        asked = [ConfigResource(ConfigResourceType.TOPIC, topic, settings)]
        [answer] = await admin.alter_configs(asked)
        [(code, reason, *_)] = answer.resources
        assert not code, reason
        async with asyncio.timeout(KNOWN_SECONDS):
            told: dict[str, str] = {}
            while told != settings:
                [answer] = await admin.describe_configs(asked)
                [(*_, entries)] = answer.resources
                told = {name: value for name, value, *_ in entries}
    finally:
        await admin.close()


class _AbortedError(Exception):
    """What ends a transaction before its end."""


async def _send_in_a_transaction(
    address: str, place: TopicPartition, wanted: Sequence[Message], *, error: Exception | None = None
) -> None:
    name = f"tests-{place.topic}"
    try:
        async with (
            AIOKafkaProducer(bootstrap_servers=address, transactional_id=name) as producer,
            producer.transaction(),
        ):
            await send_all(producer, place.topic, place.partition, wanted)
            if error is not None:
                raise error
    finally:
        await end_is_written(address, name)


async def end_is_written(address: str, name: str) -> None:
    """Returns when the last transaction of this id has its end in every log. The broker acknowledges an end before it
    writes it, but lets nobody else begin under the id until then. A producer of this id that goes on is fenced off."""
    async with AIOKafkaProducer(bootstrap_servers=address, transactional_id=name) as another, another.transaction():
        pass


async def _rewrite(address: str, place: TopicPartition, wanted: Sequence[Message]) -> None:
    await _lose(address, place, ALL)
    await _send(address, place, wanted)


async def _lose(address: str, place: TopicPartition, before: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        await admin.delete_records({place: RecordsToDelete(before_offset=before)})
    finally:
        await admin.close()
