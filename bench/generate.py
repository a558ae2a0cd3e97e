"""Rows per second of the whole command `python -m trainer generate`, per world and format. Wanted: 100,000."""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.alone import run_alone

# About a million rows each.
WORLDS = {"trustlens": ("--rows", "1000000"), "cards": ("--customers", "4200")}
SUFFIXES = ("csv", "parquet", "ndjson")
WANTED = 100_000


def measured(world: str, suffix: str, folder: Path) -> tuple[int, float]:
    """Rows, and seconds from the start of the interpreter to its end."""
    target = folder / f"{world}.{suffix}"
    words = [sys.executable, "-m", "trainer", "generate", world, str(target), *WORLDS[world]]
    begin = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - begin
    target.unlink()
    rows = next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("rows"))
    return int(rows.replace(",", "")), seconds


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    slow = 0
    with TemporaryDirectory() as folder:
        for world in WORLDS:
            for suffix in SUFFIXES:
                rows, seconds = measured(world, suffix, Path(folder))
                slow += rows / seconds < WANTED
                print(f"{world:10} {suffix:8} {rows:>10,} rows {seconds:6.2f} s {rows / seconds:>10,.0f} rows/s")
    return 1 if slow else 0


if __name__ == "__main__":
    run_alone(main)
