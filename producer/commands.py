"""The commands of the producer."""

from collections.abc import Mapping, Sequence

from console.commands import carry_out, parser_of
from producer import topics
from producer.redrive import command as redrive
from producer.replay import command as replay

COMMANDS = (topics, replay, redrive)
DESCRIPTION = "Make the topics, send histories into Kafka, send rejected messages again."


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    return carry_out(parser_of("python -m producer", DESCRIPTION, COMMANDS), arguments, environment)
