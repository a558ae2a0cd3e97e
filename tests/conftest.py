"""Kafka for the tests. And in CI nothing may be skipped for want of a component: a skip is a failure there, and says
what was wanting."""

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.explorers import Served, exploring, make_store
from tests.kafka_broker import TestKafka, embedded, new_prefix, running


def pytest_configure() -> None:
    """A run in the background of a script has Ctrl-C ignored, and so would programs have that a test interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestKafka]:
    """One real Kafka for the whole run; tests keep apart by `prefix`, and leave it as they found it."""
    with running(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[TestKafka]:
    """A real Kafka for one test, which may kill, restart and pause it."""
    with running(tmp_path / "kafka") as broker:
        yield broker


@pytest.fixture
def embedded_kafka(tmp_path: Path) -> Iterator[str]:
    """The address of a broker in memory."""
    with embedded(tmp_path / "embedded.log") as address:
        yield address


@pytest.fixture
def prefix() -> str:
    return new_prefix()


@pytest.fixture(scope="module")
def explorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Over a store that nobody changes."""
    path = tmp_path_factory.mktemp("explorer") / "risk.db"
    make_store(path)
    with exploring(path) as server:
        yield server
