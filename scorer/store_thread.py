"""A store in a thread of its own: a locked file must not stop the event loop, which keeps the group's heartbeat.

Where another process holds the store, the thread waits for as long as that lasts, and says for whom: whoever took this
worker's place would wait as well.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from risk.errors import StoreBusyError
from risk.store import Store, open_store

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

# Writing waits for as long as it takes; what only reads, and is kept from it, gives up after HELD_SECONDS each time.
TRIES = 6
# How often it is said who is waited for.
HELD_SECONDS = 10


class StoreThread:
    """One connection, one thread; what is asked is done in the order in which it was asked."""

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        waited: Callable[[float], None] = lambda _: None,
        on_busy: Callable[[], None] = lambda: None,
        held_seconds: float = HELD_SECONDS,
    ) -> None:
        """`waited` counts seconds that were spent waiting for another process, `held_seconds` at a time. `on_busy` is
        called when something is tried again."""
        self.is_waiting = False  # for another process
        self._path = path
        self._waited = waited
        self._on_busy = on_busy
        self._held_seconds = held_seconds
        self._seconds = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._opening = self._thread.submit(self._open)

    async def opened(self) -> None:
        """Returns when the store is open; who only asks need not wait for that."""
        await asyncio.wrap_future(self._opening)

    async def call(self, ask: Callable[[Store], Answer]) -> Answer:
        """A locked store is asked again, whoever asks: what is asked is one transaction, of which nothing was done, or
        begins anew from what is stored. One that stays locked raises StoreBusyError."""
        for _ in range(TRIES - 1):
            try:
                return await self._called(ask)
            except StoreBusyError:
                self._on_busy()
        return await self._called(ask)

    async def _called(self, ask: Callable[[Store], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._answered, ask)

    def close(self) -> None:
        self._thread.submit(self._close).result()
        self._thread.shutdown()

    def _open(self) -> Store:
        try:
            return open_store(self._path, busy_ms=round(self._held_seconds * 1000), held=self._held)
        finally:
            self._over()

    def _answered(self, ask: Callable[[Store], Answer]) -> Answer:
        try:
            return ask(self._opening.result())
        finally:
            self._over()

    def _close(self) -> None:
        if self._opening.exception() is None:
            self._opening.result().close()

    def _held(self, holder: str) -> None:
        self.is_waiting = True
        self._seconds += self._held_seconds
        self._waited(self._held_seconds)
        log.warning(
            "%s: has been locked for %.0f s by %s; waits for it. If that process hangs, end it: what it had begun is "
            "undone, and repeated by whoever comes next",
            self._path, self._seconds, holder,
        )  # fmt: skip

    def _over(self) -> None:
        self.is_waiting, self._seconds = False, 0.0
