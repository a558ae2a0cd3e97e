"""python -m bench: the whole benchmark, into docs/benchmarks.md."""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.alone import run_alone
from bench.growth.all import FULL_ROWS, growth
from bench.living import living
from bench.page import PAGE, PARTS, write_page
from bench.results import FOLDER, keep
from bench.stream.compare import Say, stream
from bench.stream.contestants import CONTESTANTS, check_installed
from bench.trainer import trainer
from console.help import epilog
from console.options import Parser, checked_target, option_of
from console.output import writing
from console.start import EXIT_FAILED, EXIT_OK
from risk.settings import count

DESCRIPTION = """\
Measure everything and write docs/benchmarks.md: the worker beside others that do the same work, how it grows, what
swaps, challengers and rules cost, and the trainer. Needs Java 17 and Maven.
"""
NOTES = """\
Takes forty minutes on two quiet cores. Each part keeps its results, and the page is made of what was kept, so the parts
can be run one by one; `--only page` runs none. Fewer --rows make everything smaller in proportion, for a try; a
published page has the defaults. `make bench` does the same.
"""
TRAINER_ROWS = 1_000_000


def parser() -> Parser:
    made = Parser(
        prog="python -m bench",
        description=DESCRIPTION,
        epilog=epilog(
            "python -m bench",
            "python -m bench --rows 20000 --repeat 1 --results try --page try.md",
            notes=NOTES,
            done="every target is met",
            failed="a target is missed, or something could not be measured; the last lines say which",
        ),
    )
    add = made.add_argument
    add("--rows", type=option_of(count), default=FULL_ROWS, metavar="N", help="transactions (default: 300000)")
    add("--repeat", type=option_of(count), default=5, metavar="N", help="of what takes turns (default: 5)")
    add("--only", choices=(*PARTS, "page"), help="one part, and then the page")
    add("--results", type=Path, default=FOLDER, metavar="DIR", help=f"where results are kept (default: {FOLDER})")
    add("--page", type=Path, default=PAGE, metavar="FILE.md", help=f"the page to write (default: {PAGE})")
    return made


def main() -> int:
    options = parser().parse_args()
    chosen = [part for part in PARTS if options.only in (None, part)]
    _check(options, chosen)
    return _measure(options, chosen, said_since(time.monotonic()))


def _check(options: argparse.Namespace, chosen: Sequence[str]) -> None:
    """What would be found out only after minutes."""
    checked_target("--page", options.page, ".md", force=True)
    with writing(options.results):
        options.results.mkdir(parents=True, exist_ok=True)
    check_installed(
        CONTESTANTS if "stream" in chosen else (), is_kafka_needed=bool({"stream", "growth", "living"} & {*chosen})
    )


def _measure(options: argparse.Namespace, chosen: Sequence[str], say: Say) -> int:
    rows, repeat = options.rows, options.repeat
    runs = {
        "stream": lambda: stream(rows, repeat, CONTESTANTS, say),
        "growth": lambda: growth(rows, repeat, say),
        "living": lambda: living(rows, FULL_ROWS, repeat, say),
        "trainer": lambda: trainer(min(TRAINER_ROWS, TRAINER_ROWS * rows // FULL_ROWS), repeat, say),
    }
    for part in chosen:
        say(f"--- {part}")
        if len(chosen) > 1:
            _run_apart(part, options)
        else:
            keep(options.results, part, runs[part](), f"python -m bench --only {part} --rows {rows} --repeat {repeat}")
    missed = write_page(options.results, options.page)
    say(f"{options.page} is written")
    for what in missed:
        say(f"missed: {what}")
    return EXIT_FAILED if missed else EXIT_OK


def _run_apart(part: str, options: argparse.Namespace) -> None:
    """In a process of its own: what one part holds in memory must not count for the next one's children."""
    words = ["--only", part, "--rows", str(options.rows), "--repeat", str(options.repeat)]
    words += ["--results", str(options.results), "--page", str(options.page)]
    kept = options.results / f"{part}.json"
    kept.unlink(missing_ok=True)  # a part that fails must not show what an earlier run found
    # In a group of its own, so that Ctrl-C comes once, from here: a second one would break off how it puts away.
    with subprocess.Popen([sys.executable, "-m", "bench", *words], process_group=0) as process:
        try:
            status = process.wait()
        except BaseException:
            process.terminate()
            raise
    if status not in (EXIT_OK, EXIT_FAILED) or not kept.exists():
        raise SystemExit(f"{part}: ended with {status}, expected its results; what it said stands above")


def said_since(began: float) -> Say:
    """Says what happens, with the minutes since then."""

    def say(text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        print(f"[{minutes:2}:{seconds:02}] {text}", flush=True)

    return say


if __name__ == "__main__":
    run_alone(main)
