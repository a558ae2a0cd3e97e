"""From the start of a worker to the first transaction it stores, where its customers' histories lie in the store."""

import re
import time
from typing import Any, NamedTuple
from urllib.request import urlopen

from bench.stream.compare import Say
from bench.stream.contestants import POSITIONS, worker
from bench.stream.measure import until
from bench.stream.system import Bench, History, Run, generated
from ops.kafka.ports import free_ports

AFTER_ROWS = 500  # what waits for the worker when it comes back


class Size(NamedTuple):
    customers: int
    days: int  # two transactions of each customer a day


def restart(made: Bench, sizes: tuple[Size, ...], repeat: int, say: Say) -> list[dict[str, Any]]:
    return [_restart(made, size, repeat, say) for size in sizes]


def _restart(made: Bench, size: Size, repeat: int, say: Say) -> dict[str, Any]:
    path = made.folder / "growth.parquet"
    rows = generated(path, size.customers, size.days) - repeat * AFTER_ROWS
    run = filled(made, History(path, rows, made.history.models))
    took, restored = [], 0
    for turn in range(repeat):
        stored = rows + turn * AFTER_ROWS
        seconds, restored = started_again(run, stored)
        took.append(seconds)
        say(f"{turn + 1}/{repeat} restart with {size.customers:,} customers, {stored:,} flags: {took[-1]:.1f} s to the "
            "first score")  # fmt: skip
    return {"customers": size.customers, "rows": rows, "seconds": took, "last_partition_rows": restored}


def filled(made: Bench, history: History) -> Run:
    """A store that holds the flags of the history, and no worker."""
    run = made.fresh(history)
    run.replay(history.rows)
    process = worker(run)
    try:
        until([process], run.store, history.rows, POSITIONS)
    finally:
        process.stop(60)
    return run


def started_again(run: Run, stored: int) -> tuple[float, int]:
    """Seconds to the first transaction behind those that are stored, and how many rows were restored."""
    run.replay(AFTER_ROWS, "--resume", "--max-in-flight", "0")
    [port] = free_ports(1)
    began = time.perf_counter()
    process = worker(run, metrics_port=port)
    try:
        until([process], run.store, stored + 1, POSITIONS)
        seconds = time.perf_counter() - began
        until([process], run.store, stored + AFTER_ROWS, POSITIONS)
        return seconds, _restored(port)
    finally:
        process.stop(60)


def _restored(port: int) -> int:
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        found = re.search(r"^trustlens_restored_rows (\S+)", answer.read().decode(), re.MULTILINE)
    return int(float(found[1])) if found else 0
