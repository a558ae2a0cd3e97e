"""Event to alert of ours, as transactions come faster."""

from typing import Any

from bench.stream.compare import Say, paced
from bench.stream.contestants import WORKER
from bench.stream.system import Bench


def pace(made: Bench, rates: tuple[int, ...], repeat: int, say: Say) -> list[dict[str, Any]]:
    """In turns, so that what else the machine does meets all rates."""
    found: list[dict[str, Any]] = [{"rate": rate, "median_ms": [], "p99_ms": [], "alerts": []} for rate in rates]
    for turn in range(repeat):
        for one in found:
            late = paced(made, WORKER, one["rate"], made.paced)
            one["median_ms"].append(late.median)
            one["p99_ms"].append(late.p99)
            one["alerts"].append(late.alerts)
            say(f"{turn + 1}/{repeat} at {one['rate']:,}/s: event to alert {late.median:.0f} ms, p99 {late.p99:.0f} ms")
    return found
