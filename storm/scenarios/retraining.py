"""A system learns again while it works: those who retrain are killed, and workers, and two want to at once."""

import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

from ops.leashed import Leashed
from risk.bundle import bundle_of_version, current_bundle
from risk.challenger import challenger_bundle
from risk.store import Retraining, open_store
from storm.concluding import Outcome, conclude
from storm.crew import ENOUGH_SECONDS, Crew
from storm.ground import Ground
from storm.history import History, truth_of
from storm.load import Load
from storm.until import StormError, went_well
from testing.systems import System
from trainer.__main__ import main as trainer

# So many customers and days that there are frauds enough to learn from.
CUSTOMERS, DAYS = 350, 90
TRAIN, TEST = "2024-10-03..2024-11-17", "2024-11-24..2024-12-04"
LIVE_FROM = "2024-12-17"
QUICK = ("--resamples", "20", "--no-plots")
# Longer than a retraining takes, so that a kill may come at any stage of it.
LONGEST_SECONDS = 12.0
RETRAINING_SECONDS = 20.0  # of the replay for each of them


def retrain(ground: Ground) -> Outcome:
    """Retrainings begin while two workers score what a replay sends; most of those who retrain are killed, and now and
    then a worker is. At last they go through, into the shadow and into use. What is in force is whole at every moment,
    no two went on at once, and every score is that of the bundle that its flag names."""
    dice, count = ground.dice, ground.size.kills
    with ground.system() as system:
        file = system.make_history(
            customers=max(CUSTOMERS, ground.size.customers), merchants=40, days=max(DAYS, ground.size.days)
        )
        _train(system, file)
        system.replay(file, "--until", LIVE_FROM)
        crew = Crew(system)
        crew.join(2)
        crew.until_scored()
        history = History.of(file)
        rate = len(history.transactions) * 15 / DAYS / (count * RETRAINING_SECONDS)
        with Load(system, file, "--from", LIVE_FROM, "--rate", f"{max(1, round(rate))}") as load:
            for number in range(count):
                words = ["--promote"] if dice.random() < 0.5 else ["--replace"]
                with _Retrainer(system, number, *words) as first:
                    crew.until(first.has_begun, "a retraining begins")
                    second = system.run(trainer, *_words(system, *words))
                    if second.code == 0 and first.is_running():
                        raise StormError(f"a second retraining went through beside the first one: {second.out[-500:]}")
                    crew.let_be(dice.uniform(0, LONGEST_SECONDS))
                    crew.may_lose_one(dice)
                _check_in_force(system)
            crew.until(load.is_done, "the replay is done", count * RETRAINING_SECONDS + ENOUGH_SECONDS)
        crew.until_scored()
        # The kills are over: each of these must go through.
        for last in ("--replace", "--promote"):
            went_well(system.run(trainer, *_words(system, last)), f"retrain {last}")
            _check_in_force(system)
        runs = _runs(system)
        _check(runs, system)
        crew.join()  # what is in force now scores, too
        outcomes = Counter(str(run.outcome) for run in runs)
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        return conclude(crew, truth_of(history, system.models), f"retrainings: {told}")


class _Retrainer:
    """`python -m trainer retrain`; it ends with the block."""

    def __init__(self, system: System, number: int, *words: str) -> None:
        settings = [f"{name}={value}" for name, value in system.environment.items()]
        command = [sys.executable, "-m", "trainer", *_words(system, *words)]
        self._process = Leashed(["env", "-i", *settings, *command], system.folder / f"retrain-{number}.log")
        self._system = system

    def is_running(self) -> bool:
        try:
            self._process.wait(0)
        except subprocess.TimeoutExpired:
            return True
        return False

    def has_begun(self) -> bool:
        """Whether the store has it; StormError where it has ended without."""
        if any(run.owner.endswith(f":{self._process.pid}") for run in _runs(self._system)):
            return True
        if not self.is_running():
            raise StormError(f"a retraining ended before it began: {self._process.last_words()}")
        return False

    def __enter__(self) -> "_Retrainer":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()


def _train(system: System, file: Path) -> None:
    """The bundle that everything begins with: it has learned from the first half of the history."""
    words = ("--model", "logistic", "--train", TRAIN, "--test", TEST, *_folders(system), *QUICK)
    went_well(system.run(trainer, "train", str(file), *words), "train")
    [version] = [path.name for path in system.models.glob("logistic-*")]
    went_well(system.run(trainer, "promote", version, "--force", "--models", str(system.models)), "promote")


def _words(system: System, *words: str) -> tuple[str, ...]:
    """The margin is so wide that only what is no model at all is left."""
    return "retrain", *_folders(system), *QUICK, "--margin", "1", *words


def _folders(system: System) -> tuple[str, ...]:
    return "--models", str(system.models), "--reports", str(system.folder / "reports")


def _runs(system: System) -> list[Retraining]:
    with open_store(system.store, read_only=True) as store:
        return store.retrainings()


def _check_in_force(system: System) -> None:
    """A BundleError says what is not whole."""
    challenger = challenger_bundle(system.models)
    for folder in (current_bundle(system.models), *([] if challenger is None else [challenger])):
        bundle_of_version(system.models, folder.name)


def _check(runs: list[Retraining], system: System) -> None:
    for before, after in pairwise(runs):
        if before.ended_at is None or before.ended_at > after.begun_at:
            raise StormError(f"retraining {after.number} began while another went on: {before}, {after}")
    outcomes = {run.outcome for run in runs}
    if not outcomes >= {"shadow", "promoted", "killed"} or not outcomes <= {"promoted", "killed", "shadow", "left"}:
        raise StormError(f"what came of them: {[(run.outcome, run.why) for run in runs]}")
    left = [path.name for path in (system.folder / "reports").glob(".retraining*")]
    if left:
        raise StormError(f"histories of retrainings that were killed are left: {left}")
