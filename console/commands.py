"""A program of several commands: how they are put together, and what each of them may end with."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from console.options import Parser
from console.start import EXIT_FAILED
from console.terminal import StdoutError, err, harmless
from risk.errors import TrustLensError

EPILOG = """\
exit status: 0 done; 1 could not be done, the last line says why; 2 options that cannot be understood; 130 interrupted;
143 ended by the system. Settings come from the environment: see the README.
"""


class Command(Protocol):
    """A module that adds its command, or several; each sets `run`, which takes the options and returns an exit code."""

    def register(self, commands: "argparse._SubParsersAction[Any]", /) -> None: ...


def parser_of(program: str, description: str, commands: Sequence[Command]) -> Parser:
    top = Parser(prog=program, description=description, epilog=EPILOG)
    choices = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in commands:
        command.register(choices)
    top.set_defaults(parsers=choices.choices)
    return top


def carry_out(parser: Parser, arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        options.parsers[options.command].refuse(unknown)
    options.environment = environment
    try:
        return int(options.run(options))
    except (TrustLensError, StdoutError) as error:
        err.print(harmless(f"error: {error}"), markup=False)
        return EXIT_FAILED
