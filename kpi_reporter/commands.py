"""The commands of the reporter."""

from collections.abc import Mapping, Sequence

from console.commands import carry_out, parser_of
from kpi_reporter import serve, show

COMMANDS = (serve, show)
DESCRIPTION = "Show what the store says: metrics and pages by HTTP, or the figures in the terminal. It only reads."


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    return carry_out(parser_of("python -m kpi_reporter", DESCRIPTION, COMMANDS), arguments, environment)
