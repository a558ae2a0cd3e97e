"""What the reporter costs where ten million flags lie: the first reading, a scrape, and memory.

    python -m bench.reporter [--rows 10000000] [--scrapes 200] [--store FILE]

It makes a store (some minutes; --store keeps it, or takes one that was kept), starts `python -m kpi_reporter serve`,
waits for its first figures, and then scrapes, each time after a worker's batch of new flags and labels. Exits with 1
where the first reading takes longer than 20 s, a scrape longer than 50 ms (nine of ten), or memory exceeds 300 MB.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import msgspec

from bench.alone import run_alone
from risk.clock import DAY, HOUR
from risk.events import Label
from risk.store import FlagRow, Outputs, Store, open_store

PARTITIONS, BATCH = 4, 10_000
CUSTOMERS, MERCHANTS = 500_000, 5_000
HIGH_SHARE, LABELLED_SHARE, FRAUD_SHARE = 0.01, 0.03, 0.01
BEGIN = 1_700_000_000_000
BETWEEN_MS = 600  # 144,000 a day: ten million are ten weeks
VERSION = "cards-lightgbm-4f1d20"
MANIFEST = {
    "label_delay_days": 7,
    "max_lateness_ms": DAY,
    "currency": "EUR",
    "thresholds": {"review_cost": 5.0, "loss_rate": 1.0},
}
MOST_SECONDS_FIRST, MOST_MS_SCRAPE, MOST_MB = 20.0, 50.0, 300.0


class Writer:
    """What workers would store: flags in the order of events, partition by partition, and labels days after."""

    def __init__(self, store: Store) -> None:
        self._store, self._dice, self._number = store, random.Random(1), 0
        store.remember_bundle(VERSION, msgspec.json.encode(MANIFEST).decode())
        self._flags = [store.take_over("transactions", number, first_offset=0) for number in range(PARTITIONS)]
        self._labels = store.take_over("labels", 0, first_offset=0)
        self._next = [taken.next_offset for taken in self._flags]
        self._next_label = self._labels.next_offset
        self._number = sum(self._next)

    def write(self, count: int) -> None:
        """A batch for the next partition, and what was found out of it."""
        partition = self._number // BATCH % PARTITIONS
        first = self._next[partition]
        rows = [self._flag(partition, first + place, self._number + place) for place in range(count)]
        self._store.commit_flags(
            self._flags[partition].owner,
            expected=first,
            next_offset=first + count,
            newest_event_time=rows[-1].event_time,
            outputs=Outputs(0, 0, 0),
            rows=rows,
        )
        self._next[partition] += count
        self._number += count
        self._write_labels(self._dice.sample(rows, round(count * LABELLED_SHARE)))

    def _write_labels(self, rows: list[FlagRow]) -> None:
        labels = [
            Label(row.transaction_id, row.customer_id, self._dice.random() < FRAUD_SHARE / LABELLED_SHARE,
                  row.event_time + self._dice.randrange(HOUR, 5 * DAY), "desk")
            for row in rows
        ]  # fmt: skip
        self._store.commit_labels(
            self._labels.owner,
            expected=self._next_label,
            next_offset=self._next_label + len(labels),
            rejected_offset=0,
            labels=list(enumerate(labels, self._next_label)),
        )
        self._next_label += len(labels)

    def _flag(self, partition: int, offset: int, number: int) -> FlagRow:
        dice = self._dice
        is_high = dice.random() < HIGH_SHARE
        return FlagRow(
            partition,
            offset,
            f"T{number:09d}",
            f"C{dice.randrange(CUSTOMERS):06d}",
            BEGIN + number * BETWEEN_MS - dice.randrange(5_000),
            "EUR",
            dice.randrange(100, 50_000),
            f"M{dice.randrange(MERCHANTS):05d}",
            f"Category {dice.randrange(30)}",
            "online",
            None,
            "DE",
            None,
            0.9 + dice.random() / 10 if is_high else dice.random() * 0.5,
            "high" if is_high else "low",
            None,
            None,
            BEGIN // DAY,
            VERSION,
        )


@contextmanager
def serving(path: Path) -> Iterator[tuple[int, str, float]]:
    """The reporter's process id, its address, and when it began to listen."""
    environment = {**os.environ, "TRUSTLENS_DB": str(path), "TRUSTLENS_REPORTER_PORT": "0"}
    with subprocess.Popen(
        [sys.executable, "-m", "kpi_reporter", "serve"], stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        address = process.stderr.readline().split()[-1]
        try:
            yield process.pid, address, time.perf_counter()
        finally:
            process.terminate()


def first_figures(address: str, began: float) -> float:
    """Seconds until it has them, since then."""
    while "trustlens_kpi_ready 1.0" not in scrape(address):
        pass  # a scrape waits itself
    return time.perf_counter() - began


def scrape(address: str) -> str:
    with urlopen(f"{address}/metrics") as answer:
        return str(answer.read().decode())


def most_memory_mb(process: int) -> float:
    [line] = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1000


def within(what: str, value: float, limit: float, unit: str) -> bool:
    print(f"{what:<44}{value:>10.1f} {unit:<3} (at most {limit:g})", flush=True)
    return value <= limit


def measure(path: Path, writer: Writer, scrapes: int) -> bool:
    with serving(path) as (process, address, began):
        good = [within("first figures after it listens", first_figures(address, began), MOST_SECONDS_FIRST, "s")]
        took = []
        for _ in range(scrapes):
            writer.write(500)
            start = time.perf_counter()
            scrape(address)
            took.append((time.perf_counter() - start) * 1e3)
        took.sort()
        print(f"a scrape after 500 new flags: least {took[0]:.1f}, median {took[len(took) // 2]:.1f}, most "
              f"{took[-1]:.1f} ms")  # fmt: skip
        good.append(within("a scrape, nine of ten", took[len(took) * 9 // 10], MOST_MS_SCRAPE, "ms"))
        good.append(within("memory at its highest", most_memory_mb(process), MOST_MB, "MB"))
    return all(good)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--scrapes", type=int, default=200)
    parser.add_argument("--store", type=Path)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        path = options.store or Path(folder) / "risk.db"
        with open_store(path) as store:
            writer = Writer(store)
            while sum(position.next_offset for position in store.positions()[1:]) < options.rows:
                writer.write(BATCH)
            print(f"{options.rows:,} flags, {path.stat().st_size / 1e6:,.0f} MB", flush=True)
            return 0 if measure(path, writer, options.scrapes) else 1


if __name__ == "__main__":
    run_alone(main)
