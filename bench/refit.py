"""Whether it helps to fit the champion again on fit and validation together: both on the same test, at equal work.

    python -m bench.refit [--model lightgbm] [--rows-of-cards 100000] [--rows-of-trustlens 60000] [--cases-per-day 5]

Prints a line for each of five worlds: the refit's average precision in the test, how much more that is than the first
fit's, and how many more of all frauds it catches at as many cases a day, with 95 % intervals. Then the mean differences
with an interval over worlds. The worlds have other seeds than those on which defaults were chosen.
"""

import argparse
import tempfile
from pathlib import Path

from bench.alone import run_alone
from bench.defaults import World, mean_over_worlds, session_on
from bench.stream.system import ROWS_OF_A_CUSTOMER
from evaluation.comparison import paired
from evaluation.ranking import areas
from evaluation.result import Costs, Figure, PairedComparison
from trainer.__main__ import main as trainer
from trainer.calibrate import predictions_of
from trainer.families.parameters import read_parameters
from trainer.fit import served
from trainer.reproducible import one_thread

CARDS_SEEDS, TRUSTLENS_SEEDS = (31, 32, 33), (31, 32)
COSTS = Costs(5.0, 1.0, None)


def compared(path: Path, kind: str, cases_per_day: float) -> tuple[PairedComparison, float]:
    """And the refit's own average precision."""
    session = session_on(path)
    session.plan = session.plan._replace(refit=True)
    fit = session.fit(kind, read_parameters(None, [kind])[kind], range(len(session.names)), kind)
    champion = session.calibrated(kind, fit)
    serving, test = served(session, champion), session.parts.test
    both = [
        predictions_of(session.matrix, test, model.fit.raw_scores(own.prepared(test)), model.calibrated.calibration)
        for own, model in ((serving.session, serving.model), (session, champion))
    ]
    found = paired(("refit", both[0]), ("first fit", both[1]), COSTS, cases_per_day, seed=1, resamples=500)
    return found, areas(both[0].scores, test.is_fraud).average_precision


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lightgbm")
    parser.add_argument("--rows-of-cards", type=int, default=100_000)
    parser.add_argument("--rows-of-trustlens", type=int, default=60_000)
    parser.add_argument("--cases-per-day", type=float, default=5)
    options = parser.parse_args()
    customers = str(max(1, options.rows_of_cards // ROWS_OF_A_CUSTOMER))
    worlds = [World("cards", seed, ("--customers", customers)) for seed in CARDS_SEEDS]
    worlds += [World("trustlens", seed, ("--rows", str(options.rows_of_trustlens))) for seed in TRUSTLENS_SEEDS]
    found: list[PairedComparison] = []
    with tempfile.TemporaryDirectory() as folder, one_thread():
        for world in worlds:
            path = Path(folder) / f"{world.name}-{world.seed}.parquet"
            if code := trainer(["generate", world.name, str(path), "--seed", str(world.seed), *world.sizes], {}):
                return code
            comparison, reached = compared(path, options.model, options.cases_per_day)
            found.append(comparison)
            print(
                f"{world.title:<14}average precision of the refit {reached:.4f}, more than the first fit's by "
                f"{_written(comparison.average_precision)}; frauds caught {_written(comparison.frauds_caught)}",
                flush=True,
            )
    for name in ("average_precision", "frauds_caught"):
        mean, low, high = mean_over_worlds([getattr(each, name).value for each in found])
        print(f"mean of {len(found)} worlds  {name:<18}{mean:+.4f} ({low:+.4f} to {high:+.4f})")
    return 0


def _written(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "-"
    return f"{figure.value:+.4f} ({figure.low:+.4f} to {figure.high:+.4f})"


if __name__ == "__main__":
    run_alone(main)
