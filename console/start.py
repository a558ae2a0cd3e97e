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
    except (_EndedError, KeyboardInterrupt, Exception) as error:
        why = _first_cause(error)
        if isinstance(why, _EndedError):
            return _say(f"ended; {so_far}", EXIT_ENDED)
        if isinstance(why, KeyboardInterrupt):
            return _say(f"interrupted; {so_far}", EXIT_INTERRUPTED)
        if not isinstance(error, ModuleNotFoundError) or error.name is None or _is_ours(error.name):
            raise
        return _say(
            f"error: {error.name} is not installed here; run `make setup`, then `. .venv/bin/activate`", EXIT_FAILED
        )


def _first_cause(error: BaseException) -> BaseException:
    """What interrupts the import of a compiled module, or the making of a class, comes out as the cause of an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _is_ours(module: str) -> bool:
    return module.split(".")[0] in (*OWN_PACKAGES, *OF_A_CHECKOUT)


def end_when_told() -> None:
    """SIGTERM and a closed terminal end the program like an interrupt: what is open is closed on the way out."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    sys.unraisablehook = _ask_again


def _ask_again(lost: "sys.UnraisableHookArgs") -> None:
    """Python drops what is raised in callbacks that nobody called, of which importing has thousands: whoever is told to
    end just then would go on for ever. So the same signal comes again, once the callback is over."""
    if not issubclass(lost.exc_type, _EndedError | KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    number = signal.SIGTERM if issubclass(lost.exc_type, _EndedError) else signal.SIGINT
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(number))
    signal.setitimer(signal.ITIMER_REAL, 0.01)


class _EndedError(BaseException):
    """The system asked the program to end."""


def _end(number: int, frame: object) -> NoReturn:  # noqa: ARG001 - a signal handler's signature
    raise _EndedError


def _say(text: str, code: int) -> int:
    sys.stderr.write(text + "\n")
    return code
