"""One worker and two, from the same full topic, in turns."""

import os
from typing import Any

from bench.stream.compare import Say
from bench.stream.contestants import POSITIONS, worker
from bench.stream.measure import speed
from bench.stream.system import Bench

WORKERS = (1, 2)


def workers(made: Bench, repeat: int, say: Say) -> dict[str, Any]:
    """Both begin at once, and what it takes them to share the partitions is part of it."""
    found: dict[str, list[float]] = {str(count): [] for count in WORKERS}
    for turn in range(repeat):
        for count in WORKERS:
            run = made.fresh()
            run.replay(run.history.rows)
            processes = []
            try:
                for number in range(count):
                    processes.append(worker(run, log=run.store.with_suffix(f".{number}.log")))
                result = speed(processes, run, run.history.rows, POSITIONS)
            finally:
                for process in processes:
                    process.stop(30)
            found[str(count)].append(result.rows_per_second)
            say(f"{turn + 1}/{repeat} {count} of ours{result.rows_per_second:>10,.0f}/s")
    return {"rows_per_second": found, "cores": os.cpu_count()}
