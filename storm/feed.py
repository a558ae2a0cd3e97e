"""Sends items as a producer does that keeps its promise, and tells at which offset each of them lies."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

from storm.history import Item, otherwise, steps

BATCH_BYTES = 512 * 1024
# Longer than a scenario leaves a transaction open; the broker would end it by itself.
OPEN_SECONDS = 600


class Sent(NamedTuple):
    item: Item
    offset: int


def feed(address: str, items: Iterable[Item], *, transactional: str | None = None, aborts: bool = False) -> list[Sent]:
    """`transactional`: each step is a transaction of this id, which leaves a marker behind it in each partition.
    `aborts`: before each there is one that says otherwise, and is aborted."""
    return asyncio.run(_feed(address, items, transactional, aborts=aborts))


@contextmanager
def open_transaction(address: str, items: list[Item], name: str, *, commits: bool) -> Iterator[None]:
    """These are sent in a transaction that ends with the context."""
    with asyncio.Runner() as runner:
        producer = runner.run(_begun(address, items, name))
        yield
        runner.run(producer.commit_transaction() if commits else producer.abort_transaction())
        runner.run(producer.stop())


async def _begun(address: str, items: list[Item], name: str) -> AIOKafkaProducer:
    producer = _producer(address, name)
    await producer.start()
    await producer.begin_transaction()
    await _send(producer, items)
    return producer


def _producer(address: str, transactional: str | None) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=address,
        enable_idempotence=True,
        acks="all",
        linger_ms=2,
        max_batch_size=BATCH_BYTES,
        transactional_id=transactional,
        transaction_timeout_ms=OPEN_SECONDS * 1000,
    )


async def _feed(address: str, items: Iterable[Item], transactional: str | None, *, aborts: bool) -> list[Sent]:
    sent: list[Sent] = []
    async with _producer(address, transactional) as producer:
        for step in steps(items):
            if aborts:
                await producer.begin_transaction()
                await _send(producer, map(otherwise, step))
                await producer.abort_transaction()
            if transactional is None:
                sent += await _send(producer, step)
            else:
                async with producer.transaction():
                    sent += await _send(producer, step)
    return sent


async def _send(producer: AIOKafkaProducer, items: Iterable[Item]) -> list[Sent]:
    step = list(items)
    coming = [
        await producer.send(
            item.topic,
            item.message.value,
            item.message.key,
            partition=item.partition,
            timestamp_ms=item.timestamp,
            headers=list(item.message.headers),
        )
        for item in step
    ]
    return [Sent(item, (await one).offset) for item, one in zip(step, coming, strict=True)]
