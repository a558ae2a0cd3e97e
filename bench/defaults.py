"""Where the default hyper-parameters come from: average precision on VALIDATION of settings near them, on five worlds.

    python -m bench.defaults [--model lightgbm] [--rows-of-cards 300000] [--rows-of-trustlens 200000]

Prints a line for each setting as it is known, then the table and the means. The test periods are never looked at. It
takes more than an hour on 2 cores; the worlds have other seeds than the one that everything else is tried on.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.alone import run_alone
from bench.stream.system import ROWS_OF_A_CUSTOMER
from risk.catalogue import EngineTerms
from risk.dataset import open_dataset
from trainer.__main__ import main as trainer
from trainer.families.parameters import read_parameters
from trainer.fit import Session
from trainer.matrix import read_matrix
from trainer.preprocess import learn
from trainer.printing import Stages
from trainer.replay import Replay, currency_of
from trainer.reproducible import one_thread
from trainer.splits import parts_by_time, split_days
from trainer.train_options import Plan

LABEL_DELAY = 7
CARDS_SEEDS, TRUSTLENS_SEEDS = (11, 12, 13), (11, 12)
# The first of each kind is the default; the others change it so.
WIDE_OPEN = {"colsample_bytree": 1.0, "reg_lambda": 0.0}  # LightGBM's own: all columns, no shrinking
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "lightgbm": {
        "default": {},
        "all columns, no shrinking": WIDE_OPEN,
        "all columns": {"colsample_bytree": 1.0},
        "no shrinking": {"reg_lambda": 0.0},
        "3 columns of 10": {"colsample_bytree": 0.3},
        "3 columns of 10, no shrinking": {"colsample_bytree": 0.3, "reg_lambda": 0.0},
        "shrinking 20": {"reg_lambda": 20.0},
        "all columns, shrinking 20": {"colsample_bytree": 1.0, "reg_lambda": 20.0},
        "wide open, leaves of 20": {**WIDE_OPEN, "min_child_samples": 20},
        "wide open, leaves of 300": {**WIDE_OPEN, "min_child_samples": 300},
        "wide open, steps of 0.03": {**WIDE_OPEN, "learning_rate": 0.03},
        "wide open, 100 trees": {**WIDE_OPEN, "n_estimators": 100},
        "wide open, half the step, twice the trees": {**WIDE_OPEN, "n_estimators": 400, "learning_rate": 0.025},
        "wide open, 15 leaves": {**WIDE_OPEN, "num_leaves": 15},
        "15 leaves": {"num_leaves": 15},
    },
    "random-forest": {
        "default": {},
        "leaves of 1": {"min_samples_leaf": 1},
        "leaves of 50": {"min_samples_leaf": 50},
    },
    "xgboost": {
        "default": {},
        "its own depth, weight and shrinking": {"min_child_weight": 1.0, "reg_lambda": 1.0, "colsample_bytree": 1.0},
        "all columns": {"colsample_bytree": 1.0},
        "3 columns of 10": {"colsample_bytree": 0.3},
        "shrinking 1": {"reg_lambda": 1.0},
        "shrinking 20": {"reg_lambda": 20.0},
        "weight of 1": {"min_child_weight": 1.0},
        "weight of 20": {"min_child_weight": 20.0},
        "4 levels": {"max_depth": 4},
        "half the step, twice the trees": {"n_estimators": 400, "learning_rate": 0.025},
    },
    "catboost": {
        "default": {},
        "all columns": {"rsm": 1.0},
        "6 columns of 10": {"rsm": 0.6},
        "all columns, shrinking 1": {"rsm": 1.0, "l2_leaf_reg": 1.0},
        "all columns, shrinking 10": {"rsm": 1.0, "l2_leaf_reg": 10.0},
        "all columns, 4 levels": {"rsm": 1.0, "depth": 4},
        "4 levels": {"depth": 4},
        "all columns, no chance in the splits": {"rsm": 1.0, "random_strength": 0.0},
        "all columns, twice the trees": {"rsm": 1.0, "iterations": 600},
        "all columns, half the trees": {"rsm": 1.0, "iterations": 150},
    },
    "mlp": {
        "default": {},
        "8 hidden": {"hidden": 8},
        "64 hidden": {"hidden": 64},
        "penalty 0.0001": {"alpha": 1e-4},
        "penalty 0.1": {"alpha": 0.1},
        "penalty 1": {"alpha": 1.0},
        "10 passes": {"max_iter": 10},
        "40 passes": {"max_iter": 40},
        "steps of 0.003": {"learning_rate_init": 0.003},
    },
    "isolation-forest": {
        "default": {},
        "256 rows a tree": {"max_samples": 256},
        "16 rows a tree": {"max_samples": 16},
        "half the columns": {"max_features": 0.5},
    },
    "one-class-svm": {
        "default": {},
        "gamma of 1": {"gamma": 1.0},
        "gamma of 0.1": {"gamma": 0.1},
        "256 components": {"n_components": 256},
        "nu of 0.01": {"nu": 0.01},
        "nu of 0.2": {"nu": 0.2},
    },
    "autoencoder": {
        "default": {},
        "8 hidden": {"hidden": 8},
        "32 hidden": {"hidden": 32},
        "10 passes": {"max_iter": 10},
        "steps of 0.003": {"learning_rate_init": 0.003},
    },
}


class World(NamedTuple):
    name: str
    seed: int
    sizes: tuple[str, str]  # the option and its value

    @property
    def title(self) -> str:
        return f"{self.name} {self.seed}"


STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # the quantile of 0.975 for the mean of so many


def mean_over_worlds(values: Sequence[float]) -> tuple[float, float, float]:
    """With its 95 % interval (Student's t); one world alone has none but itself."""
    mean = statistics.mean(values)
    half = STUDENT[len(values)] * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return mean, mean - half, mean + half


def session_on(path: Path) -> Session:
    dataset = open_dataset(path)
    replay = Replay(dataset, EngineTerms(currency_of(dataset), LABEL_DELAY))
    matrix = read_matrix(replay)
    parts = parts_by_time(matrix, split_days(*matrix.days, LABEL_DELAY), LABEL_DELAY)
    plan = Plan((), {}, "none", 0, 5.0, 1.0, None, 42)
    return Session(matrix, parts, learn(matrix, parts.fit.rows), plan, Stages())


def tried(session: Session, kinds: Iterable[str]) -> Iterator[tuple[str, str, float]]:
    defaults = read_parameters(None, kinds)
    for kind in kinds:
        for name, change in SETTINGS[kind].items():
            fit = session.fit(kind, {**defaults[kind], **change}, range(len(session.names)), name)
            yield kind, name, fit.average_precision


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", choices=SETTINGS, help="which models; repeatable (default: all)")
    parser.add_argument("--rows-of-cards", type=int, default=300_000)
    parser.add_argument("--rows-of-trustlens", type=int, default=200_000)
    options = parser.parse_args()
    customers = str(max(1, options.rows_of_cards // ROWS_OF_A_CUSTOMER))
    worlds = [World("cards", seed, ("--customers", customers)) for seed in CARDS_SEEDS]
    worlds += [World("trustlens", seed, ("--rows", str(options.rows_of_trustlens))) for seed in TRUSTLENS_SEEDS]
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, one_thread():
        for world in worlds:
            path = Path(folder) / f"{world.name}-{world.seed}.parquet"
            if code := trainer(["generate", world.name, str(path), "--seed", str(world.seed), *world.sizes], {}):
                return code
            session, began = session_on(path), time.perf_counter()
            for kind, name, reached in tried(session, options.model or SETTINGS):
                found.setdefault((kind, name), []).append(reached)
                print(
                    f"{world.title:<14}{kind:<18}{name:<44}{reached:.4f}{time.perf_counter() - began:>8.0f} s",
                    flush=True,
                )
    _print_table(worlds, found)
    return 0


def _print_table(worlds: list[World], found: dict[tuple[str, str], list[float]]) -> None:
    print(
        "\n"
        + " " * 62
        + "".join(f"{world.title:>14}" for world in worlds)
        + f"{'mean cards':>14}{'mean trustlens':>16}"
    )
    cards = [place for place, world in enumerate(worlds) if world.name == "cards"]
    for (kind, name), reached in found.items():
        own = [reached[place] for place in cards]
        others = [value for place, value in enumerate(reached) if place not in cards]
        figures = "".join(f"{value:>14.4f}" for value in reached)
        print(f"{kind:<18}{name:<44}{figures}{statistics.mean(own):>14.4f}{statistics.mean(others):>16.4f}")


if __name__ == "__main__":
    run_alone(main)
