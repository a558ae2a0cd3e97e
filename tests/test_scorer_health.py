"""The watchdog ends a worker that does not get on, and no other."""

import asyncio
import re
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from scorer.log.chunks import Place
from scorer.metrics import Metrics
from scorer.worker.health import LagMonitor, Progress, Watchdog


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _fail(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("looks", "bitten"),
    [
        ([Progress(True, False, 1), Progress(True, False, 1)], True),
        ([Progress(True, False, 1), Progress(True, False, 2)], False),
        ([Progress(False, False, 1), Progress(False, False, 1)], False),
        ([Progress(True, True, 1), Progress(True, True, 1)], False),
    ],
    ids=["stands still", "gets on", "has nothing to do", "waits for a ledger day"],
)
def test_who_is_bitten(looks: list[Progress], bitten: bool) -> None:
    clock, bites = Clock(), list[float]()
    answers = iter(looks)
    dog = Watchdog(lambda: next(answers), bites.append, _fail, 100, clock)
    for _ in looks:
        dog.look()
        clock.now += 101
    assert bool(bites) == bitten


def test_what_stood_still_and_then_got_on_has_all_its_time_again() -> None:
    clock, bites = Clock(), list[float]()
    marks = iter([1, 1, 2, 2, 2])
    dog = Watchdog(lambda: Progress(True, False, next(marks)), bites.append, _fail, 100, clock)
    for seconds in (0, 90, 90, 90, 20):
        clock.now += seconds
        dog.look()
    assert bites == [110]


class Bounds:
    """A log with an open transaction behind the fifth record."""

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        return dict.fromkeys(places, 9)

    async def stable_ends(self, places: Iterable[Place]) -> dict[Place, int]:
        return dict.fromkeys(places, 5)


class AwayAtFirst(Bounds):
    """Answers once somebody has said that it does not."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    async def stable_ends(self, places: Iterable[Place]) -> dict[Place, int]:
        while not self._caplog.messages:
            await asyncio.sleep(0)
        return await super().stable_ends(places)


def test_a_broker_that_does_not_answer_is_told_and_that_it_answers_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    owner: Any = SimpleNamespace(partitions={})
    bounds: Any = AwayAtFirst(caplog)
    lag = LagMonitor(owner, bounds, Metrics(CollectorRegistry()), "transactions", bool, bool, silent_seconds=0)
    asyncio.run(lag.ask())
    away, again = caplog.messages
    assert re.match(r"Kafka has not answered since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\. Nothing is scored until", away)
    assert re.match(r"Kafka answers again, after \d+ s; goes on where it was", again)


def test_of_a_broker_that_answers_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    owner: Any = SimpleNamespace(partitions={})
    bounds: Any = Bounds()

    async def twice() -> None:
        lag = LagMonitor(owner, bounds, Metrics(CollectorRegistry()), "transactions", bool, bool, silent_seconds=60)
        await lag.ask()
        await lag.ask()

    asyncio.run(twice())
    assert caplog.messages == []


@pytest.mark.parametrize("reached", [4, 5])
def test_what_lies_behind_an_open_transaction_is_no_work(reached: int) -> None:
    place = Place("transactions", 0)
    owner: Any = SimpleNamespace(
        partitions={place: SimpleNamespace(next_offset=reached)},
        is_taking_over=False,
        buffer=SimpleNamespace(waiting_for=None),
    )
    bounds: Any = Bounds()
    lag = LagMonitor(owner, bounds, Metrics(CollectorRegistry()), "transactions", lambda: False, lambda: False)
    asyncio.run(lag.look())
    assert lag.progress().has_work == (reached < 5)


@pytest.mark.parametrize(("scored", "is_stuck"), [(4, True), (5, False)])
def test_labels_that_flow_are_no_progress_of_transactions_that_are_stuck(scored: int, is_stuck: bool) -> None:
    transactions, labels = SimpleNamespace(next_offset=scored), SimpleNamespace(next_offset=1)
    owner: Any = SimpleNamespace(
        partitions={Place("transactions", 0): transactions, Place("labels", 0): labels},
        is_taking_over=False,
        buffer=SimpleNamespace(waiting_for=None),
    )
    bounds: Any = Bounds()
    lag = LagMonitor(owner, bounds, Metrics(CollectorRegistry()), "transactions", lambda: False, lambda: False)
    asyncio.run(lag.look())
    before = lag.progress()
    labels.next_offset = 2
    assert before.has_work
    assert (lag.progress().mark == before.mark) == is_stuck
