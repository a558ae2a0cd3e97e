"""The commands of the trainer, and what each of them may end with."""

from collections.abc import Mapping, Sequence

from risk.errors import TrustLensError
from trainer import features, generate, models, report, train
from trainer.backtest import command as backtest
from trainer.inspection import command as inspection
from trainer.options import Parser
from trainer.terminal import StdoutError, err, harmless

COMMANDS = (generate, inspection, features, train, report, models, backtest)

EPILOG = """\
exit status: 0 done; 1 could not be done, the last line says why; 2 options that cannot be understood; 130 interrupted;
143 ended by the system. Settings come from the environment: see the README.
"""


def parser() -> Parser:
    top = Parser(
        prog="python -m trainer",
        description="Make history, look at data, compute features, train models, try them on the past.",
        epilog=EPILOG,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.register(commands)
    top.set_defaults(parsers=commands.choices)
    return top


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    options, unknown = parser().parse_known_args(arguments)
    if unknown:
        options.parsers[options.command].refuse(unknown)
    options.environment = environment
    try:
        return int(options.run(options))
    except (TrustLensError, StdoutError) as error:
        err.print(harmless(f"error: {error}"), markup=False)
        return 1
