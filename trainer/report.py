"""report: the evidence of a bundle once more, with cross-validation of its model."""

import argparse
from pathlib import Path

from console.help import epilog
from console.options import option_of, whole
from trainer.train import add_report_options

DEFAULT_FOLDS = 5

NOTES = """\
Trains again on the same file, as the bundle remembers that it was trained, and refuses if another bundle comes out.
Only how the file's columns are called may be said anew, and --external is free: neither changes a bundle.
"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "report",
        description="Make the report of a bundle again, and train its model anew on several parts of the file.",
        epilog=epilog(
            "python -m trainer report lightgbm-1a2b3c4d cards.parquet",
            "python -m trainer report logistic-5e6f7a8b mine.csv --folds 8",
            notes=NOTES,
            done="the report is written",
        ),
    )
    add = command.add_argument
    add("version", metavar="VERSION", help="as models lists it")
    add("file", metavar="FILE", type=Path, help="the file that it was trained on")
    add("--folds", type=option_of(whole), default=DEFAULT_FOLDS, metavar="N", help="0 for none (default 5)")
    add_report_options(command)
    add("--models", type=Path, default=Path("models"), metavar="DIR", help="where bundles are (default: models)")
    add("--reports", type=Path, default=Path("reports"), metavar="DIR", help="where reports go (default: reports)")
    add("--columns", type=Path, metavar="MAP.toml", help="another map of the file (default: the one of the training)")
    add("--external", type=Path, metavar="FILE", help="untouched data to judge on, as in the training or another")
    add("--external-columns", type=Path, metavar="MAP.toml", help="its map (default: that of FILE)")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from trainer.training.again import report_again

    return report_again(options)
