"""How every program starts and ends: its commands are loaded, an end from outside is answered, the exit code told."""

import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

EXIT_OK = 0
EXIT_FAILED = 1  # the command understood what was asked and could not do it
EXIT_USAGE = 2  # argparse's own, for options it does not know
EXIT_INTERRUPTED = 130
EXIT_ENDED = 143  # by SIGTERM or a terminal that was closed

OWN_PACKAGES = ("risk", "evaluation", "console", "worlds", "trainer", "producer", "scorer", "kpi_reporter")
OF_A_CHECKOUT = ("ops", "storm", "demo", "bench")

Run = Callable[[Sequence[str], Mapping[str, str]], int]


def start(load: Callable[[], Run], arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The exit code of a command. `load` imports the program's commands."""
    try:
        # Here, and not when the program is read: it may take a second, and an interrupt then is one like any other.
        run = load()
    except _EndedError:
        return _say("ended; nothing was begun", EXIT_ENDED)
    except KeyboardInterrupt:
        return _say("interrupted; nothing was begun", EXIT_INTERRUPTED)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] in (*OWN_PACKAGES, *OF_A_CHECKOUT):
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


def end_when_told() -> None:
    """SIGTERM and a closed terminal end the program like an interrupt: what is open is closed on the way out."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)


class _EndedError(BaseException):
    """The system asked the program to end."""


def _end(number: int, frame: object) -> NoReturn:  # noqa: ARG001 - a signal handler's signature
    raise _EndedError


def _say(text: str, code: int) -> int:
    sys.stderr.write(text + "\n")
    return code
