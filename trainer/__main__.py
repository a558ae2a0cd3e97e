"""python -m trainer: make history, look at data, compute features, train models, try them on the past."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

EXIT_OK = 0
EXIT_FAILED = 1  # the command understood what was asked and could not do it
EXIT_USAGE = 2  # argparse's own, for options it does not know
EXIT_INTERRUPTED = 130
EXIT_ENDED = 143  # by SIGTERM or a terminal that was closed


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The exit code of a command."""
    try:
        # Here, and not at the top: it takes most of a second, and an interrupt then is one like any other.
        from trainer.commands import run
    except KeyboardInterrupt:
        return _say("interrupted; nothing was begun", EXIT_INTERRUPTED)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith(("risk", "trainer")):
            raise
        return _say(
            f"error: {error.name} is not installed here; run `make setup`, then `. .venv/bin/activate`", EXIT_FAILED
        )
    try:
        return run(arguments, environment)
    except _EndedError:
        return _say("ended; nothing half-written was left behind", EXIT_ENDED)
    except KeyboardInterrupt:
        return _say("interrupted; nothing half-written was left behind", EXIT_INTERRUPTED)


class _EndedError(BaseException):
    """The system asked the program to end: what is open is closed and removed on the way out, as at an interrupt."""


def _end(number: int, frame: object) -> NoReturn:  # noqa: ARG001 - a signal handler's signature
    raise _EndedError


def _say(text: str, code: int) -> int:
    sys.stderr.write(text + "\n")
    return code


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    sys.exit(main(sys.argv[1:], os.environ))
