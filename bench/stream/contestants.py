"""Who is measured: how each is started, what it has stored, and what had to be written for it."""

import io
import re
import sys
import tokenize
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from bench.stream.kafka_streams import built
from bench.stream.system import Run
from ops.kafka.jars import missing
from ops.leashed import ROOT, Leashed
from risk.errors import BrokerError, OptionError

# How far the project's own store is; and how many rows lie in a table of flags that only grows.
POSITIONS = "select coalesce(sum(next_offset), 0) from partitions where topic like '%transactions'"
ROWS = "select coalesce(max(rowid), 0) from flags"

NAIVE_ROWS = 20_000  # a repetition; with 300,000 it would take half an hour for five
QUIX_PYTHON = ROOT / ".venv" / "bench" / "bin" / "python"


class Contestant(NamedTuple):
    name: str
    start: Callable[[Run], Leashed]
    stored: str  # asks a store how many transactions it has
    files: tuple[str, ...]  # what a person had to write, with what is imported left out
    most_rows: int | None = None


def worker(run: Run, *, metrics_port: int = 0, log: Path | None = None) -> Leashed:
    options = ["--bundle", str(run.history.bundle), "--metrics-port", str(metrics_port)]
    return run.start("scorer", "worker", *options, log=log)


def _with_bundle(module: str, python: str = sys.executable) -> Callable[[Run], Leashed]:
    return lambda run: run.start(module, "--bundle", str(run.history.bundle), python=python)


OURS = ("scorer/worker/*.py", "scorer/log/*.py", "scorer/ledger/*.py", "scorer/store_thread.py", "scorer/metrics.py")
WORKER = Contestant("ours", worker, POSITIONS, OURS)
BARE = Contestant("bare loop", _with_bundle("bench.stream.bare"), POSITIONS, ("bench/stream/bare.py",))
BY_HAND = ("bench/stream/by_hand.py", "bench/stream/flags_table.py")
QUIX = Contestant(
    "Quix Streams", _with_bundle("bench.stream.quix", str(QUIX_PYTHON)), ROWS, ("bench/stream/quix.py", *BY_HAND)
)
NAIVE = Contestant(
    "naive Faust",
    _with_bundle("bench.stream.naive"),
    ROWS,
    ("bench/stream/naive.py", *BY_HAND),
    NAIVE_ROWS,
)
KAFKA_STREAMS = Contestant("Kafka Streams", built.start, ROWS, ("bench/stream/kafka_streams/src/main/java/**/*.java",))
CONTESTANTS = (WORKER, BARE, KAFKA_STREAMS, QUIX, NAIVE)


def check_installed(contestants: Collection[Contestant], *, is_kafka_needed: bool) -> None:
    """Before anything is made or measured: OptionError or BrokerError with what is missing."""
    lacking = missing() if is_kafka_needed else None
    if lacking is not None:
        raise BrokerError(lacking)
    if QUIX in contestants and not QUIX_PYTHON.exists():
        raise OptionError(
            f"{QUIX_PYTHON}: not there, expected Python with what requirements-bench.lock says; `make bench` makes it"
        )


def lines_of_code(patterns: tuple[str, ...]) -> int:
    """Lines that hold code: none that are empty, a comment, or a text that stands for itself, as docstrings do."""
    paths = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    return sum((lines_in_java if path.suffix == ".java" else lines_in)(path.read_text()) for path in paths)


NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def lines_in(source: str) -> int:
    lines: set[int] = set()
    begins = True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE and not (begins and token.type == tokenize.STRING):
            lines.update(range(token.start[0], token.end[0] + 1))
        begins = token.type in NO_CODE and (begins or token.type == tokenize.NEWLINE)
    return len(lines)


def lines_in_java(source: str) -> int:
    """By the same rule; comments that share a line with code are where they are, and no text looks like a comment."""
    code = re.sub(r"/\*.*?\*/|(?<!:)//[^\n]*", "", source, flags=re.DOTALL)
    return sum(bool(line.strip()) for line in code.splitlines())
