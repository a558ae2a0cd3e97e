"""Ends a worker that does not get on: a thread of its own, because an event loop that hangs cannot watch itself.

There are records to work on, nothing was stored for so long, and nothing waits for a ledger day: something is wrong
that nobody noticed. Whoever started the worker starts it again, and it goes on from the store.
"""

import threading
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

LOOKS_EVERY_SECONDS = 1.0


class Progress(NamedTuple):
    """What the watchdog asks: whether there is work, whether it waits for a ledger day, and a mark of what is done."""

    has_work: bool
    is_waiting: bool
    mark: object


class Watchdog:
    def __init__(
        self,
        ask: Callable[[], Progress],
        bite: Callable[[float], None],
        fail: Callable[[BaseException], None],
        limit_seconds: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._ask = ask
        self._bite = bite
        self._fail = fail
        self._limit = limit_seconds
        self._clock = clock
        self._mark: object = None
        self._since = clock()
        self._stopped = threading.Event()

    def look(self) -> None:
        progress = self._ask()
        if not progress.has_work or progress.is_waiting or progress.mark != self._mark:
            self._mark, self._since = progress.mark, self._clock()
        stalled = self._clock() - self._since
        if stalled > self._limit:
            self._bite(stalled)

    def start(self) -> None:
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(LOOKS_EVERY_SECONDS):
            try:
                self.look()
            except Exception as error:  # a watchdog that is gone would be missed by nobody
                self._fail(error)
