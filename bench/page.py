"""docs/benchmarks.md, out of the results that are at hand. The page's words stand here, its figures nowhere."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.against.tables import page_of_kept
from bench.growth.page import growth_section
from bench.living import living_section
from bench.machine import measured_on
from bench.results import ratios, read, spread
from bench.stream.compare import paced_rows
from bench.stream.contestants import NAIVE, QUIX, WORKER, lines_of_code
from bench.stream.system import DAYS, PACED_DAYS
from bench.table import table
from bench.targets import Verdict, ranged, verdicts

PAGE = Path("docs/benchmarks.md")
PARTS = ("stream", "growth", "living", "trainer")
AGAINST = "against"  # measured by a command of its own
LABEL_DELAY_DAYS = 7  # the default, with which the bundle is trained

HEAD = """\
# Benchmarks

How fast TrustLens is beside others that do the same work, and how it grows. `make bench` measures all of it and
writes this page; `python -m bench --help` says how to run a part. A figure with two more in brackets is the median of
its repetitions, with the least and the most of them; one without was taken once, or was the same each time.
"""

SAME_WORK = """\
All read the same full topic of `cards` transactions from a real Kafka on the same machine, decode them, compute the
same features, score them with the same LightGBM bundle, decide, write a flag for each transaction and an alert for
the high ones to topics, a row for each to SQLite, and commit. They take turns, so that whatever else the machine does
meets all. Each is one process; Kafka is another. *Transactions/s* is measured from outside, by the rows in SQLite,
from the first to the last: starting is not in it. *CPU* is of the contestant's process alone. *Event to alert* is the
time between the broker taking the transaction and taking its alert, by the broker's clock, at half of the
contestant's own top rate, sent steadily; who sends works on the same cores, so that the faster a contestant is, the
less is left to it.

- **ours**: `python -m scorer worker`, as it is shipped
- **bare loop** (`bench/stream/bare.py`): Kafka's client, our pipeline and our store, no framework and no guarantee:
  the limit
{kafka_streams}- **Quix Streams** (`bench/stream/quix.py`): its consumer, state store with its changelog, and
  sinks as its documentation advises, the model in ONNX, a row at a time. It has no ledger, no duplicates, no reasons,
  no rejects
- **naive Faust** (`bench/stream/naive.py`): a JSON record, one event at a time, a table in memory with its changelog,
  scikit-learn's predict_proba for a row, an insert for a row. It leaves the same out as Quix Streams

The last two compute their features by the same functions, written by hand (`bench/stream/by_hand.py`). These are
compared with the engine's before anything is measured: {values:,} values, all but the merchant ledger's, are the same
to the last bit, and {scores:,} scores that the bundle's model makes of them, with their levels, are the pipeline's.
"""

KAFKA_STREAMS_TEXT = """\
- **Kafka Streams** (`bench/stream/kafka_streams/`), in Java: what a bank would really choose, to show what another
  language gives; no target is set for it. The Processor API one transaction at a time, customers' pasts in RocksDB with
  a changelog, ONNX Runtime for Java, SQLite by JDBC before each commit, a thread for each core, at least once, 1 GB of
  heap. It has the ledger (all its days are in their topic before it begins), duplicates, late ones and reasons, but no
  rejects, no sentences in reasons and no history days, and it sends again what a crash has it score again. What it
  wrote for {flags:,} transactions was compared before anything was measured: features, levels, reasons and the ids of
  {alerts:,} alerts are ours; scores differ by {largest:.1g} at most, because ONNX Runtime gives float32. Java's
  own compiler runs beside it, which tells where transactions are few. Its lines of code hold all of it, features,
  ledger and reasons, too
"""

PROFILE = """\
## Where the time goes

Processor time of each step by itself: one thread, the largest chunks, without Kafka (`bench/stream/steps.py`). What is
left of the worker's CPU is the client (fetching, sending, acknowledgements), Faust and the event loop, checks, and
threads waiting for each other.
"""

WALL = """\
On the worker's own clock (`trustlens_step_seconds`, the sum over a full topic divided by its transactions); steps
overlap, because one chunk is decoded while another is scored:
"""


AGAINST_TEXT = """\
The working tree beside an earlier commit, with the same Kafka, histories and bundle, in turns (`python -m bench.against
{commit} --results .bench/against.json`). *Dense* has many customers and few days, *long* few customers and many days.
"""
WHY_AGAINST = """\
What the missed ones would take. *Transactions/s and CPU*: the client makes an object of each record and of each
acknowledgement, in the first thread, and SQLite's inserts, in the thread that commits; both are left when the steps
themselves are in columns. A client that returns a fetch as one buffer and a store with a binary bulk load would take
them away. Tried, and without a gain that could be told from noise: the JSON of a chunk's flags in one piece, times as
text by NumPy, columns up to the insert. *Event to alert*: p99 is of two or three alerts a turn, and differs more
between turns of one commit than the target asks for. *Memory*, dense: chunks of up to 4,000 transactions in columns, of
which several are under way; the histories take no more, as the long history shows. *Features*: what is left is the
kernel over the histories, and writing Parquet.
"""


def write_page(folder: Path, target: Path = PAGE) -> list[str]:
    """Writes the page; the targets that were missed."""
    parts = {part: read(folder, part) for part in PARTS}
    against = read(folder, AGAINST)
    found = {part: whole["found"] if whole else None for part, whole in parts.items()}
    judged = verdicts(found["stream"], found["growth"], found["living"])
    sections = [HEAD, "## Targets\n", table(("", "wanted", "got", "met"), [_judged(one) for one in judged])]
    sections += _why_missed(judged)
    if found["stream"]:
        sections += _stream(found["stream"])
    if against:
        sections += _against(against["found"])
    if found["growth"]:
        sections += growth_section(found["growth"])
    if found["living"]:
        sections += living_section(found["living"])
    if found["trainer"]:
        sections += _trainer(found["trainer"])
    sections += _machine(whole for whole in (*parts.values(), against) if whole)
    missing = [part for part, whole in parts.items() if not whole]
    if missing:
        sections.append(f"Not measured yet: {', '.join(missing)}.\n")
    target.write_text("\n".join(sections))
    return [one.what for one in judged if not one.met]


def _why_missed(judged: Sequence[Verdict]) -> list[str]:
    """One reason may be that of several."""
    missed = [one for one in judged if not one.met and one.why_missed]
    targets: dict[str, list[str]] = {}
    for one in missed:
        targets.setdefault(one.why_missed, []).append(one.what)
    return [f"Missed, {'; '.join(each)}: {why}.\n" for why, each in targets.items()]


def _judged(one: Any) -> tuple[str, ...]:
    return (one.what, one.wanted, one.got, "yes" if one.met else "**no**")


def _stream(found: dict[str, Any]) -> list[str]:
    each = found["contestants"]
    return [
        "## Side by side\n",
        _same_work(found["same"]),
        side_by_side(each),
        _late(found),
        _notes(found),
        PROFILE,
        _cpu(found["cpu_of_steps"], spread(each[WORKER.name]["cpu_microseconds"]).median),
        WALL,
        table(("step", "µs a transaction"), [(step, f"{us:.1f}") for step, us in found["wall_of_steps"].items()]),
    ]


def _same_work(same: dict[str, Any]) -> str:
    in_java = same.get("in_java")
    kafka_streams = KAFKA_STREAMS_TEXT.format(**in_java) if in_java else ""
    return SAME_WORK.format(values=same["values"], scores=same["scores"], kafka_streams=kafka_streams)


def side_by_side(each: dict[str, Any]) -> str:
    """The table of the contestants."""
    ours, rows = each[WORKER.name], []
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
    return table(heads, rows)


def _late(found: dict[str, Any]) -> str:
    """On which days the times of event to alert were measured: whether ledger days close meanwhile matters to ours."""
    days = paced_rows(found["contestants"][WORKER.name]["paced_at"], found["rows"]) / found["rows"] * PACED_DAYS
    closed, squeezed = max(0, int(days) - LABEL_DELAY_DAYS + 1), found["squeezed"]
    return (
        f"The times of event to alert are of another history: as many transactions, but in {PACED_DAYS} days, of more "
        f"customers. Ours is sent the first {days:.1f} of these days, in which {closed} days of the merchant ledger "
        f"are closed (a day is, when the {LABEL_DELAY_DAYS}th after it begins). The {DAYS} days of the first history, "
        "sent at that pace, pass in seconds, and a ledger day closes several times a second, as in no real stream: "
        "ours waits for each, the bare loop closes it on the spot, Kafka Streams has all of them in memory, and the "
        "others have no ledger. Ours once with "
        f"these, at {squeezed['rate']:,.0f}/s: p50 {squeezed['median']:,.0f} ms, p99 {squeezed['p99']:,.0f} ms.\n"
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
        "and docstrings are not counted. Ours are the worker and what it shares with `verify`: whoever uses it writes "
        "none."
        f"{by_hand} What ours and the bare loop share, `risk/` with its store, is another "
        f"{lines_of_code(('risk/**/*.py',)):,} lines.\n"
    )


def _against(kept: dict[str, Any]) -> list[str]:
    commit = kept["sides"]["old"]
    return [f"## Beside {commit}\n", AGAINST_TEXT.format(commit=commit), page_of_kept(kept), WHY_AGAINST]


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
        f"Whole commands, start and files included, on {found['rows']:,} rows of `cards` as Parquet, "
        f"{_repetitions(found['commands'])} times each; `train` with LightGBM alone, `backtest` with that bundle.\n",
        table(("", "rows/s", "peak GB"), rows),
    ]


def _repetitions(commands: dict[str, Any]) -> int:
    return min(len(one["rows_per_second"]) for one in commands.values())


def _machine(wholes: Iterable[dict[str, Any]]) -> list[str]:
    known: Sequence[dict[str, Any]] = list(wholes)
    lines = ["## Machine, versions, commands\n"]
    for whole in known:
        lines.append(f"- {measured_on(whole['command'], whole['machine'])}")
    lines.append(
        "\nOther speeds have commands of their own: `python -m bench.dataset`, `bench.replay`, `bench.store`, "
        "`bench.reporter`, `bench.reporter_beside`, `bench.backtest`, `bench.train`, `bench.features`, "
        "`bench.generate`, `bench.trees`, `bench.drift`, `bench.labels`, `bench.families`; `python -m bench.against "
        "COMMIT` sets the working tree beside one of its commits.\n"
    )
    return lines
