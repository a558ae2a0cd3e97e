"""The thread that keeps the figures new: what is answered was read after the question, or is said to take long."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kpi_reporter.kpis.reading import KpiReader
from kpi_reporter.kpis.values import Kpis, Unready
from kpi_reporter.latest import Latest
from kpi_reporter.web import Web
from risk.store import open_store
from testing.stores import flag, store_flags

LONG = 60.0  # seconds; nothing here waits so long
PATH = Path("risk.db")


class SlowReader:
    """Answers with a number that grows, and only when it is allowed to."""

    def __init__(self) -> None:
        self.has_begun = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.readings = 0

    def read(self) -> Unready:
        self.has_begun.release()
        self.may_end.acquire()
        self.readings += 1
        return Unready(str(self.readings))

    def end(self) -> None:
        self.may_end.release()


@contextmanager
def running(latest: Latest) -> Iterator[Latest]:
    latest.start()
    try:
        yield latest
    finally:
        latest.stop()


def test_before_the_first_reading_is_over_the_store_is_being_read() -> None:
    reader = SlowReader()
    with running(Latest(reader, PATH, lambda _: None)) as latest:
        reader.has_begun.acquire()
        assert latest.value() == Unready("risk.db: the store is being read for the first time", is_reading=True)


def test_who_asks_during_a_reading_gets_the_next_one() -> None:
    """What is read already may have passed by what was written just now."""
    reader = SlowReader()
    with running(Latest(reader, PATH, lambda _: None, every_seconds=LONG)) as latest:
        reader.has_begun.acquire()
        answers: list[Kpis | Unready] = []
        asking = threading.Thread(target=lambda: answers.append(latest.newer(LONG)))
        asking.start()
        while not latest.is_asked():
            pass
        reader.may_end.release()
        reader.has_begun.acquire()
        assert answers == []
        reader.may_end.release()
        asking.join()
        assert answers == [Unready("2")]


def test_a_reading_that_takes_too_long_leaves_nothing_to_say() -> None:
    reader = SlowReader()
    with running(Latest(reader, PATH, lambda _: None)) as latest:
        reader.has_begun.acquire()
        assert latest.newer(0.01) == Unready(
            "risk.db: the store is being read, which takes longer than 0.01 s", is_reading=True
        )


def test_what_becomes_of_the_store_is_said_once(tmp_path: Path) -> None:
    path, said = tmp_path / "risk.db", []
    with running(Latest(KpiReader(path), path, said.append, every_seconds=LONG)) as latest:
        latest.newer(LONG)
        latest.newer(LONG)
        with open_store(path) as store:
            store_flags(store, [flag(n) for n in range(1_234)])
        now = latest.newer(LONG)
        latest.newer(LONG)
    assert isinstance(now, Kpis)
    assert now.transactions == 1_234
    first, second = said
    assert "there is no store" in first
    assert "1,234 flags are read" in second


def test_an_end_breaks_a_reading_off(tmp_path: Path) -> None:
    """So that a program which is told to end need not read millions of flags first."""
    path = tmp_path / "risk.db"
    with open_store(path) as store:
        store_flags(store, [flag(n) for n in range(60_000)])
    reader = KpiReader(path)
    reader.end()
    now = reader.read()
    assert isinstance(now, Unready)
    assert "interrupted" in now.reason


class BrokenReader:
    """Its author made a mistake."""

    def read(self) -> Unready:
        raise ZeroDivisionError

    def end(self) -> None:
        pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_of_the_program_is_said_and_ends_its_health() -> None:
    """Figures that stand still would look like a calm day."""
    with running(Latest(BrokenReader(), PATH, lambda _: None)) as latest:
        now = latest.newer(LONG)
        assert now == Unready(
            "risk.db: reading it ended in ZeroDivisionError(), a mistake in the program; start it again"
        )
        status, text = asyncio.run(answered(Web(latest, PATH).beside(nothing), "/health"))
        assert (status, text) == (500, b"failed; start it again\n")


async def nothing(*_: object) -> None:
    raise AssertionError("not asked for")


async def answered(web: Web, path: str) -> tuple[int, bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing more to say")

    await web({"type": "http", "method": "GET", "path": path}, receive, send)
    return sent[0]["status"], sent[1]["body"]
