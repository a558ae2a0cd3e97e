"""Replays into a real Kafka, in this process or in one of their own, and what they should have sent."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer

from producer.__main__ import main
from risk.codec import encode_label, encode_transaction
from risk.events import Label, Transaction
from risk.kafka.partitions import partition_of
from risk.topics import Topics
from testing.brokers import TestKafka
from testing.replays import entries, everything, history, row

ROOT = Path(__file__).parent.parent
PARTITIONS = 3
UNLIMITED = ("--max-in-flight", "0")


def with_topics(kafka: TestKafka, prefix: str) -> dict[str, str]:
    """The settings of a program whose topics are there."""
    environment = kafka.environment(prefix)
    assert main(["topics", "--partitions", str(PARTITIONS)], environment) == 0
    return environment


def months(tmp_path: Path, rows: int = 600) -> Path:
    """A history of some days with labels that come one to nine days later."""
    every = 12 * 24 / rows
    return history(
        tmp_path / "history.csv",
        [row(n, n * every, labelled_days=1 + n % 9 if n % 5 == 0 else None) for n in range(rows)],
    )


def expected(path: Path, topics: Topics) -> dict[str, dict[int, list[tuple[bytes, bytes]]]]:
    """Keys and values of each partition, in order, as one undisturbed run sends them."""
    found: dict[str, dict[int, list[tuple[bytes, bytes]]]] = {
        topic: {number: [] for number in range(PARTITIONS)} for topic in (topics.transactions, topics.labels)
    }
    for _, event in entries(path):
        if isinstance(event, Transaction):
            topic, key, value = topics.transactions, event.customer_id.encode(), encode_transaction(event)
        elif isinstance(event, Label):
            topic, key, value = topics.labels, event.customer_id.encode(), encode_label(event)
        else:
            topic, key, value = topics.transactions, event.key, event.value
        found[topic][partition_of(key, PARTITIONS)].append((key, value))
    return found


def arrived(address: str, topics: Topics) -> dict[str, dict[int, list[tuple[bytes | None, bytes | None]]]]:
    return {
        topic: {
            number: [(record.key, record.value) for record in everything(address, topic).get(number, [])]
            for number in range(PARTITIONS)
        }
        for topic in (topics.transactions, topics.labels)
    }


class Running:
    """A replay in a process of its own."""

    def __init__(self, environment: Mapping[str, str], *arguments: str) -> None:
        command = [sys.executable, "-m", "producer", "replay", *arguments]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        self.said = self.process.communicate(timeout=300)[0]
        return self.process.returncode


async def _until(address: str, topic: str, count: int) -> None:
    async with AIOKafkaConsumer(topic, bootstrap_servers=address, auto_offset_reset="earliest") as consumer:
        seen = 0
        while seen < count:
            seen += sum(map(len, (await consumer.getmany(timeout_ms=1000)).values()))


def wait_for(address: str, topic: str, count: int) -> None:
    """Returns when so many messages are in the topic."""
    asyncio.run(asyncio.wait_for(_until(address, topic, count), 300))


def refusal(capsys: pytest.CaptureFixture[str], environment: Mapping[str, str], *arguments: str) -> str:
    """The last line of a replay that could not be."""
    capsys.readouterr()
    assert main(["replay", *arguments], environment) == 1
    return capsys.readouterr().err.splitlines()[-1]
