"""`make fuzz MINUTES=30`: the property tests with fresh seeds, again and again until the time is over.

Two processes take rounds. Each is a run of pytest by Hypothesis' profile `fuzz`, with another seed. What is found stays
in the folder .hypothesis: the next round begins with it. Turn it into an `@example` line before it is mended.
"""

import argparse
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import NamedTuple

from console.options import option_of
from console.start import EXIT_FAILED, EXIT_OK
from console.terminal import say
from risk.settings import count

PROCESSES = 2
# Property tests only: what needs a broker or a process is no matter of seeds.
CHOSEN = "hypothesis"
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", CHOSEN)
FUZZ = ("--hypothesis-profile=fuzz", "--hypothesis-show-statistics")


class Round(NamedTuple):
    name: str
    seed: int
    examples: int
    said: str
    failed: bool


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=option_of(count), default=30, metavar="N", help="default: 30")
    ends = time.monotonic() + 60 * parser.parse_args(arguments).minutes
    files = _files()
    names = cycle(files)
    rounds: list[Round] = []
    with ThreadPoolExecutor(PROCESSES) as processes:
        for found in processes.map(lambda _: _rounds(names, ends), range(PROCESSES)):
            rounds += found
    failed = [one for one in rounds if one.failed]
    if unfinished := set(files) - {one.name for one in rounds if one.examples or one.failed}:
        say(f"the time was over before these had a whole round: {', '.join(sorted(unfinished))}")
    say(f"{len(rounds)} rounds, {sum(one.examples for one in rounds):,} examples, {len(failed)} failed")
    return EXIT_FAILED if failed else EXIT_OK


def _files() -> list[str]:
    """Of all property tests, as pytest finds them; a round has one file."""
    found = subprocess.run([*PYTEST, "--collect-only"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        sys.exit(found.stdout + found.stderr)
    return re.findall(r"^(tests/\S+\.py): \d+$", found.stdout, re.MULTILINE)


def _rounds(names: Iterator[str], ends: float) -> list[Round]:
    """One after another."""
    done: list[Round] = []
    while time.monotonic() < ends:
        done.append(_round(next(names), max(1.0, ends - time.monotonic())))
    return done


def _round(name: str, seconds: float) -> Round:
    seed = secrets.randbelow(1 << 32)
    command = [*PYTEST, *FUZZ, f"--hypothesis-seed={seed}", name]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        say(f"seed {seed}: {name}: the time was over before its end")
        return Round(name, seed, 0, "", failed=False)
    examples = sum(int(words[1]) for line in run.stdout.splitlines() if (words := line.split())[2:3] == ["passing,"])
    failed = run.returncode != 0
    say(f"seed {seed}: {name}: {examples:,} examples, {'FAILED' if failed else 'passed'}")
    if failed:
        say(run.stdout[-20_000:] + run.stderr[-2_000:])
    return Round(name, seed, examples, run.stdout, failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
