"""The commands of the trainer."""

from collections.abc import Mapping, Sequence

from console.commands import carry_out, parser_of
from trainer import features, generate, models, report, train
from trainer.backtest import command as backtest
from trainer.inspection import command as inspection

COMMANDS = (generate, inspection, features, train, report, models, backtest)
DESCRIPTION = "Make history, look at data, compute features, train models, try them on the past."


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    return carry_out(parser_of("python -m trainer", DESCRIPTION, COMMANDS), arguments, environment)
