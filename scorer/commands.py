"""The commands of the scorer."""

from collections.abc import Mapping, Sequence

from console.commands import carry_out, parser_of
from scorer import copies, prune, status
from scorer.verify import command as verify
from scorer.worker import command as worker

COMMANDS = (worker, status, verify, copies, prune)
DESCRIPTION = "Score transactions from Kafka, and look after what was scored."


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    return carry_out(parser_of("python -m scorer", DESCRIPTION, COMMANDS), arguments, environment)
