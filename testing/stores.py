"""Stores: rows without effort, and other processes that hold, write or break the file."""

import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from risk.clock import DAY
from risk.events import Label
from risk.store import FlagRow, Outputs, Owner, SampleValues, Store, open_store

NEW_YEAR = 19_723 * DAY  # 2024-01-01, a Monday
TRANSACTIONS, LABELS = "transactions", "labels"
NOTHING_SENT = Outputs(0, 0, 0)


def flag(
    offset: int,
    event_time: int = NEW_YEAR,
    *,
    partition: int = 0,
    transaction: str | None = None,
    customer: str = "ann",
    currency: str = "EUR",
    amount: int | None = 1250,
    merchant: str | None = "mill",
    attributes: str | None = None,
    score: float = 0.25,
    level: str = "low",
) -> FlagRow:
    return FlagRow(
        partition,
        offset,
        transaction or f"t{offset}",
        customer,
        event_time,
        currency,
        amount,
        merchant,
        "Grocery",
        "pos",
        None,
        "DE",
        attributes,
        score,
        level,
        None,
        None,
        None,
        "v1",
    )


def store_flags(
    store: Store,
    rows: Sequence[FlagRow],
    *,
    partition: int = 0,
    newest: int | None = None,
    samples: Sequence[SampleValues] = (),
) -> Owner:
    """Takes the partition over and commits the rows, as a worker would in one batch."""
    taken = store.take_over(TRANSACTIONS, partition, first_offset=0)
    store.commit_flags(
        taken.owner,
        expected=taken.next_offset,
        next_offset=rows[-1].source_offset + 1,
        newest_event_time=max(row.event_time for row in rows) if newest is None else newest,
        outputs=NOTHING_SENT,
        rows=rows,
        samples=samples,
    )
    return taken.owner


def store_labels(store: Store, labels: Sequence[Label], *, partition: int = 0) -> None:
    """Takes the partition of the labels over and commits these, offset after offset."""
    taken = store.take_over(LABELS, partition, first_offset=0)
    numbered = list(enumerate(labels, taken.next_offset))
    store.commit_labels(
        taken.owner,
        expected=taken.next_offset,
        next_offset=taken.next_offset + len(labels),
        rejected_offset=0,
        labels=numbered,
    )


def stored(path: Path) -> list[FlagRow]:
    """The flags of the store at the path; it is opened for that, and made if need be."""
    with open_store(path) as store:
        return list(store.flags())


def nearly_sorted(seed: int, count: int, *, step_ms: int, lateness_ms: int) -> Iterator[tuple[int, int]]:
    """Offsets with gaps, and event times that lie at most so far behind the newest one before."""
    dice = random.Random(seed)
    offset, newest = 0, NEW_YEAR
    for _ in range(count):
        offset += dice.choice((1, 1, 1, 1, 2, 7))
        newest += dice.randrange(step_ms)
        yield offset, newest - dice.choice((0, 0, dice.randint(0, lateness_ms), lateness_ms))


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A Python program of its own, to its end."""
    words = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)


_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(sys.argv[2])
connection.execute("select count(*) from partitions").fetchall()
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def held_by_another(path: Path, statement: str) -> Iterator["subprocess.Popen[str]"]:
    """Another process has the file open, after this statement ('begin immediate' locks out writers), until its input
    ends."""
    words = [sys.executable, "-c", _HOLD, str(path), statement]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.stdin.close()
