"""python -m storm: scenarios on a real Kafka of its own, and one table of what came of them."""

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from console.help import epilog
from console.options import Parser
from console.start import EXIT_FAILED, EXIT_OK, end_when_told, start
from console.terminal import notice, say_table
from storm.concluding import Outcome
from storm.ground import LARGE, SMALL, Ground, Size, World, dice_of
from storm.scenarios import SCENARIOS
from testing.brokers import TestKafka, running

TITLES = ("scenario", "transactions", "lost", "wrong", "twice", "seconds", "")


class Came(NamedTuple):
    """What came of a scenario; `why` it has no outcome."""

    name: str
    outcome: Outcome | None
    seconds: float
    why: str = ""

    @property
    def is_good(self) -> bool:
        return self.outcome is not None and not self.outcome.findings.lost and not self.outcome.findings.wrong

    def cells(self) -> tuple[str, ...]:
        if self.outcome is None:
            return (self.name, "", "", "", "", f"{self.seconds:.0f}", "FAILED")
        transactions, lost, wrong, duplicates = self.outcome.findings
        counts = (transactions, len(lost), len(wrong), duplicates)
        return (self.name, *(f"{count:,}" for count in counts), f"{self.seconds:.0f}", self.outcome.faults)


class Storm:
    def __init__(self, folder: Path, size: Size, seed: int, stack: ExitStack) -> None:
        self._folder, self._size, self._seed, self._stack = folder, size, seed, stack
        self._world = World(folder / "world", size)
        self._world.folder.mkdir()
        self._shared: TestKafka | None = None

    def run(self, name: str) -> Came:
        """One scenario; an error that it meets is what came of it."""
        began = monotonic()
        folder = self._folder / name
        folder.mkdir()
        try:
            with ExitStack() as stack:
                broker = (
                    stack.enter_context(running(folder / "kafka")) if SCENARIOS[name].own_broker else self._broker()
                )
                ground = Ground(broker, folder, self._world, self._size, dice_of(self._seed, name))
                outcome = SCENARIOS[name].run(ground)
        except Exception as error:
            return Came(name, None, monotonic() - began, f"{type(error).__name__}: {error}")
        return Came(name, outcome, monotonic() - began, outcome.findings.examples())

    def _broker(self) -> TestKafka:
        if self._shared is None:
            self._shared = self._stack.enter_context(running(self._folder / "kafka"))
        return self._shared


def parser() -> argparse.ArgumentParser:
    options = Parser(
        prog="python -m storm",
        description="Scenarios on a real Kafka of its own, and one table of what came of them.",
        epilog=epilog(
            "python -m storm kills rebalances",
            "python -m storm --large --seed 7",
            notes=f"The scenarios: {', '.join(SCENARIOS)}. DESIGN.md says what each of them proves.",
            done="in every scenario all is equal",
            failed="in one of them something is lost or wrong, or it could not be run; the folder stays for a look",
        ),
    )
    add = options.add_argument
    add("scenarios", nargs="*", metavar="SCENARIO", help="which of them (default: all)")
    add("--large", action="store_true", help="100 kills, 100 rebalances, 100,000 bad messages; takes half an hour")
    add("--seed", type=int, metavar="N", help="of every random moment (default: another each time)")
    return options


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:  # noqa: ARG001 - as every program is called
    options = parser().parse_args(arguments)
    unknown = [name for name in options.scenarios if name not in SCENARIOS]
    if unknown:
        parser().error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    folder = Path(tempfile.mkdtemp(prefix="storm-"))
    notice(f"seed {seed}; what everybody says is in {folder}")
    came: list[Came] = []
    with ExitStack() as stack:
        storm = Storm(folder, LARGE if options.large else SMALL, seed, stack)
        for name in options.scenarios or SCENARIOS:
            came.append(storm.run(name))
            notice(" ".join((*came[-1].cells(), came[-1].why)))
    say_table([TITLES, *(one.cells() for one in came)])
    if not all(one.is_good for one in came):
        return EXIT_FAILED
    shutil.rmtree(folder)
    return EXIT_OK


if __name__ == "__main__":
    end_when_told()
    sys.exit(start(lambda: main, sys.argv[1:], os.environ))
