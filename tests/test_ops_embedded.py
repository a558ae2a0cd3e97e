"""The broker in memory: it holds little, and ends with its reason before it would drop the oldest without a word."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer

from ops.embedded.guard import LIMIT, Watch
from risk.kafka.connection import opened

ROOT = Path(__file__).parent.parent
VALUE = b"x" * 10_000
MB = 1 << 20


@contextmanager
def _program() -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The program, and its address as the first line tells it."""
    command = [sys.executable, "-u", "-m", "ops.embedded"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().removeprefix("export TRUSTLENS_BROKERS=").strip()
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_told(number: signal.Signals) -> None:
    with _program() as (process, address):
        assert re.fullmatch(r"127\.0\.0\.1:\d+", address)
        process.send_signal(number)
        said, errors = process.communicate()
    assert (said, errors, process.returncode) == ("ended\n", "", 0)


def test_a_port_that_it_would_not_take_is_refused() -> None:
    command = ["make", "--assume-old=setup", "embedded", "PORT=19391"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "PORT: got 19391, expected none: the broker in memory takes a free port by itself" in done.stderr
    assert "make kafka PORT=19391" in done.stderr


def test_the_program_ends_with_its_reason_when_a_partition_is_full() -> None:
    with _program() as (process, address):
        client = Producer({"bootstrap.servers": address, "log_level": 0})
        while process.poll() is None:
            client.produce("things", VALUE, partition=1)
            client.flush(0.1)
        client.purge()
        _, errors = process.communicate()
    assert process.returncode == 1
    *_, error = errors.splitlines()
    assert error.startswith("error: things partition 1: ")
    assert error.endswith("it ends here. Send less (--limit), or use a real Kafka (`make kafka`)")


# The watch by itself, one look after another


@asynccontextmanager
async def _watched() -> AsyncIterator[tuple[AIOKafkaProducer, Watch, list[str]]]:
    """A client of a broker, the watch over it, and what it has noticed."""
    broker = Producer({"test.mock.num.brokers": 1, "log_level": 3})
    (node,) = broker.list_topics(timeout=300).brokers.values()
    client = AIOKafkaProducer(bootstrap_servers=f"{node.host}:{node.port}")
    notices: list[str] = []
    await client.start()
    try:
        async with opened(node.host, node.port, 60, {}) as connection:
            yield client, Watch(connection, notices.append), notices
    finally:
        await client.stop()


async def _send(client: AIOKafkaProducer, size: int, partition: int = 0) -> None:
    for _ in range(size // len(VALUE)):
        await client.send("things", VALUE, partition=partition)
    await client.flush()


def test_a_full_partition_is_told_before_anything_is_dropped() -> None:
    async def steps() -> None:
        async with _watched() as (client, watch, notices):
            for _ in range(7):
                await _send(client, MB // 2)
                assert await watch.look() is None
            assert notices == ["things partition 0: holds 3 MB; at 4 MB the embedded broker ends"]
            await _send(client, 3 * MB // 4)
            reason = await watch.look()
            assert reason is not None
            assert re.match(r"things partition 0: holds 4\.\d MB, and beyond 5 MB .* would drop the oldest", reason)

    asyncio.run(steps())


def test_what_was_dropped_between_two_looks_is_told_too() -> None:
    async def steps() -> None:
        async with _watched() as (client, watch, _):
            await _send(client, 2 * LIMIT)
            reason = await watch.look()
            assert reason is not None
            assert re.match(r"things partition 0: the messages before offset [1-9]\d* are gone", reason)

    asyncio.run(steps())


def test_each_partition_is_counted_for_itself() -> None:
    """Twice what one can hold, in four of them, is not too much."""

    async def steps() -> None:
        async with _watched() as (client, watch, notices):
            for partition in range(4):
                await _send(client, LIMIT // 2, partition)
                assert await watch.look() is None
            assert await watch.look() is None
            assert notices == []

    asyncio.run(steps())
