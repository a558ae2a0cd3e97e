"""What a customer with about sixty entries costs in memory, in a process of its own.

    python -m bench.growth.customers 100000 [--entries 60]

So many transactions of each within thirty days, put back as after a restart; prints what the process has grown by,
with the room that its arrays keep for more and what outgrown blocks still hold.
"""

import argparse
import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.alone import run_alone
from risk.block import block_of
from risk.catalogue import ALL_FIELDS, EngineTerms, FeatureSet
from risk.clock import DAY, HOUR
from risk.engine import Engine
from risk.events import Transaction
from risk.ledger import SeenDays
from risk.ledger_day import LedgerTerms

DAYS = 30
MERCHANTS = 500
PIECE = 4_000
BEGIN = 1_700_000_000_000


def memory_of(customers: int, entries: int) -> dict[str, Any]:
    words = ["-m", "bench.growth.customers", str(customers), "--entries", str(entries)]
    answer = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(answer)
    return found


def pieces(rows: int, customers: int) -> Iterator[list[Transaction]]:
    """In the order of time, of customers in no order: as a worker reads them back."""
    dice, between = np.random.default_rng(1), DAYS * DAY / rows
    for first in range(0, rows, PIECE):
        numbers = dice.integers(0, customers, min(PIECE, rows - first)).tolist()
        yield [_made(first + place, number, between) for place, number in enumerate(numbers)]


def _made(place: int, number: int, between: float) -> Transaction:
    return Transaction(
        f"T{place:010d}",
        BEGIN + int(place * between),
        f"C{number:08d}",
        "EUR",
        f"M{place % MERCHANTS:05d}",
        "grocery",
        1_000 + place % 5_000,
        "chip",
        f"D{number:08d}",
        "DE",
    )


def resident_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("customers", type=int)
    parser.add_argument("--entries", type=int, default=60)
    options = parser.parse_args()
    customers, rows = options.customers, options.customers * options.entries
    days = SeenDays(LedgerTerms(7, HOUR))
    engine = Engine(FeatureSet(ALL_FIELDS), EngineTerms("EUR"), days)
    engine.restore(block_of(next(pieces(PIECE, PIECE))), 1)  # what is loaded at first use is no customer's
    engine.forget(1)
    gc.collect()
    before, began = resident_bytes(), time.perf_counter()
    for piece in pieces(rows, customers):
        engine.restore(block_of(piece))
    seconds = time.perf_counter() - began
    del piece
    gc.collect()
    grown = resident_bytes() - before
    print(json.dumps({"customers": customers, "entries": rows, "bytes": grown, "seconds": seconds}))


if __name__ == "__main__":
    run_alone(main)
