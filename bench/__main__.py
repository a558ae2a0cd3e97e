"""The whole benchmark, into docs/benchmarks.md.

    python -m bench [--rows 300000] [--repeat 5] [--only stream|growth|trainer|page]

Half an hour on two quiet cores. Each part keeps its results under .bench, and the page is made of what lies there, so
the parts can be run one by one; `--only page` runs none. Fewer --rows make everything smaller in proportion, for a
try; a published page has the defaults. Exits with 1 if a target is missed.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from bench.growth.all import FULL_ROWS, growth
from bench.page import PAGE, PARTS, write_page
from bench.results import FOLDER, keep
from bench.stream.compare import Say, stream
from bench.stream.contestants import CONTESTANTS, quix_python
from bench.trainer import trainer

TRAINER_ROWS = 1_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=FULL_ROWS, help="transactions in the topic (default 300000)")
    parser.add_argument("--repeat", type=int, default=5, help="of everything that takes turns (default 5)")
    parser.add_argument("--only", choices=(*PARTS, "page"), help="one part, and then the page")
    parser.add_argument("--results", type=Path, default=FOLDER, help="where results are kept (default .bench)")
    parser.add_argument("--page", type=Path, default=PAGE, help=f"the page to write (default {PAGE})")
    options = parser.parse_args()
    rows, repeat, say = options.rows, options.repeat, said_since(time.monotonic())
    runs = {
        "stream": lambda: stream(rows, repeat, CONTESTANTS, say),
        "growth": lambda: growth(rows, repeat, say),
        "trainer": lambda: trainer(min(TRAINER_ROWS, TRAINER_ROWS * rows // FULL_ROWS), repeat, say),
    }
    chosen = [part for part in PARTS if options.only in (None, part)]
    if "stream" in chosen:
        quix_python()  # better now than after ten minutes
    for part in chosen:
        say(f"--- {part}")
        if len(chosen) > 1:
            _run_apart(part, options)
            continue
        keep(options.results, part, runs[part](), f"python -m bench --only {part} --rows {rows} --repeat {repeat}")
    missed = write_page(options.results, options.page)
    say(f"{options.page} is written")
    for what in missed:
        say(f"missed: {what}")
    return 1 if missed else 0


def _run_apart(part: str, options: argparse.Namespace) -> None:
    """In a process of its own: what one part holds in memory must not count for the next one's children."""
    words = ["--only", part, "--rows", str(options.rows), "--repeat", str(options.repeat)]
    words += ["--results", str(options.results), "--page", str(options.page)]
    kept = options.results / f"{part}.json"
    kept.unlink(missing_ok=True)  # a part that fails must not show what an earlier run found
    done = subprocess.run([sys.executable, "-m", "bench", *words], check=False)
    if done.returncode not in (0, 1) or not kept.exists():
        raise SystemExit(f"{part}: ended with {done.returncode}, expected its results; what it said stands above")


def said_since(began: float) -> Say:
    """Says what happens, with the minutes since then."""

    def say(text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        print(f"[{minutes:2}:{seconds:02}] {text}", flush=True)

    return say


if __name__ == "__main__":
    sys.exit(main())
