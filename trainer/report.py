"""report: the evidence of a bundle once more, with cross-validation of its model."""

import argparse
from pathlib import Path

from trainer.train import BALANCES, SPLITS

DEFAULT_FOLDS = 5

EPILOG = """\
examples:
  python -m trainer report lightgbm-1a2b3c4d cards.parquet
  python -m trainer report logistic-5e6f7a8b mine.csv --columns map.toml --folds 8

Trains again on the same file, with the costs, seed, label delay and bucket that the bundle names, and refuses if
another bundle comes out. Options that the training was given must be given again: --columns, --train, --test, --split,
--balance, --params, --search, --currency.
"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "report",
        help="make a bundle's report again, with cross-validation",
        description="Make the report of a bundle again, and train its model anew on several parts of the file.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = command.add_argument
    add("version", metavar="VERSION", help="as models lists it")
    add("file", metavar="FILE", type=Path, help="the file that it was trained on")
    add("--folds", type=int, default=DEFAULT_FOLDS, metavar="N", help="0 for none (default 5)")
    add("--models", type=Path, default=Path("models"), metavar="DIR", help="where bundles are (default: models)")
    add("--reports", type=Path, default=Path("reports"), metavar="DIR", help="where reports go (default: reports)")
    add("--columns", type=Path, metavar="MAP.toml", help="as in the training; so are all below")
    add("--train", metavar="FROM..UNTIL")
    add("--test", metavar="FROM..UNTIL")
    add("--split", choices=SPLITS, default="time")
    add("--balance", choices=BALANCES, default="none")
    add("--params", type=Path, metavar="F.toml")
    add("--search", type=int, default=0, metavar="N")
    add("--currency", metavar="CODE")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from trainer.training.again import report_again

    return report_again(options)
