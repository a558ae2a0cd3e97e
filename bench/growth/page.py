"""How ours grows, as a section of docs/benchmarks.md."""

from typing import Any

from bench.results import ratios, spread
from bench.table import table
from bench.targets import ranged


def growth_section(found: dict[str, Any]) -> list[str]:
    return [
        "## How ours grows\n",
        *_workers(found["workers"]),
        *_pace(found["pace"]),
        *_memory(found["memory"]),
        *_restart(found["restart"]),
        *_flags(found["flags"]),
    ]


def _workers(found: dict[str, Any]) -> list[str]:
    one, two = (found["rows_per_second"][count] for count in ("1", "2"))
    return [
        "### Workers\n",
        f"From the same full topic, on {found['cores']} cores that Kafka works on, too; {len(one)} turns of each. "
        "Two begin at once, and sharing the partitions is part of their time.\n",
        table(
            ("workers", "transactions/s", "of one"),
            [
                ("1", ranged(spread(one), 0), "1"),
                ("2", ranged(spread(two), 0), ranged(ratios(two, one), 2)),
            ],
        ),
    ]


def _pace(found: list[dict[str, Any]]) -> list[str]:
    rows = [
        (
            f"{one['rate']:,}",
            ranged(spread(one["median_ms"]), 0),
            ranged(spread(one["p99_ms"]), 0),
            f"{sum(one['alerts']):,}",
        )
        for one in found
    ]
    return [
        "### Event to alert\n",
        "One worker, transactions sent steadily, on the history of few days; from the broker taking a transaction to "
        "its taking the alert. Sender and Kafka work on the same cores.\n",
        table(("transactions/s", "event to alert, ms: p50", "p99", "alerts"), rows),
    ]


def _memory(found: list[dict[str, Any]]) -> list[str]:
    rows = [
        (
            f"{one['customers']:,}",
            f"{one['entries'] / one['customers']:.0f}",
            f"{one['bytes'] / 1e6:,.0f}",
            f"{one['bytes'] / one['customers']:,.0f}",
        )
        for one in found
    ]
    return [
        "### Customers in memory\n",
        "What a process grows by when an engine takes so many customers' histories in, as after a restart "
        "(`python -m bench.growth.customers N`). An entry holds 44 bytes; the rest is room to grow, blocks that were "
        "outgrown, and the customers' names.\n",
        table(("customers", "entries each", "MB", "bytes a customer"), rows),
    ]


def _restart(found: list[dict[str, Any]]) -> list[str]:
    times = min(len(one["seconds"]) for one in found)
    rows = [
        (
            f"{one['customers']:,}",
            f"{one['rows']:,}",
            ranged(spread(one["seconds"]), 1),
            ranged(spread([took / one["rows"] * 1e6 for took in one["seconds"]]), 1),
        )
        for one in found
    ]
    return [
        "### Restart\n",
        "From the start of the process to the first transaction in the store, where histories are rebuilt from so many "
        f"flags of the last thirty days; {times} starts each. A start without any takes some seconds itself.\n",
        table(("customers", "flags", "s to the first score", "s per million flags"), rows),
    ]


def _flags(found: list[dict[str, Any]]) -> list[str]:
    rows = [
        (
            f"{one['flags']:,}",
            f"{one['insert_us']:.1f}",
            f"{one['bytes'] / 1e6:,.0f}",
            f"{one['first_figures_seconds']:.1f}",
            f"{one['reporter_megabytes']:,.0f}",
        )
        for one in found
    ]
    return [
        "### Flags in the store\n",
        "An insert is processor time for one flag in a batch of 500. The reporter reads the whole store once when it "
        "starts: its first figures are counted from when it listens.\n",
        table(("flags", "insert, µs", "MB", "reporter's first figures, s", "its peak MB"), rows),
    ]
