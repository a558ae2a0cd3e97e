"""`history`: its options."""

import argparse
from pathlib import Path

from console.help import epilog
from console.options import add_bundle, day, option_of

NOTES = """\
The columns are those that the bundle learned from, and what its column map calls sensitive, declared as such; the file
says so itself, and train reads it as it is. Each transaction has the newest verdict and the time since when it stands.
Where no label came until it was due, the transaction counts as genuine; where it is not due yet, it has none.

The history ends with the last day whose labels are due, unless --until says otherwise. Rejects and duplicates are not
in it. What was pruned from the store is in the log: --from-log reads the topics once, and takes what a worker would
score; both ways come to the same file. Where retention has deleted the log's beginning, it says from which day on the
log is whole, and writes no file without --from that day. It wants room beside OUT.parquet, as much as a store takes.
"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "history",
        description="Write what the store or the log knows, transactions with their labels, as a file to train on.",
        epilog=epilog(
            "python -m trainer history --from-store history.parquet",
            "python -m trainer history --from-store history.parquet --from 2024-06-01 --until 2024-12-01",
            "python -m trainer history --from-log history.parquet",
            notes=NOTES,
            done="the file is written",
            failed="there is no file; the last line says why",
        ),
    )
    add = command.add_argument
    add("out", metavar="OUT.parquet", type=Path, help="the file to write")
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--from-store", action="store_true", help="out of the store, which TRUSTLENS_DB names")
    source.add_argument("--from-log", action="store_true", help="out of Kafka's topics, which a worker would read")
    add("--from", dest="since", type=option_of(day), metavar="DAY", help="what happened from that day on (UTC)")
    add("--until", type=option_of(day), metavar="DAY", help="and before that one")
    add_bundle(command)
    add("--force", action="store_true", help="replace OUT.parquet if it is there")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from trainer.history.command import run_history

    return run_history(options)
