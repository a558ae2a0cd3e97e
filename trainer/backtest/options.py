"""backtest: its options."""

import argparse
from pathlib import Path

from console.help import epilog
from console.options import A_FILE, add_bundle
from trainer.rules.options import add_rules

NOTES = """\
Replays a file through the pipeline that the worker uses. What lies before --from is history: it is passed through, and
not counted. A model knows by heart what it was trained on: count what came after. A case is all alerts of
a customer on one UTC day. The digest is the one that the worker's store gives for the same transactions.

The merchant ledger reads labels. Where a file has none, or none on some days, merchant_fraud_* and merchant_risk_* are
lower than a worker's were, and so are the scores: then backtest refuses. --labels names a file (CSV, Parquet or NDJSON)
with the columns transaction_id, customer_id (where FILE has customers), is_fraud (1, 0, true, false, yes, no) and
labelled_at (a time such as 2024-01-31T10:00:00Z); of several labels of a transaction the newest counts, and labels in
FILE are not read. --without-labels goes on all the same, and every result says so at its head.

Where a rule set is in force, what model and rules decided together is shown beside what the model alone would have
done, and the digest includes decisions and rules.
"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "backtest",
        description="Replay a file through the worker's pipeline, and say what would have come of it.",
        epilog=epilog(
            "python -m trainer backtest cards.parquet --bundle models --from 2024-12-08",
            "python -m trainer backtest mine.csv --columns map.toml --bundle models --scores-out scores.parquet",
            "python -m trainer backtest live.parquet --bundle models --labels chargebacks.csv",
            "python -m trainer backtest live.parquet --bundle models --schedule schedule.json",
            notes=NOTES,
        ),
    )
    command.add_argument("file", metavar="FILE", type=Path, help=A_FILE)
    add_bundle(command)
    command.add_argument(
        "--schedule",
        type=Path,
        metavar="FILE.json",
        help="with the bundles in force as they were, as `scorer schedule` wrote it; --bundle names their folder",
    )
    add_rules(command)
    command.add_argument("--columns", type=Path, metavar="MAP.toml", help="which column is what; see inspect")
    command.add_argument("--labels", type=Path, metavar="FILE", help="labels from another file, instead of FILE's own")
    command.add_argument("--without-labels", action="store_true", help="go on where labels are missing")
    command.add_argument("--from", dest="since", metavar="DATE", help="count from this day (UTC), such as 2024-12-01")
    command.add_argument("--until", metavar="DATE", help="stop before this day (UTC)")
    command.add_argument("--thresholds", metavar="A,B,...", help="for the sweep, such as 0.1,0.3,0.5")
    command.add_argument("--out", type=Path, metavar="DIR", help="a new folder for the tables: JSON and CSV")
    command.add_argument("--scores-out", type=Path, metavar="F.parquet", help="the score of every transaction")
    command.add_argument("--force", action="store_true", help="replace what --out and --scores-out name")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from trainer.backtest import command

    return command.run(options)
