"""python -m storm: scenarios on a real Kafka of its own, and one table of what came of them."""

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from console.start import EXIT_FAILED, EXIT_OK
from console.terminal import notice, say_table
from storm.concluding import Outcome
from storm.ground import LARGE, SMALL, Ground, Size, World, dice_of
from storm.scenarios import SCENARIOS
from tests.kafka_broker import TestKafka, running

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


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m storm", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)} (default: all)")
    parser.add_argument("--large", action="store_true", help="100 kills, 100 rebalances, 100,000 bad messages")
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of every random moment"
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.scenarios if name not in SCENARIOS]
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    folder = Path(tempfile.mkdtemp(prefix="storm-"))
    notice(f"seed {options.seed}; what everybody says is in {folder}")
    came: list[Came] = []
    with ExitStack() as stack:
        storm = Storm(folder, LARGE if options.large else SMALL, options.seed, stack)
        for name in options.scenarios or SCENARIOS:
            came.append(storm.run(name))
            notice(" ".join((*came[-1].cells(), came[-1].why)))
    say_table([TITLES, *(one.cells() for one in came)])
    if not all(one.is_good for one in came):
        return EXIT_FAILED
    shutil.rmtree(folder)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
