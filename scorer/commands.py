"""The commands of the scorer."""

from collections.abc import Mapping, Sequence

from console.commands import Command, carry_out, parser_of

PROGRAM = "python -m scorer"
DESCRIPTION = "Score transactions from Kafka, and look after what was scored."
COMMANDS = (
    Command("worker", "score transactions from Kafka", "scorer.worker.command"),
    Command("status", "how far the workers are", "scorer.status"),
    Command("verify", "score the whole log again, and compare with what is there", "scorer.verify.options"),
    Command("schedule", "write which bundle scored from when, for a backtest", "scorer.schedule"),
    Command("backup", "copy the store into one file, while workers go on", "scorer.copies"),
    Command("restore", "put a backup in the place of the store", "scorer.copies"),
    Command("prune", "let go of old flags, labels and ledger rows in the store", "scorer.prune"),
)


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    return carry_out(parser_of(PROGRAM, DESCRIPTION, COMMANDS, arguments), arguments, environment)
