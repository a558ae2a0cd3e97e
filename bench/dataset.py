"""Speed and memory of reading a dataset: python -m bench.dataset [--rows 5000000]

Makes a file of transactions like those of the `cards` world, reads it in a process of its own, and prints rows per
second and that process's largest resident memory: CSV, NDJSON and Parquet, sorted and not. Fails where a reading took
more than 1.5 GB: that is promised for five million rows.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from bench.alone import run_alone
from risk.dataset import open_dataset

GROUP_ROWS = 65_536
MOST_BYTES = 1_500_000_000
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
    write = {".csv": _write_csv, ".ndjson": _write_ndjson, ".parquet": _write_parquet}[path.suffix]
    firsts = range(0, rows, GROUP_ROWS)
    write(path, (make_group(first, min(GROUP_ROWS, rows - first), rows, in_order) for first in firsts))


def _write_parquet(path: Path, tables: Iterator[pa.Table]) -> None:
    first = next(tables)
    with pa.parquet.ParquetWriter(path, first.schema) as writer:
        for table in chain([first], tables):
            writer.write_table(table)


def _write_csv(path: Path, tables: Iterator[pa.Table]) -> None:
    first = _with_times_as_text(next(tables))
    with pa.csv.CSVWriter(path, first.schema) as writer:
        for table in chain([first], map(_with_times_as_text, tables)):
            writer.write_table(table)


def _write_ndjson(path: Path, tables: Iterator[pa.Table]) -> None:
    with path.open("wb") as file:
        for table in tables:
            file.write(msgspec.json.Encoder().encode_lines(_with_times_as_text(table).to_pylist()))


def _with_times_as_text(table: pa.Table) -> pa.Table:
    for name in ("event_time", "labelled_at"):
        texts = pc.strftime(table[name], format="%Y-%m-%dT%H:%M:%SZ")
        table = table.set_column(table.schema.get_field_index(name), name, texts)
    return table


def read(path: Path) -> None:
    begun = time.perf_counter()
    dataset = open_dataset(path)
    rows = sum(len(chunk.block) for chunk in dataset.rows())
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"{rows:>10,} rows {seconds:7.1f} s {rows / seconds:>10,.0f} rows/s {peak / 1e6:>7,.0f} MB at most", flush=True
    )
    if peak > MOST_BYTES:
        sys.exit(f"{path.name}: reading took {peak / 1e9:.2f} GB, expected at most {MOST_BYTES / 1e9} GB")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read(options.read)
        return 0
    failed = 0
    with tempfile.TemporaryDirectory(prefix="trustlens-bench-") as folder:
        for name, in_order in (("sorted", True), ("unsorted", False)):
            for ending in (".csv", ".ndjson", ".parquet"):
                path = Path(folder) / f"{name}{ending}"
                make(path, options.rows, in_order)
                print(f"{name:8} {ending:8} {path.stat().st_size / 1e6:6,.0f} MB", end=" ", flush=True)
                # A process of its own, so that making the file does not count.
                failed += subprocess.run([sys.executable, "-m", "bench.dataset", "--read", str(path)]).returncode != 0
                path.unlink()
    return 1 if failed else 0


if __name__ == "__main__":
    run_alone(main)
