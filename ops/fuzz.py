"""`make fuzz MINUTES=30`: the property tests with fresh seeds, again and again until the time is over.

Two processes take rounds. Each is a run of pytest by Hypothesis' profile `fuzz`, with another seed. What is found stays
in the folder .hypothesis: the next round begins with it. Turn it into an `@example` line before it is mended.
"""

import argparse
import secrets
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from console.options import option_of
from console.start import EXIT_FAILED, EXIT_OK
from console.terminal import say
from risk.settings import count

# A round has one of them: messages and outputs first, then files, the producer and the engine.
TESTS = (
    "codec", "block_codec", "ledger_log", "outputs", "contracts", "contracts_v1", "scorer_already_sent",
    "kafka_batches", "dataset_lines", "dataset_quotes", "clock_and_money", "words", "store_ledger", "producer_steps",
    "producer_redrive", "producer_delivery", "producer_sequence", "producer_partitions", "scorer_verify_comparison",
    "engine_properties", "engine_oracle", "engine_restore", "dataset_rows",
)  # fmt: skip
PROCESSES = 2
# Property tests only: what needs a broker or a process is no matter of seeds.
CHOSEN = "hypothesis"
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=fuzz", "--hypothesis-show-statistics")


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
    rounds: list[Round] = []
    with ThreadPoolExecutor(PROCESSES) as processes:
        for found in processes.map(lambda first: _rounds(first, ends), range(PROCESSES)):
            rounds += found
    failed = [one for one in rounds if one.failed]
    say(f"{len(rounds)} rounds, {sum(one.examples for one in rounds):,} examples, {len(failed)} failed")
    return EXIT_FAILED if failed else EXIT_OK


def _rounds(first: int, ends: float) -> list[Round]:
    """One after another. The number of files is odd, so that each of the two processes has all of them."""
    done: list[Round] = []
    while time.monotonic() < ends:
        name = TESTS[(first + PROCESSES * len(done)) % len(TESTS)]
        done.append(_round(name, max(1.0, ends - time.monotonic())))
    return done


def _round(name: str, seconds: float) -> Round:
    seed = secrets.randbelow(1 << 32)
    command = [sys.executable, *PYTEST, f"--hypothesis-seed={seed}", "-m", CHOSEN, f"tests/test_{name}.py"]
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
