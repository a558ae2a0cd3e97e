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
    so_far = "nothing was begun"
    try:
        # Here, and not when the program is read: it may take a second, and an interrupt then is one like any other.
        run = load()
        so_far = "nothing half-written was left behind"
        return run(arguments, environment)
    except (_EndedError, KeyboardInterrupt, ImportError) as error:
        why = _first_cause(error)
        if isinstance(why, _EndedError):
            return _say(f"ended; {so_far}", EXIT_ENDED)
        if isinstance(why, KeyboardInterrupt):
            return _say(f"interrupted; {so_far}", EXIT_INTERRUPTED)
        if not isinstance(why, ModuleNotFoundError) or why.name is None or _is_ours(why.name):
            raise
        return _say(
            f"error: {why.name} is not installed here; run `make setup`, then `. .venv/bin/activate`", EXIT_FAILED
        )


def _first_cause(error: BaseException) -> BaseException:
    """A compiled module that is interrupted while it is imported says that it cannot be imported, because of that."""
    while isinstance(error, ImportError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _is_ours(module: str) -> bool:
    return module.split(".")[0] in (*OWN_PACKAGES, *OF_A_CHECKOUT)


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
