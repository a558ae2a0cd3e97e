"""Real brokers that end with their block, whatever was done to them; and the one in memory."""

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.kafka.jars import missing
from ops.kafka.ports import free_ports
from ops.kafka.properties import Listeners
from ops.kafka.real import Kafka
from ops.leashed import Leashed
from risk.settings import PREFIX


class TestKafka:
    """What a test may do to a broker. Its address and its data stay the same."""

    __test__ = False  # pytest would take it for a class of tests

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka

    @property
    def address(self) -> str:
        return self._kafka.address

    @property
    def node(self) -> Kafka:
        """Itself, for who wants a second one beside it."""
        return self._kafka

    def environment(self, prefix: str) -> dict[str, str]:
        """The settings of a program that shall use this broker."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        return {**kept, f"{PREFIX}BROKERS": self.address, f"{PREFIX}TOPIC_PREFIX": prefix}

    def kill(self) -> None:
        """SIGKILL; it is gone when this returns."""
        self._kafka.kill()

    def stop(self) -> None:
        """SIGTERM; it is gone when this returns."""
        self._kafka.stop()

    def restart(self) -> None:
        """Starts one that was killed or stopped; it answers when this returns."""
        self._kafka.start()

    def pause(self) -> None:
        """SIGSTOP: its connections stay, it answers nothing."""
        self._kafka.pause()

    def resume(self) -> None:
        self._kafka.resume()


def skip_without_java() -> None:
    reason = missing()
    if reason is not None:
        pytest.skip(reason)


@contextmanager
def running(folder: Path, more: Mapping[str, str] | None = None) -> Iterator[TestKafka]:
    """A broker that is stopped at the end, whatever a test did to it; `more` of its properties."""
    skip_without_java()
    plain, controller = free_ports(2)
    # Nothing in it is wanted afterwards, so it is killed, which is quicker than asking it to end.
    kafka = Kafka(folder, Listeners(plain, controller, {}), more=more, brief=True)
    try:
        kafka.start()
        yield TestKafka(kafka)
    finally:
        kafka.kill()


@contextmanager
def embedded(log: Path) -> Iterator[str]:
    """The address of a broker in memory, in a process of its own."""
    process = Leashed([sys.executable, "-u", "-m", "ops.embedded"], log)
    try:
        yield _address(process)
    finally:
        process.kill()


def _address(process: Leashed) -> str:
    while not (said := re.search(r"^export TRUSTLENS_BROKERS=(\S+)$", process.last_words(), re.MULTILINE)):
        try:
            status = process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        pytest.fail(f"the embedded broker ended with status {status}: {process.last_words()}")
    return said[1]


def new_prefix() -> str:
    """Topics and groups of one test, on a broker that all share."""
    return f"t{uuid.uuid4().hex[:12]}."
