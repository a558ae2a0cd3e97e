"""How many pages are made at once. Who would wait too long is told so, instead of everyone waiting for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

AT_ONCE = 4  # as many as there are threads for SQL
LONGEST_WAIT_SECONDS = 20.0


class TooManyError(Exception):
    """No turn within the time there is; try again later."""


class Turns:
    def __init__(self, at_once: int = AT_ONCE, longest_wait_seconds: float = LONGEST_WAIT_SECONDS) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._longest_wait_seconds = longest_wait_seconds

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(self._free.acquire(), self._longest_wait_seconds)
        except TimeoutError as error:
            raise TooManyError from error
        try:
            yield
        finally:
            self._free.release()
