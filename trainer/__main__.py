"""python -m trainer: make history, look at data, compute features."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from risk.errors import TrustLensError
from risk.settings import read_settings
from trainer import features, generate
from trainer.inspection import command as inspection
from trainer.terminal import err

COMMANDS = (generate, inspection, features)

EXIT_OK = 0
EXIT_FAILED = 1  # the command understood what was asked and could not do it
EXIT_USAGE = 2  # argparse's own, for options it does not know
EXIT_INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m trainer", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.register(commands)
    return top


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    options = parser().parse_args(arguments)
    try:
        options.settings = read_settings(environment)
        return int(options.run(options))
    except TrustLensError as error:
        err.print(f"error: {error}", markup=False)
        return EXIT_FAILED
    except KeyboardInterrupt:
        err.print("interrupted; nothing half-written was left behind", markup=False)
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
