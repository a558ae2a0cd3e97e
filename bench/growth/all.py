"""Everything that grows, at the sizes that the page shows, or at smaller ones."""

import tempfile
from pathlib import Path
from typing import Any

from bench.growth.customers import memory_of
from bench.growth.flags import flags
from bench.growth.pace import pace
from bench.growth.restart import Size, restart
from bench.growth.workers import workers
from bench.stream.compare import Say
from bench.stream.system import bench

FULL_ROWS, MOST_REPEATS = 300_000, 3
# Sixty entries each need thirty days; with more customers fewer days, because each row goes through Kafka and back.
RESTARTS = (Size(1_000, 30), Size(16_700, 30), Size(100_000, 5), Size(1_000_000, 1))
# A million with sixty each takes 8 GB and some minutes: `python -m bench.growth.customers 1000000` does that alone.
CUSTOMERS = ((1_000, 60), (100_000, 60), (1_000_000, 12))
RATES = (500, 2_000, 8_000)
FLAGS = (100_000, 1_000_000, 10_000_000)
LEAST_FLAGS = 200_000  # twice what an insert is measured with


def growth(rows: int, repeat: int, say: Say) -> dict[str, Any]:
    """`rows` below the full size make everything smaller in proportion."""
    share = min(1.0, rows / FULL_ROWS)
    found: dict[str, Any] = {"memory": []}
    for customers, entries in CUSTOMERS:
        one = memory_of(max(1_000, int(customers * share)), entries)
        found["memory"].append(one)
        say(f"{one['customers']:,} customers with {entries} entries: {one['bytes'] / one['customers']:,.0f} bytes each")
    with tempfile.TemporaryDirectory() as name, bench(Path(name), rows) as made:
        found["workers"] = workers(made, min(repeat, MOST_REPEATS), say)
        found["pace"] = pace(made, RATES, min(repeat, MOST_REPEATS), say)
        sizes = tuple(Size(max(400, int(customers * share)), days) for customers, days in RESTARTS)
        found["restart"] = restart(made, sizes, min(repeat, MOST_REPEATS), say)
    found["flags"] = flags(tuple(max(LEAST_FLAGS * (place + 1), int(s * share)) for place, s in enumerate(FLAGS)), say)
    return found
