"""The commands of the producer."""

from collections.abc import Mapping, Sequence

from console.commands import Command, carry_out, parser_of

PROGRAM = "python -m producer"
DESCRIPTION = "Make the topics, send histories into Kafka, send rejected messages again."
COMMANDS = (
    Command("topics", "make the topics that are missing, and check those that are there", "producer.topics"),
    Command("replay", "send a history into Kafka, in the order in which it happened", "producer.replay.options"),
    Command("redrive", "send rejected messages again, where they came from", "producer.redrive.command"),
)


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    return carry_out(parser_of(PROGRAM, DESCRIPTION, COMMANDS, arguments), arguments, environment)
