"""Sends items as a producer does that keeps its promise, and tells at which offset each of them lies."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

from storm.history import Item, steps

BATCH_BYTES = 512 * 1024


class Sent(NamedTuple):
    item: Item
    offset: int


def feed(address: str, items: Iterable[Item], *, transactional: str | None = None) -> list[Sent]:
    """`transactional`: each step is a transaction of this id, which leaves a marker behind it in each partition."""
    return asyncio.run(_feed(address, items, transactional))


async def _feed(address: str, items: Iterable[Item], transactional: str | None) -> list[Sent]:
    producer = AIOKafkaProducer(
        bootstrap_servers=address,
        enable_idempotence=True,
        acks="all",
        linger_ms=2,
        max_batch_size=BATCH_BYTES,
        transactional_id=transactional,
    )
    sent: list[Sent] = []
    async with producer:
        for step in steps(items):
            if transactional is None:
                sent += await _send(producer, step)
            else:
                async with producer.transaction():
                    sent += await _send(producer, step)
    return sent


async def _send(producer: AIOKafkaProducer, step: list[Item]) -> list[Sent]:
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
