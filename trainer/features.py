"""features: its options."""

import argparse
from pathlib import Path

from console.help import epilog
from console.options import A_FILE

NOTES = """\
A row for each transaction that is scored, in event-time order: transaction_id, event_time, is_fraud where it is known,
and every feature of docs/features.md that the file has columns for.
"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "features",
        description="Compute the features of every transaction of a file.",
        epilog=epilog(
            "python -m trainer features cards.parquet --out features.parquet",
            "python -m trainer features mine.csv --columns map.toml --out f.parquet --label-delay 10d --bucket 1m",
            notes=NOTES,
            done="the features are written, whole",
        ),
    )
    command.add_argument("file", metavar="FILE", type=Path, help=A_FILE)
    command.add_argument("--out", required=True, type=Path, metavar="F.parquet", help="the file to write")
    command.add_argument("--columns", type=Path, metavar="MAP.toml", help="which column is what; see inspect")
    command.add_argument(
        "--label-delay", metavar="TIME", help="whole days from 3d (7d); TRUSTLENS_LABEL_DELAY for this run"
    )
    command.add_argument("--bucket", metavar="TIME", help="TRUSTLENS_BUCKET for this run, such as 1h or 1s")
    command.add_argument("--currency", metavar="CODE", help="amounts in other currencies count as missing "
                         "(default: the most common at the file's beginning)")  # fmt: skip
    command.add_argument("--force", action="store_true", help="replace the file to write if it is there")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from trainer import features_file

    return features_file.run(options)
