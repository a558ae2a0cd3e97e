"""compare: its options."""

import argparse
from pathlib import Path

from console.help import epilog
from console.options import number, option_of
from trainer.options import RESAMPLES, SEED

NOTES = """\
Both bundles score FILE as backtest does, and both are allowed as many cases a day: those that A raises at its own
threshold, or --cases-per-day. Who then catches more frauds, and who saves more money? Both see the same transactions,
so the difference is taken for each customer, and its 95 % interval comes of drawing customers anew (merchants, where
their interval is wider). Where it holds 0, the two cannot be told apart with so many frauds; sample-size says how many
it takes. Then both stand side by side at their own thresholds, with examples of what only one of them caught.

Count only days that neither has learned from: compare warns where one has.
"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "compare",
        description="Say which of two bundles is better on a file, by how much, and how sure that is.",
        epilog=epilog(
            "python -m trainer compare models models/logistic-1a2b3c4d cards.parquet --from 2024-12-08",
            "python -m trainer compare models second mine.csv --columns map.toml --cases-per-day 20",
            notes=NOTES,
            done="it was compared, whatever came of it",
        ),
    )
    bundle = "a bundle's folder, or a folder of models for the one in use there"
    command.add_argument("first", metavar="A", type=Path, help=bundle)
    command.add_argument("second", metavar="B", type=Path, help="another, the same way")
    command.add_argument("file", metavar="FILE", type=Path, help="CSV, Parquet or NDJSON")
    command.add_argument("--columns", type=Path, metavar="MAP.toml", help="which column is what; see inspect")
    command.add_argument("--labels", type=Path, metavar="FILE", help="labels from another file, instead of FILE's own")
    command.add_argument("--without-labels", action="store_true", help="go on where some labels are missing")
    command.add_argument("--from", dest="since", metavar="DATE", help="count from this day (UTC), such as 2024-12-01")
    command.add_argument("--until", metavar="DATE", help="stop before this day (UTC)")
    command.add_argument(
        "--cases-per-day", type=option_of(number), metavar="N", help="cases that each may raise (default: as A does)"
    )
    RESAMPLES.add(command)
    SEED.add(command)
    command.add_argument("--out", type=Path, metavar="DIR", help="a new folder for the tables: JSON and CSV")
    command.add_argument("--force", action="store_true", help="replace what --out names")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from trainer.compare import command

    return command.run(options)
