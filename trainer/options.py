"""The options of train and report: each is declared once, with its default and its limits.

What trains is loaded when a training begins: it takes seconds, and every other command would wait for it.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from console.help import epilog
from console.options import A_FILE, option_of
from risk.errors import OptionError
from risk.settings import number, whole
from trainer.families import BALANCES, FAMILIES, NONE, USUAL_FAMILIES

BY_TIME, RANDOM = SPLITS = ("time", "random")
DEFAULT_FOLDS, MOST_FOLDS = 5, 100

TRAIN_NOTES = """\
--external judges all models on a second file as well: nothing is learned from it, thresholds stay as they are, and it
must have every column that the models learn from. Rows without a label are history, and neither teach nor judge.

Writes MODELS/<version>/ (the bundle of the best model, which becomes the current one) and REPORTS/<version>/.
docs/bundle.md, docs/metrics.md and docs/cost.md explain what is in them.
"""
REPORT_NOTES = """\
Trains again on the same file, as the bundle remembers that it was trained, and refuses if another bundle comes out.
Only how the file's columns are called may be said anew, and --external is free: neither changes a bundle.
"""


class Number(NamedTuple):
    """An option that is a number: both limits are allowed."""

    name: str
    parse: Callable[[str], float]
    default: float | None
    least: float
    most: float
    metavar: str
    help: str

    def add(self, command: argparse.ArgumentParser) -> None:
        command.add_argument(
            self.name, type=option_of(self.parse), default=self.default, metavar=self.metavar, help=self.help
        )

    def check(self, options: argparse.Namespace) -> None:
        value = getattr(options, self.name.removeprefix("--").replace("-", "_"))
        if value is not None and not self.least <= value <= self.most:
            raise OptionError(f"{self.name}: got {value}, expected a number from {self.least:,.0f} to {self.most:,.0f}")


SEARCH = Number(
    "--search", whole, 0, 0, 10_000, "N", "try so many random settings of each model, by successive halving"
)
DEFAULT_SEED = 42
# The largest is LightGBM's.
SEED = Number("--seed", whole, DEFAULT_SEED, 0, 2**31 - 1, "N", "of everything drawn at random (default 42)")
DEFAULT_RESAMPLES = 1000
RESAMPLES = Number(
    "--resamples", whole, DEFAULT_RESAMPLES, 20, 100_000, "N", "draws behind each interval (default 1000)"
)
REVIEW_COST = Number("--review-cost", number, 5.0, 0, 1e12, "COST", "of one case, in the data's currency (5)")
LOSS_RATE = Number("--loss-rate", number, 1.0, 0, 1e6, "SHARE", "of a missed fraud's amount that is lost (1)")
MARGIN = Number(
    "--margin",
    number,
    0.02,
    0,
    1,
    "SHARE",
    "of frauds: how many fewer than the bundle in use it may catch (0.02)",
)
ALERTS_PER_DAY = Number("--alerts-per-day", number, None, 0, 1e12, "N", "more cases than these cannot be worked")
NUMBERS = (SEARCH, SEED, RESAMPLES, REVIEW_COST, LOSS_RATE, ALERTS_PER_DAY, MARGIN)


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    _register_train(commands)
    _register_report(commands)


def add_models(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--models", type=Path, default=Path("models"), metavar="DIR", help="where bundles are (default: models)"
    )


def _register_train(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "train",
        description="Train models on a history, choose the best, and write it as a bundle with its evidence.",
        epilog=epilog(
            "python -m trainer train cards.parquet",
            "python -m trainer train mine.csv --columns map.toml --model lightgbm --alerts-per-day 50 --review-cost 8",
            "python -m trainer train cards.parquet --train 2024-01-01..2024-05-01 --test 2024-05-08..",
            "python -m trainer train cards.parquet --train 2024-03-01..2024-03-08 --test 2024-03-15..2024-03-22",
            "python -m trainer train cards.parquet --external other.csv --external-columns other.toml",
            notes=TRAIN_NOTES,
            done="bundle and report are written; whether the bundle is in use, is said",
            failed="there is no bundle; the last line says why",
        ),
    )
    add = command.add_argument
    add("file", metavar="FILE", type=Path, help=A_FILE)
    add_folders(command)
    usual = ", ".join(USUAL_FAMILIES)
    add("--model", action="append", choices=FAMILIES, help=f"which models; repeatable (default: {usual})")
    add(
        "--ensemble",
        metavar="MODELS",
        help="a weighted mean too, such as catboost=0.6,lightgbm=0.4; without weights, validation chooses them",
    )
    add(
        "--hybrid",
        action="store_true",
        help="each model once more, with what detectors of strange rows say as features",
    )
    add(
        "--train",
        metavar="FROM..UNTIL",
        help="dates, UNTIL excluded; without --validation its last 15 %% is validation",
    )
    add("--validation", metavar="FROM..UNTIL", help="dates, UNTIL excluded; in the training period, or before it")
    add("--test", metavar="FROM..UNTIL", help="dates, UNTIL excluded (default: the last 20 %% of the days)")
    add("--split", choices=SPLITS, default=BY_TIME, help="random is for data whose times mean nothing")
    add("--balance", choices=BALANCES, default=NONE, help="how the few frauds are given weight (default: none)")
    add("--params", type=Path, metavar="F.toml", help="hyper-parameters: a table for each model")
    for each in (SEARCH, REVIEW_COST, LOSS_RATE, ALERTS_PER_DAY):
        each.add(command)
    add("--label-delay", metavar="TIME", help="whole days from 3d (7d); TRUSTLENS_LABEL_DELAY for this run")
    add("--bucket", metavar="TIME", help="TRUSTLENS_BUCKET for this run, such as 1h or 1s")
    add("--currency", metavar="CODE", help="amounts in other currencies count as missing")
    _add_maps(
        command,
        "which column is what; see inspect",
        "untouched data to judge every model on, beside the test",
        "its map (default: the one of --columns)",
    )
    SEED.add(command)
    add_evidence(command)
    add("--no-refit", action="store_true", help="serve the champion as it was fitted before validation")
    MARGIN.add(command)
    add("--no-promote", action="store_true", help="write the bundle, and leave the one in use as it is")
    command.set_defaults(run=_train)


def _register_report(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "report",
        description="Make the report of a bundle again, and train its model anew on several parts of the file.",
        epilog=epilog(
            "python -m trainer report lightgbm-1a2b3c4d cards.parquet",
            "python -m trainer report logistic-5e6f7a8b mine.csv --folds 8 --prequential",
            notes=REPORT_NOTES,
            done="the report is written",
        ),
    )
    add = command.add_argument
    add("version", metavar="VERSION", help="as models lists it")
    add("file", metavar="FILE", type=Path, help="the file that it was trained on")
    add("--folds", type=option_of(whole), default=DEFAULT_FOLDS, metavar="N", help="0 for none (default 5)")
    add("--prequential", action="store_true", help="folds whose past has a fixed length and slides with the test")
    add_evidence(command)
    add_folders(command)
    _add_maps(
        command,
        "another map of the file (default: the one of the training)",
        "untouched data to judge on, as in the training or another",
        "its map (default: that of FILE)",
    )
    command.set_defaults(run=_report)


def add_folders(command: argparse.ArgumentParser) -> None:
    add_models(command)
    command.add_argument(
        "--reports", type=Path, default=Path("reports"), metavar="DIR", help="where reports go (default: reports)"
    )


def _add_maps(command: argparse.ArgumentParser, columns: str, external: str, external_columns: str) -> None:
    add = command.add_argument
    add("--columns", type=Path, metavar="MAP.toml", help=columns)
    add("--external", type=Path, metavar="FILE", help=external)
    add("--external-columns", type=Path, metavar="MAP.toml", help=external_columns)


def add_evidence(command: argparse.ArgumentParser) -> None:
    """How much work goes into a report."""
    RESAMPLES.add(command)
    command.add_argument(
        "--no-plots", action="store_true", help="a report without plots, which is some seconds quicker"
    )


def _train(options: argparse.Namespace) -> int:
    from trainer.train import train

    return train(options)


def _report(options: argparse.Namespace) -> int:
    from trainer.report_command import report_again

    return report_again(options)
