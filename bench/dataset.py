"""Speed and memory of reading a dataset: python bench/dataset.py [--rows 5000000]

Makes a file of transactions like those of the `cards` world, reads it in a process of its own, and prints rows per
second and that process's largest resident memory: CSV and Parquet, sorted and not.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from risk.dataset import open_dataset

GROUP_ROWS = 65_536
START, SPAN = 1_672_531_200_000, 120 * 86_400_000  # 2023-01-01, 120 days


def make_group(first: int, count: int, total: int, in_order: bool) -> pa.Table:
    """Some rows of a file: the same whatever was made before."""
    random = np.random.default_rng((42, first))
    if in_order:
        times = START + (np.arange(first, first + count) * (SPAN / total)).astype(np.int64)
    else:
        times = START + random.integers(0, SPAN, count)
    fraud = random.random(count) < 0.008
    moments = pa.array(times).cast(pa.timestamp("ms", "UTC"))
    labels = pa.array(times + 3 * 86_400_000, mask=~fraud).cast(pa.timestamp("ms", "UTC"))
    return pa.table(
        {
            "transaction_id": _named("t{:09d}", np.arange(first, first + count)),
            "event_time": moments,
            "customer_id": _named("c{:05d}", random.integers(0, 20_000, count)),
            "merchant_id": _named("m{:04d}", random.integers(0, 2_000, count)),
            "merchant_category": _one_of(random, count, "grocery", "travel", "fuel", "electronics", "digital"),
            "amount": np.round(random.lognormal(3, 1, count), 2),
            "currency": pa.array(["EUR"] * count),
            "channel": _one_of(random, count, "chip", "online", "app", "atm"),
            "device_id": _named("d{:05d}", random.integers(0, 30_000, count)),
            "country": _one_of(random, count, "DE", "FR", "NL", "AT"),
            "is_fraud": fraud.astype(np.int8),
            "labelled_at": labels,
            "fraud_kind": pc.if_else(pa.array(fraud), "burst", None),
        }
    )


def _named(pattern: str, numbers: np.ndarray) -> pa.Array:
    return pa.array([pattern.format(number) for number in numbers.tolist()])


def _one_of(random: np.random.Generator, count: int, *words: str) -> pa.Array:
    return pa.array(np.array(words)[random.integers(0, len(words), count)])


def make(path: Path, rows: int, in_order: bool) -> None:
    schema = make_group(0, 1, rows, in_order).schema
    times = ("event_time", "labelled_at")
    if path.suffix == ".csv":
        for name in times:
            schema = schema.set(schema.get_field_index(name), pa.field(name, pa.string()))
    opened = pa.csv.CSVWriter if path.suffix == ".csv" else pa.parquet.ParquetWriter
    with opened(path, schema) as writer:
        for first in range(0, rows, GROUP_ROWS):
            table = make_group(first, min(GROUP_ROWS, rows - first), rows, in_order)
            if path.suffix == ".csv":
                for name in times:
                    texts = pc.strftime(table[name], format="%Y-%m-%dT%H:%M:%SZ")
                    table = table.set_column(table.schema.get_field_index(name), name, texts)
            writer.write_table(table)


def read(path: Path) -> None:
    begun = time.perf_counter()
    dataset = open_dataset(path)
    rows = sum(len(chunk.transactions) for chunk in dataset.rows())
    seconds = time.perf_counter() - begun
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{rows:>10,} rows {seconds:7.1f} s {rows / seconds:>10,.0f} rows/s {megabytes:>7,.0f} MB at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read(options.read)
        return
    with tempfile.TemporaryDirectory(prefix="trustlens-bench-") as folder:
        for name, in_order in (("sorted", True), ("unsorted", False)):
            for ending in (".csv", ".parquet"):
                path = Path(folder) / f"{name}{ending}"
                make(path, options.rows, in_order)
                print(f"{name:8} {ending:8} {path.stat().st_size / 1e6:6,.0f} MB", end=" ", flush=True)
                # A process of its own, so that making the file does not count.
                subprocess.run([sys.executable, __file__, "--read", str(path)], check=True)
                path.unlink()


if __name__ == "__main__":
    main()
