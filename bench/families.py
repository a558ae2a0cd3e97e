"""What the families of models are worth, and what a training costs beside one of an older commit. Three parts:

    speed       `train --model lightgbm` on `cards`, the commit's and the working tree's in turns: CPU seconds, memory.
                Both draw their plots; the working tree is also measured with --no-plots, which dd4d430 does not have.
    cards       on worlds of five seeds, the champion of boosted trees, logistic regression, their ensemble and (with
                --hybrid) hybrids, and the ensemble whoever is the champion, beside LightGBM alone, whose defaults are
                those of dd4d430, all fitted on the same days (--no-refit): average precision in the test, the
                difference on the same draws of customers for each world, and over the worlds (Student's t).
    trustlens   how much of the possible the champion of the same reaches: its ROC-AUC less 0.5, over that of the true
                probabilities; and each of the others.

The champion is chosen on validation; the test only judges. Exit status 1 where a target is missed: no more CPU seconds
than the commit with --no-plots, at most 2 GB, one of the two above LightGBM with its whole interval over the worlds,
0.95.

    python -m bench.families
    python -m bench.families --only cards --rows 60000
    python -m bench.families --only speed --rows 100000 --turns 1 --folder .bench/trees
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from bench.against.__main__ import built, commit_named
from bench.alone import run_alone
from bench.defaults import mean_over_worlds
from bench.features import measured
from bench.stream.system import HERE, ROWS_OF_A_CUSTOMER, Tree, generated
from console.commands import parser_of
from console.options import option_of
from evaluation.comparison import ModelPredictions, paired
from evaluation.result import Costs, Figure
from risk.settings import count
from trainer.__main__ import main as trainer
from trainer.commands import COMMANDS, DESCRIPTION
from trainer.families import ENSEMBLE
from trainer.printing import Stages
from trainer.reproducible import one_thread
from trainer.train import TrainingResult, learn_and_evaluate
from trainer.train_options import train_options_of

PARTS = ("speed", "cards", "trustlens")
SEEDS = (21, 22, 23, 24, 25)  # of worlds that no default was chosen on
ALONE = "lightgbm"
# Trees, and what is no tree: a world may be either's.
MEMBERS = ("logistic", "lightgbm", "xgboost", "catboost")
MOST_GB, LEAST_SHARE = 2.0, 0.95
CASES_A_DAY = 10.0  # of `paired`, whose money is not looked at here


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--only", choices=PARTS, help="one part")
    add("--rows", type=option_of(count), default=1_000_000, help="of each world (default: 1,000,000)")
    add("--seeds", type=int, choices=range(1, 6), default=len(SEEDS), help="how many worlds of cards (default: 5)")
    add("--hybrid", action="store_true", help="hybrids of all families too, in cards and trustlens")
    add("--commit", default="dd4d430", help="what speed is measured beside (default: dd4d430)")
    add("--turns", type=option_of(count), default=3, help="of speed (default: 3)")
    add("--folder", type=Path, metavar="DIR", help="where the built commit is kept (default: nowhere)")
    options = parser.parse_args()
    more = ["--hybrid"] if options.hybrid else []
    met = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in PARTS if options.only is None else [options.only]:
            if part == "speed":
                kept = folder / "trees" if options.folder is None else options.folder.resolve()
                met.append(speed(folder, kept, commit_named(options.commit), options.rows, options.turns))
            elif part == "cards":
                met.append(cards(folder, options.rows, SEEDS[: options.seeds], more))
            else:
                met.append(trustlens(folder, options.rows, more))
    return 0 if all(met) else 1


def speed(folder: Path, kept: Path, commit: str, rows: int, turns: int) -> bool:
    kept.mkdir(parents=True, exist_ok=True)
    old = Tree("old", built(commit, kept), str(kept / commit / ".venv" / "bin" / "python"), {})
    history = folder / "cards.parquet"
    print(f"speed       {generated(history, max(400, rows // ROWS_OF_A_CUSTOMER)):,} rows of cards, {turns} turns")
    runs: dict[str, tuple[Tree, list[str]]] = {
        commit[:7]: (old, []),
        "here": (HERE, []),
        "here, --no-plots": (HERE, ["--no-plots"]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    peaks: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(turns):
        for name, (tree, more) in runs.items():
            into = folder / f"{name}-{turn}"
            words = ["train", history, "--model", ALONE, "--models", into / "models", "--reports", into / "reports"]
            usage = measured(tree.command("trainer", *map(str, words), *more))
            seconds[name].append(usage.cpu_seconds)
            peaks[name].append(usage.peak_gb)
    print(f"{'train':<20}{'CPU s':>10}{'least':>10}{'most':>10}{'peak GB':>10}")
    for name, spent in seconds.items():
        print(
            f"{name:<20}{statistics.median(spent):>10.1f}{min(spent):>10.1f}{max(spent):>10.1f}{max(peaks[name]):>10.2f}"
        )
    ratios = [new / old for new, old in zip(seconds["here, --no-plots"], seconds[commit[:7]], strict=True)]
    print(f"ratio       {statistics.median(ratios):.2f} of one turn, --no-plots to {commit[:7]}")
    return statistics.median(ratios) <= 1 and max(peaks["here, --no-plots"]) <= MOST_GB


def cards(folder: Path, rows: int, seeds: tuple[int, ...], more: list[str]) -> bool:
    print(f"{'cards':<8}{'frauds':>8}{'model':>20}{'its AP':>10}{ALONE:>10}{'difference':>12}  95 % interval")
    differences: dict[str, list[float]] = {"champion": [], ENSEMBLE: []}
    for seed in seeds:
        size = ["--customers", str(max(400, rows // ROWS_OF_A_CUSTOMER))]
        result = trained(folder, "cards", size, seed, ["--no-refit", *more])
        for who, name in (("champion", result.candidates.champion.name), (ENSEMBLE, ENSEMBLE)):
            found = _beside_alone(result, name, seed)
            own, other = (_average_precision(result, each) for each in (name, ALONE))
            differences[who].append(own - other)
            frauds = result.evaluation.test.frauds
            print(
                f"{seed:<8}{frauds:>8,}{name:>20}{own:>10.4f}{other:>10.4f}{own - other:>+12.4f}  "
                f"{_interval(found.low, found.high)}",
                flush=True,
            )
    lows = []
    for who, each in differences.items():
        mean, low, high = mean_over_worlds(each)
        print(f"{'mean':<16}{who:>20}{mean:>+32.4f}  {_interval(low, high)} over {len(each)} worlds")
        lows.append(low)
    return max(lows) > 0


def _beside_alone(result: TrainingResult, name: str, seed: int) -> Figure:
    """How much more average precision it has, on the same draws of customers."""
    plan = result.session.plan
    costs = Costs(plan.review_cost, plan.loss_rate, plan.alerts_per_day)
    one, other = ((each, _named(result, each).test) for each in (name, ALONE))
    return paired(one, other, costs, CASES_A_DAY, seed=seed, resamples=plan.resamples).average_precision


def trustlens(folder: Path, rows: int, more: list[str]) -> bool:
    result = trained(folder, "trustlens", ["--rows", str(rows)], SEEDS[0], more)
    for each in result.evaluation.models:
        assert each.share_of_best is not None
        found = each.share_of_best.roc_auc
        chosen = "  champion" if each.name == result.evaluation.champion else ""
        print(f"trustlens   {each.name:<44}{found.value:.3f} of the possible ROC-AUC above 0.5 "
              f"({_interval(found.low, found.high)}){chosen}")  # fmt: skip
    assert result.evaluation.winner.share_of_best is not None
    share = result.evaluation.winner.share_of_best.roc_auc.value
    return share is not None and share >= LEAST_SHARE


def trained(folder: Path, world: str, size: list[str], seed: int, more: list[str]) -> TrainingResult:
    """As `train` does it, without a bundle and a report."""
    history = folder / f"{world}-{seed}.parquet"
    if trainer(["generate", world, str(history), "--seed", str(seed), *size], {}):
        raise SystemExit(f"{world} {seed} could not be generated")
    words = ["train", str(history), "--ensemble", ",".join(MEMBERS), *more]
    options = parser_of("trainer", DESCRIPTION, COMMANDS, words).parse_args(words)
    options.environment = {}
    with one_thread():
        return learn_and_evaluate(train_options_of(options), Stages())


def _named(result: TrainingResult, name: str) -> ModelPredictions:
    return next(each for each in result.tested.models if each.name == name)


def _average_precision(result: TrainingResult, name: str) -> float:
    found = result.evaluation.model(name)
    assert found is not None
    assert found.metrics.average_precision.value is not None
    return found.metrics.average_precision.value


def _interval(low: float | None, high: float | None) -> str:
    return "no interval" if low is None or high is None else f"{low:+.4f} to {high:+.4f}"


if __name__ == "__main__":
    run_alone(main)
