"""A store in a thread of its own: a locked file must not stop the event loop, which keeps the group's heartbeat."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from risk.store import Store, open_store

Answer = TypeVar("Answer")


class StoreThread:
    """One connection, one thread; what is asked is done in the order in which it was asked."""

    def __init__(self, path: Path, *, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._store = self._thread.submit(open_store, path).result()

    async def call(self, ask: Callable[[Store], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, ask, self._store)

    def close(self) -> None:
        self._thread.submit(self._store.close).result()
        self._thread.shutdown()
