"""Being told to end: the first signal asks, so that what is on its way can arrive; a second ends it as any program."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from console.start import EXIT_ENDED, EXIT_INTERRUPTED, EXIT_OK
from console.terminal import notice

_CODES = {signal.SIGINT: EXIT_INTERRUPTED, signal.SIGTERM: EXIT_ENDED, signal.SIGHUP: EXIT_ENDED}


class Stop:
    """Whether the program is to end, and with which exit code."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.code = EXIT_OK

    def ask(self, code: int) -> None:
        self.code = code
        self.asked.set()


@contextmanager
def on_signals(stop: Stop) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def ask(number: signal.Signals) -> None:
        loop.remove_signal_handler(number)
        notice("ending; what is on its way arrives first")
        stop.ask(_CODES[number])

    for number in _CODES:
        loop.add_signal_handler(number, ask, number)
    try:
        yield
    finally:
        for number in _CODES:
            loop.remove_signal_handler(number)
