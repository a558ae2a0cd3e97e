"""What a worker says when it does not stop in time."""

import asyncio
from collections.abc import AsyncIterator
from threading import Event
from typing import NoReturn

import pytest

from scorer.worker.exits import EXIT_FAILED, end_within, waits


async def _events(gate: asyncio.Event) -> AsyncIterator[int]:
    yield 1
    await gate.wait()
    yield 2


async def _agent(gate: asyncio.Event) -> None:
    async for _ in _events(gate):
        pass


async def _in_an_agent(gate: asyncio.Event) -> None:
    await asyncio.wait_for(_agent(gate), None)


async def _told() -> str:
    gate = asyncio.Event()
    task = asyncio.create_task(_in_an_agent(gate), name="a task")
    while not gate._waiters:
        await asyncio.sleep(0)
    told = waits(asyncio.get_running_loop())
    gate.set()
    await task
    return told


def test_each_function_that_a_task_waits_in_is_named_through_generators_too() -> None:
    told = asyncio.run(_told())
    task = told[told.index("a task:") :].split("\n\n")[0].splitlines()
    named = [line.split()[-1] for line in task[1:-1]]
    assert named == ["_in_an_agent", "wait_for", "_agent", "_events", "Event.wait"]


# The thread ends by an exception here, and by the end of the process in a worker.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_stop_that_hangs_is_cut_short_also_where_nobody_can_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is looked at from another thread, while it changes."""
    statuses, has_ended = [], Event()

    def changes(_: asyncio.AbstractEventLoop) -> NoReturn:
        raise RuntimeError("deque mutated during iteration")

    def end(status: int) -> NoReturn:
        statuses.append(status)
        has_ended.set()
        raise SystemExit

    monkeypatch.setattr("scorer.worker.exits.waits", changes)
    monkeypatch.setattr("scorer.worker.exits.end_now", end)

    async def stop() -> None:
        end_within(0)

    asyncio.run(stop())
    assert has_ended.wait(10)
    assert statuses == [EXIT_FAILED]
