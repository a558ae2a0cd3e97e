"""What the store costs: a row inserted in batches of 500 where a million lie already, and a million rows rebuilt.

    python -m bench.store [--rows 1000000] [--repeat 5]

Inserts are measured alone, and beside a thread that computes in Python, as a worker's commits are. Exits with 1 where
one alone takes more than 6 µs a row, or a million rows more than 5 s, of processor time. The time on the clock stands
beside it: where the machine is free the two are nearly the same, and where it is not the clock tells more of others.
The least of the repeats counts, because others only ever add.
"""

import argparse
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import numpy as np

from bench.alone import run_alone
from risk.clock import DAY
from risk.events import Label
from risk.store import FlagRow, Outputs, Store, TakenOver, open_store

BATCH = 500
PARTITIONS = 4
CUSTOMERS, MERCHANTS = 50_000, 5_000
MEASURED_BATCHES, LABEL_BATCHES = 200, 40
BEGIN = 1_700_000_000_000
MOST_US_A_ROW = 6.0
MOST_SECONDS_A_MILLION = 5.0


def batches(seed: int) -> Iterator[list[FlagRow]]:
    """Batches of each partition in turn, for ever; a second between two transactions."""
    dice = random.Random(seed)
    number = 0
    while True:
        turn, partition = divmod(number // BATCH, PARTITIONS)
        yield [_row(dice, partition, turn * BATCH + place, number + place) for place in range(BATCH)]
        number += BATCH


def _row(dice: random.Random, partition: int, offset: int, number: int) -> FlagRow:
    return FlagRow(
        partition,
        offset,
        f"T{number:09d}",
        f"C{dice.randrange(CUSTOMERS):06d}",
        BEGIN + number * 1_000 - dice.randrange(5_000),
        "EUR",
        dice.randrange(100, 50_000),
        f"M{dice.randrange(MERCHANTS):05d}",
        "Grocery",
        "online",
        f"D{dice.randrange(CUSTOMERS):06d}",
        "DE",
        None,
        dice.random(),
        "low",
        None,
        None,
        BEGIN // DAY,
        "cards-lightgbm-4f1d20",
    )


class Writer:
    """A worker's part: takes the partitions over and commits batch after batch."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._batches = batches(1)
        self.on_the_clock: list[float] = []  # seconds of each measured round
        self._taken: dict[int, TakenOver] = {
            partition: store.take_over("transactions", partition, first_offset=0) for partition in range(PARTITIONS)
        }

    def write(self, count: int) -> float:
        """Seconds of processor time in the store for so many batches."""
        seconds = clock = 0.0
        for rows in (next(self._batches) for _ in range(count)):
            partition, first = rows[0][:2]
            began, began_on_the_clock = time.thread_time(), time.perf_counter()
            self._store.commit_flags(
                self._taken[partition].owner,
                expected=first,
                next_offset=first + BATCH,
                newest_event_time=rows[-1].event_time,
                outputs=Outputs(first, first, 0),
                rows=rows,
            )
            seconds += time.thread_time() - began
            clock += time.perf_counter() - began_on_the_clock
        self.on_the_clock.append(clock)
        return seconds


def labels(store: Store, rounds: int) -> float:
    """Seconds for so many batches of labels, of customers in no order."""
    dice = random.Random(2)
    taken = store.take_over("labels", 0, first_offset=0)
    place, seconds = taken.next_offset, 0.0
    for _ in range(rounds):
        batch = [
            (
                place + n,
                Label(f"T{dice.randrange(10**9):09d}", f"C{dice.randrange(CUSTOMERS):06d}", True, BEGIN, "desk"),
            )
            for n in range(BATCH)
        ]
        began = time.perf_counter()
        store.commit_labels(taken.owner, expected=place, next_offset=place + BATCH, rejected_offset=0, labels=batch)
        seconds += time.perf_counter() - began
        place += BATCH
    return seconds


def rebuild(store: Store, rows: int) -> tuple[float, float]:
    """Seconds of processor time and on the clock for that many rows, as transactions."""
    began, began_on_the_clock = time.process_time(), time.perf_counter()
    read = sum(len(piece) for partition in range(PARTITIONS) for piece in store.history(partition, 0))
    share = rows / read
    return (time.process_time() - began) * share, (time.perf_counter() - began_on_the_clock) * share


@contextmanager
def busy_thread() -> Iterator[None]:
    """Python in between, and NumPy, which lets other threads run meanwhile: as scoring does."""
    numbers, is_over = np.random.default_rng(1).random(2_000), Event()

    def compute() -> None:
        while not is_over.is_set():
            sum(number * 3 for number in range(300))
            np.sort(numbers)

    thread = Thread(target=compute)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def least(what: str, figures: list[float], limit: float | None) -> bool:
    """Prints the figures; whether the least is within the limit."""
    figures = sorted(figures)
    wanted = "" if limit is None else f"{limit:>12.2f}"
    print(f"{what:<52}{figures[0]:>10.2f}{figures[len(figures) // 2]:>10.2f}{figures[-1]:>10.2f}{wanted}")
    return limit is None or figures[0] <= limit


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    with TemporaryDirectory() as folder, open_store(Path(folder) / "risk.db") as store:
        store.remember_bundle("cards-lightgbm-4f1d20", f'{{"max_lateness_ms":{DAY}}}')
        writer = Writer(store)
        writer.write(options.rows // BATCH)
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        print(f"{options.rows:,} rows, {PARTITIONS} partitions, {CUSTOMERS:,} customers: {size / 1e6:,.0f} MB\n")
        print(f"{'':<52}{'least':>10}{'median':>10}{'most':>10}{'at most':>12}")
        per_row, per_label = 1e6 / (MEASURED_BATCHES * BATCH), 1e6 / (LABEL_BATCHES * BATCH)
        times = range(options.repeat)
        writer.on_the_clock.clear()
        flags = [writer.write(MEASURED_BATCHES) * per_row for _ in times]
        alone = writer.on_the_clock
        with busy_thread():
            writer.on_the_clock = []
            flags_beside = [writer.write(MEASURED_BATCHES) * per_row for _ in times]
        rebuilt = [rebuild(store, 1_000_000) for _ in times]
        within = [
            least("flags, µs a row in batches of 500", flags, MOST_US_A_ROW),
            least("  on the clock", [seconds * per_row for seconds in alone], None),
            least("  beside a busy thread", flags_beside, None),
            least("  beside a busy thread, on the clock", [seconds * per_row for seconds in writer.on_the_clock], None),
            least(
                "labels, µs a label in batches of 500, on the clock",
                [labels(store, LABEL_BATCHES) * per_label for _ in times],
                None,
            ),
            least("histories of 1,000,000 rows, s", [seconds for seconds, _ in rebuilt], MOST_SECONDS_A_MILLION),
            least("  on the clock", [seconds for _, seconds in rebuilt], None),
        ]
    return 0 if all(within) else 1


if __name__ == "__main__":
    run_alone(main)
