"""`verify`: its options."""

import argparse

from console.help import epilog
from console.options import add_bundle, day, option_of


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "verify",
        description="Read the transactions again from the beginning, score them with the bundle that each flag names "
        "and the ledger days of their topic, and compare flags, alerts, rejects and the store with what comes out, to "
        "the byte. Nothing is written; workers may go on meanwhile. docs/verify.md says what this proves.",
        epilog=epilog(
            "python -m scorer verify",
            "python -m scorer verify --complete",
            "python -m scorer verify --from 2024-12-01 --until 2024-12-08",
            done="identical, as far as workers have come; with --complete, to the end of the log",
            failed="not identical, not complete, or it could not be verified; it is said which",
        ),
    )
    command.add_argument(
        "--from", dest="since", type=option_of(day), metavar="DAY", help="compare what happened from that day on"
    )
    command.add_argument(
        "--until", type=option_of(day), metavar="DAY", help="and before that one; all before it is read anyway"
    )
    command.add_argument(
        "--complete",
        action="store_true",
        help="fail where a part of the log is not scored yet; without it, that is only said",
    )
    add_bundle(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from scorer.verify import command

    return command.run(options)
