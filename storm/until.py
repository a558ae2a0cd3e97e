"""Waiting for what other processes do: by looking again and again, never for ever."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep

from testing.systems import Said

LOOKS_EVERY_SECONDS = 0.02


class StormError(AssertionError):
    """The system did not do what it promises; the words say what."""


def went_well(said: Said, what: str) -> None:
    """StormError where a command did not."""
    if said.code:
        raise StormError(f"{what} ended with status {said.code}: {said.out[-1000:]}{said.err[-1000:]}")


def until(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    """Returns when it is so; StormError when that takes longer."""
    end = monotonic() + seconds
    while not is_so():
        if monotonic() > end:
            raise StormError(f"still not so after {seconds:g} s: {what}")
        sleep(LOOKS_EVERY_SECONDS)


@contextmanager
def at_most(seconds: float, what: str) -> Iterator[None]:
    """StormError in the middle of whatever is being done when it takes longer. Of a program's first thread."""

    def end(number: int, frame: object) -> None:  # noqa: ARG001 - a signal handler's signature
        raise StormError(f"still not done after {seconds:g} s: {what}")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
