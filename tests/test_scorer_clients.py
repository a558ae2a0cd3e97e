"""The clients of a worker: which producer sends what."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from risk.kafka.sending import Message
from scorer.worker.clients import Clients
from tests.test_kafka_topics import connection


class Batch:
    def append(self, **_: object) -> object:
        return object()

    def close(self) -> None: ...


class Producer:
    """Acknowledges everything at once, and notes to which topic it was sent."""

    def __init__(self) -> None:
        self.topics: list[str] = []

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> Any:
        del batch, partition
        self.topics.append(topic)
        acknowledged = asyncio.get_running_loop().create_future()
        acknowledged.set_result(Acknowledged())
        return acknowledged


class Acknowledged:
    offset = 7


def test_alerts_have_a_producer_of_their_own() -> None:
    """One that sends flags has the next request on its way only when the one before it is answered."""
    clients = Clients(connection("nowhere:9092"), "", AsyncExitStack(), send_seconds=1.0, read_seconds=1.0)
    alerting, others = Producer(), Producer()
    clients._alerting, clients._producer = alerting, others

    async def send() -> list[int]:
        topics = clients.topics
        wanted = (topics.alerts, topics.flags, topics.rejected, topics.ledger)
        return [await clients.send(topic, 0, [Message(b"key", b"value")]) for topic in wanted]

    assert asyncio.run(send()) == [8] * 4
    assert alerting.topics == ["high-risk-alerts"]
    assert others.topics == ["risk-flags", "transactions-rejected", "merchant-ledger"]
