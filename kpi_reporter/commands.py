"""The commands of the reporter."""

from collections.abc import Mapping, Sequence

from console.commands import Command, carry_out, parser_of

PROGRAM = "python -m kpi_reporter"
DESCRIPTION = "Show what the store says: metrics and pages by HTTP, or the figures in the terminal. It only reads."
COMMANDS = (
    Command("serve", "metrics and pages by HTTP", "kpi_reporter.serve"),
    Command("drift", "what has changed since the model learned", "kpi_reporter.drift"),
    Command("show", "the figures in the terminal", "kpi_reporter.show"),
)


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    return carry_out(parser_of(PROGRAM, DESCRIPTION, COMMANDS, arguments), arguments, environment)
