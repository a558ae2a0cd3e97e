"""A program of several commands: how they are put together, and what each of them may end with."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NamedTuple

from console.help import epilog
from console.options import Parser
from console.start import EXIT_FAILED
from console.terminal import StdoutError, complain
from risk.errors import TrustLensError


class Command(NamedTuple):
    """A command in a program's list. Its module adds it, or several, by `register(commands)`; each sets `run`, which
    takes the options and returns an exit code."""

    name: str
    help: str
    # By name, for it is imported when its command is asked for: what one command needs may take seconds to load, and
    # neither the list of commands nor any other command is to wait for it.
    module: str


def parser_of(program: str, description: str, commands: Sequence[Command], arguments: Sequence[str]) -> Parser:
    """What reads these arguments: it knows every command by name, and the options of the one that they ask for."""
    top = Parser(
        prog=program,
        description=description,
        epilog=epilog(
            f"{program} {commands[0].name} --help",
            notes="`--help` after a command tells its options. Settings come from the environment: see the README.",
        ),
    )
    choices = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = next((word for word in arguments if not word.startswith("-")), None)
    for command in commands:
        if command.name == asked:
            import_module(command.module).register(choices)
    for command in commands:
        if command.name not in choices.choices:
            choices.add_parser(command.name, help=command.help)
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
        complain(str(error))
        return EXIT_FAILED
