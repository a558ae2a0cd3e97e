"""score: its options."""

import argparse
from pathlib import Path

from console.help import epilog
from console.options import A_FILE, add_bundle
from trainer.rules.options import add_rules

NOTES = """\
Every row of FILE comes out, in its order, with its columns and these: score, level, reasons (of high scores),
history_days (how many days of the past a score could see, where that is less than the bundle's features use), missing
(what the transaction lacked), not_scored (why a row has no score) and bundle_version. The scores are those of a worker
that reads FILE from its beginning, and of backtest, to the last bit: what comes before a row in FILE is its past. So
give the history along with what is to be scored: 38 days where the bundle uses merchants.

Where a rule set is in force there are decision, rules (those that fired, and what they compared) and rules_version
as well, and the digest includes them.

A CSV is written as the CSV that was read: the same sign between values, decimal commas where the map says that FILE has
them (decimal = ","), a byte order mark if it had one. --bom writes one in any case: by it Excel knows that umlauts are
UTF-8. A text that a spreadsheet would run as a formula (it begins with = + - @, a tab or a return, and is no number)
gets an apostrophe before it; Parquet and NDJSON have every text as it is.

Labels are needed as in backtest: see there. With --without-labels, FILE needs no column for them.
"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "score",
        description="Score every row of a file, and write it again with scores, levels and reasons.",
        epilog=epilog(
            "python -m trainer score cards.parquet --out scored.csv",
            "python -m trainer score mine.csv --columns map.toml --bundle models/logistic-1a2b3c4d --out s.parquet",
            "python -m trainer score live.parquet --labels chargebacks.csv --out scored.ndjson",
            notes=NOTES,
            done="the file is written, whole",
        ),
    )
    command.add_argument("file", metavar="FILE", type=Path, help=A_FILE)
    command.add_argument(
        "--out", required=True, type=Path, metavar="F", help="the file to write: .csv, .parquet or .ndjson"
    )
    add_bundle(command)
    add_rules(command)
    command.add_argument("--columns", type=Path, metavar="MAP.toml", help="which column is what; see inspect")
    command.add_argument("--labels", type=Path, metavar="FILE", help="labels from another file, instead of FILE's own")
    command.add_argument("--without-labels", action="store_true", help="go on where labels are missing")
    command.add_argument(
        "--prefix", default="", metavar="TEXT", help="before the names of the new columns, where FILE has such names"
    )
    command.add_argument("--bom", action="store_true", help="begin a CSV with a byte order mark, which Excel needs")
    command.add_argument("--force", action="store_true", help="replace the file to write if it is there")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from trainer.score import command

    return command.run(options)
