"""How fast `features` is: the whole command on a generated `cards` history, start-up and files included.

    python -m bench.features [--rows 1000000] [--repeat 3]

Also prints what one very busy customer costs beside many quiet ones, because a step that looks through a history would
show there first.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from bench.alone import run_alone
from bench.stream.system import ROWS_OF_A_CUSTOMER, generated
from risk.block import block_of
from risk.catalogue import EngineTerms, FeatureSet
from risk.clock import DAY
from risk.engine import Engine
from risk.events import Transaction

ENGINE_ROWS = 200_000


class Usage(NamedTuple):
    """Of a command of its own process."""

    seconds: float
    cpu_seconds: float
    peak_gb: float


def timed(command: list[str], said: int | IO[bytes] = subprocess.DEVNULL) -> tuple[float, float]:
    """Seconds, and the peak of memory in GB; what the command prints goes to `said`."""
    usage = measured(command, said)
    return usage.seconds, usage.peak_gb


def measured(command: list[str], said: int | IO[bytes] = subprocess.DEVNULL) -> Usage:
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=said, stderr=subprocess.DEVNULL)
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        process.wait()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Usage(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e6)


def commands(rows: int, repeat: int, folder: Path) -> None:
    print(f"{'command':<28}{'rows/s: least':>16}{'median':>12}{'most':>12}{'peak GB':>10}")
    for suffix in ("parquet", "csv", "ndjson"):
        history, target = folder / f"cards.{suffix}", folder / "features.parquet"
        generated(history, max(1, rows // ROWS_OF_A_CUSTOMER))
        trainer = [sys.executable, "-m", "trainer"]
        runs = [timed([*trainer, "features", str(history), "--out", str(target), "--force"]) for _ in range(repeat)]
        made = _count(target)
        speeds = sorted(made / seconds for seconds, _ in runs)
        peak = max(memory for _, memory in runs)
        name = f"features cards.{suffix}"
        print(f"{name:<28}{speeds[0]:>16,.0f}{statistics.median(speeds):>12,.0f}{speeds[-1]:>12,.0f}{peak:>10.2f}")


def _count(path: Path) -> int:
    return int(pq.read_metadata(path).num_rows)


def engine(customers: int, *, unique_devices: bool) -> float:
    """Microseconds a row of the engine alone, in batches of 500 over 25 days."""
    dice = random.Random(customers)
    moments = sorted(dice.randrange(25 * DAY) for _ in range(ENGINE_ROWS))
    transactions = [
        Transaction(
            f"T{number}",
            1_700_000_000_000 + moment,
            f"C{dice.randrange(customers)}",
            "EUR",
            f"M{dice.randrange(500)}",
            None,
            dice.randrange(1, 100_000),
            None,
            f"D{number if unique_devices else dice.randrange(3)}",
            "DE",
        )
        for number, moment in enumerate(moments)
    ]
    made = Engine(FeatureSet(frozenset({"customer_id", "device_id", "country"})), EngineTerms("EUR"))
    block = block_of(transactions)
    made.features(block.cut(0, 500))
    began = time.perf_counter()
    for first in range(500, ENGINE_ROWS, 500):
        made.features(block.cut(first, first + 500))
    return (time.perf_counter() - began) / (ENGINE_ROWS - 500) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        commands(options.rows, options.repeat, Path(folder))
    print(f"\n{'engine alone, 200,000 rows in 25 days':<48}{'µs a row':>10}")
    for customers, unique in ((20_000, False), (1_000, False), (1, False), (1, True)):
        what = f"{customers:,} customers" + (", a new device each time" if unique else "")
        print(f"{what:<48}{np.median([engine(customers, unique_devices=unique) for _ in range(3)]):>10.2f}")


if __name__ == "__main__":
    run_alone(main)
