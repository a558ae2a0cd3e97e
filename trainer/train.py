"""train: a history becomes a bundle that is worth serving, and the evidence for it."""

import argparse
from pathlib import Path

from console.help import epilog
from console.options import number, option_of, whole
from trainer.families import BALANCES, FAMILIES, NONE, USUAL_FAMILIES

# What trains is loaded when a training begins: it takes seconds, and every other command would wait for it.

SPLITS = ("time", "random")
DEFAULT_RESAMPLES = 1000

NOTES = """\
--external judges all models on a second file as well: nothing is learned from it, thresholds stay as they are, and it
must have every column that the models learn from. Rows without a label are history, and neither teach nor judge.

Writes MODELS/<version>/ (the bundle of the best model, which becomes the current one) and REPORTS/<version>/.
docs/bundle.md, docs/metrics.md and docs/cost.md explain what is in them.
"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "train",
        description="Train models on a history, choose the best, and write it as a bundle with its evidence.",
        epilog=epilog(
            "python -m trainer train cards.parquet",
            "python -m trainer train mine.csv --columns map.toml --model lightgbm --alerts-per-day 50 --review-cost 8",
            "python -m trainer train cards.parquet --train 2024-01-01..2024-05-01 --test 2024-05-08..",
            "python -m trainer train cards.parquet --external other.csv --external-columns other.toml",
            notes=NOTES,
            done="bundle and report are written; whether the bundle is in use, is said",
            failed="there is no bundle; the last line says why",
        ),
    )
    add = command.add_argument
    add("file", metavar="FILE", type=Path, help="CSV, Parquet or NDJSON")
    add("--models", type=Path, default=Path("models"), metavar="DIR", help="where bundles are (default: models)")
    add("--reports", type=Path, default=Path("reports"), metavar="DIR", help="where reports go (default: reports)")
    add("--columns", type=Path, metavar="MAP.toml", help="which column is what; see inspect")
    usual = ", ".join(USUAL_FAMILIES)
    add("--model", action="append", choices=FAMILIES, help=f"which models; repeatable (default: {usual})")
    add(
        "--ensemble",
        metavar="MODELS",
        help="a weighted mean too, such as catboost=0.6,lightgbm=0.4; without weights, validation chooses them",
    )
    add("--train", metavar="FROM..UNTIL", help="dates, UNTIL excluded; the last 15 %% of it is validation")
    add("--test", metavar="FROM..UNTIL", help="dates, UNTIL excluded (default: the last 20 %% of the days)")
    add("--split", choices=SPLITS, default="time", help="random is for data whose times mean nothing")
    add("--balance", choices=BALANCES, default=NONE, help="how the few frauds are given weight (default: none)")
    add("--params", type=Path, metavar="F.toml", help="hyper-parameters: a table for each model")
    add(
        "--search",
        type=option_of(whole),
        default=0,
        metavar="N",
        help="try so many random hyper-parameters of each model",
    )
    add(
        "--review-cost",
        type=option_of(number),
        default=5.0,
        metavar="COST",
        help="of one case, in the data's currency (5)",
    )
    add(
        "--loss-rate",
        type=option_of(number),
        default=1.0,
        metavar="SHARE",
        help="of a missed fraud's amount that is lost (1)",
    )
    add("--alerts-per-day", type=option_of(number), metavar="N", help="more cases than these cannot be worked")
    add("--label-delay", metavar="TIME", help="whole days from 3d (7d); TRUSTLENS_LABEL_DELAY for this run")
    add("--bucket", metavar="TIME", help="TRUSTLENS_BUCKET for this run, such as 1h or 1s")
    add("--currency", metavar="CODE", help="amounts in other currencies count as missing")
    add("--external", type=Path, metavar="FILE", help="untouched data to judge every model on, beside the test")
    add("--external-columns", type=Path, metavar="MAP.toml", help="its map (default: the one of --columns)")
    add("--seed", type=option_of(whole), default=42, metavar="N", help="of everything drawn at random (default 42)")
    add_report_options(command)
    add("--no-promote", action="store_true", help="write the bundle, and leave the one in use as it is")
    command.set_defaults(run=run)


def add_report_options(command: argparse.ArgumentParser) -> None:
    """What `train` and `report` take alike: how much work goes into a report."""
    add = command.add_argument
    add(
        "--resamples",
        type=option_of(whole),
        default=DEFAULT_RESAMPLES,
        metavar="N",
        help="draws behind each interval (default 1000)",
    )
    add("--no-plots", action="store_true", help="a report without plots, which is some seconds quicker")


def run(options: argparse.Namespace) -> int:
    from trainer.training.command import train

    return train(options)
