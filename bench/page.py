"""docs/benchmarks.md, out of the results that are at hand. The page's words stand here, its figures nowhere."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.growth.page import growth_section
from bench.results import ratios, read, spread
from bench.stream.contestants import NAIVE, QUIX, WORKER, lines_of_code
from bench.table import table
from bench.targets import ranged, verdicts

PAGE = Path("docs/benchmarks.md")
PARTS = ("stream", "growth", "trainer")

HEAD = """\
# Benchmarks

How fast TrustLens is beside others that do the same work, and how it grows. `make bench` measures all of it and
writes this page; `python -m bench --help` says how to run a part. Every figure is a median, with the least and the
most of its repetitions in brackets.
"""

SAME_WORK = """\
All read the same full topic of `cards` transactions from a real Kafka on the same machine, decode them, compute the
same features, score them with the same LightGBM bundle, decide, write a flag for each transaction and an alert for
the high ones to topics, a row for each to SQLite, and commit. They take turns, so that whatever else the machine does
meets all. Each is one process; Kafka is another. *Transactions/s* is measured from outside, by the rows in SQLite,
from the first to the last: starting is not in it. *CPU* is of the contestant's process alone. *Event to alert* is the
time between the broker taking the transaction and taking its alert, at half of the contestant's own top rate, sent
steadily.

- **ours**: `python -m scorer worker`, as it is shipped
- **bare loop** (`bench/stream/bare.py`): Kafka's client, our pipeline and our store, no framework and no guarantee:
  the limit
- **Quix Streams** (`bench/stream/quix.py`): its consumer, state store and sinks as its documentation advises, the
  model in ONNX. It has no ledger, no duplicates, no reasons, no rejects
- **naive Faust** (`bench/stream/naive.py`): a JSON record, one event at a time, a table in memory, scikit-learn's
  predict_proba for a row, an insert for a row. It leaves the same out as Quix Streams

Whom features are written by hand for is checked before anything is measured: over {values:,} values their features,
but for the merchant ledger's, are the engine's to the last bit, and so are {scores:,} scores.
"""

PROFILE = """\
## Where the time goes

Processor time of each step by itself: one thread, chunks of 1,000, without Kafka (`bench/stream/steps.py`). What is
left of the worker's CPU is the client (fetching, sending, acknowledgements), Faust and the event loop, checks, and
threads waiting for each other.
"""

WALL = """\
On the worker's own clock (`trustlens_step_seconds`, the sum over a full topic divided by its transactions); steps
overlap, because one chunk is decoded while another is scored:
"""


def write_page(folder: Path, target: Path = PAGE) -> list[str]:
    """Writes the page; the targets that were missed."""
    parts = {part: read(folder, part) for part in PARTS}
    found = {part: whole["found"] if whole else None for part, whole in parts.items()}
    judged = verdicts(found["stream"], found["growth"])
    sections = [HEAD, "## Targets\n", table(("", "wanted", "got", "met"), [_judged(one) for one in judged])]
    if found["stream"]:
        sections += _stream(found["stream"])
    if found["growth"]:
        sections += growth_section(found["growth"])
    if found["trainer"]:
        sections += _trainer(found["trainer"])
    sections += _machine(whole for whole in parts.values() if whole)
    missing = [part for part, whole in parts.items() if not whole]
    if missing:
        sections.append(f"Not measured yet: {', '.join(missing)}.\n")
    target.write_text("\n".join(sections))
    return [one.what for one in judged if not one.met]


def _judged(one: Any) -> tuple[str, ...]:
    return (one.what, one.wanted, one.got, "yes" if one.met else "**no**")


def _stream(found: dict[str, Any]) -> list[str]:
    each = found["contestants"]
    ours = each[WORKER.name]
    rows = []
    for name, one in each.items():
        ratio = ratios(ours["rows_per_second"], one["rows_per_second"])
        rows.append(
            (
                name,
                ranged(spread(one["rows_per_second"]), 0),
                "1" if name == WORKER.name else ranged(ratio, 2),
                ranged(spread(one["cpu_microseconds"]), 1),
                ranged(spread(one["median_ms"]), 0),
                ranged(spread(one["p99_ms"]), 0),
                f"{one['paced_at']:,.0f}",
                f"{sum(one['alerts']):,}",
                ranged(spread(one["peak_megabytes"]), 0),
                f"{one['lines']:,}",
            )
        )
    heads = ("", "transactions/s", "ours is so many times as fast", "CPU µs each", "event to alert, ms: p50", "p99",
             "at a rate of", "alerts", "peak MB", "lines of code")  # fmt: skip
    return [
        "## Side by side\n",
        SAME_WORK.format(**found["same"]),
        table(heads, rows),
        _squeezed(found["squeezed"]),
        _notes(found),
        PROFILE,
        _cpu(found["cpu_of_steps"], spread(ours["cpu_microseconds"]).median),
        WALL,
        table(("step", "µs a transaction"), [(step, f"{us:.1f}") for step, us in found["wall_of_steps"].items()]),
    ]


def _squeezed(found: dict[str, Any]) -> str:
    return (
        "For the times of event to alert the history has as many transactions in 15 days: 120 of them, sent at that "
        "pace, pass in seconds, and the merchant ledger closes a day several times a second, which ours waits for and "
        "the others do not have. Once with the 120 days, ours at "
        f"{found['rate']:,.0f}/s: p50 {found['median']:,.0f} ms, p99 {found['p99']:,.0f} ms.\n"
    )


def _notes(found: dict[str, Any]) -> str:
    naive = found["contestants"].get(NAIVE.name)
    few = f" Naive Faust reads {naive['rows']:,} of them, so its customers' pasts are short." if naive else ""
    quix = found["contestants"].get(QUIX.name)
    by_hand = " Quix Streams and naive Faust count their features by hand, too." if quix or naive else ""
    return (
        f"{found['rows']:,} transactions, {found['repeat']} repetitions, four partitions.{few} *Alerts* is how many "
        "the times of event to alert come from, all repetitions together: where they are few, p99 is close to the "
        "slowest.\n\n*Lines of code* are those of the program itself, without what it imports; empty lines, comments "
        "and docstrings are not counted. Ours are `scorer/worker/` and its metrics: whoever uses it writes none."
        f"{by_hand} What ours and the bare loop share, `risk/` with its store, is another "
        f"{lines_of_code(('risk/**/*.py',)):,} lines.\n"
    )


def _cpu(steps: dict[str, float], whole: float) -> str:
    rest = whole - sum(steps.values())
    rows = [*steps.items(), ("client, Faust, event loop: what is left", rest), ("the worker, whole", whole)]
    return table(("step", "CPU µs a transaction", "share"), [(s, f"{us:.1f}", f"{us / whole:.0%}") for s, us in rows])


def _trainer(found: dict[str, Any]) -> list[str]:
    rows = [
        (f"`trainer {what}`", ranged(spread(one["rows_per_second"]), 0), ranged(spread(one["peak_gb"]), 2))
        for what, one in found["commands"].items()
    ]
    return [
        "## The trainer\n",
        f"Whole commands, start and files included, on {found['rows']:,} rows of `cards` as Parquet; `train` with "
        "LightGBM alone, `backtest` with that bundle.\n",
        table(("", "rows/s", "peak GB"), rows),
    ]


def _machine(wholes: Iterable[dict[str, Any]]) -> list[str]:
    known: Sequence[dict[str, Any]] = list(wholes)
    lines = ["## Machine, versions, commands\n"]
    for whole in known:
        one = whole["machine"]
        lines.append(
            f"- `{whole['command']}`, {one['date']}: {one['processor']}, {one['memory']}, {one['system']}; load of the "
            f"machine at its end {one['load']}; {one['versions']}"
        )
    lines.append(
        "\nOther speeds have commands of their own: `python -m bench.dataset`, `bench.replay`, `bench.store`, "
        "`bench.reporter`, `bench.reporter_beside`, `bench.backtest`, `bench.train`, `bench.features`, "
        "`bench.generate`.\n"
    )
    return lines
