"""What a worker says when it does not stop in time."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from scorer.worker.exits import EXIT_FAILED, waits

ROOT = Path(__file__).parent.parent


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


CANNOT_SAY_WHY = """
import asyncio
from scorer.worker import exits

def changes(loop):
    raise RuntimeError("deque mutated during iteration")

async def hang():
    exits.waits = changes
    exits.end_within(0)
    await asyncio.Event().wait()

asyncio.run(hang())
"""


def test_a_stop_that_hangs_is_cut_short_also_where_nobody_can_say_why() -> None:
    """What waits is looked at from another thread, while it changes. In a process, for that is what ends."""
    ended = subprocess.run(
        [sys.executable, "-c", CANNOT_SAY_WHY], cwd=ROOT, timeout=60, capture_output=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (EXIT_FAILED, b"")
