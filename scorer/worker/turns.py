"""Sending and storing take turns: one chunk at a time, in the order of scoring, while the next one is scored.

What waits for a broker's answer needs no processor, and what scores needs no broker. The order within a chunk stays as
it is, and so does the order of chunks: the second is not sent before the first is stored.
"""

import asyncio
from collections.abc import Awaitable, Callable


class Turns:
    def __init__(self, fatal: Callable[[BaseException], None]) -> None:
        self._fatal = fatal
        self._turn: asyncio.Task[None] | None = None

    async def next(self, carry_out: Callable[[], Awaitable[object]]) -> None:
        """Returns as soon as it is this one's turn; whatever goes wrong in it ends the worker."""
        await self.over()
        self._turn = asyncio.create_task(self._carried_out(carry_out))

    async def over(self) -> None:
        """Until nothing is under way. Who is cancelled here does not cancel what it waits for."""
        if self._turn is not None:
            await asyncio.wait([self._turn])

    async def _carried_out(self, carry_out: Callable[[], Awaitable[object]]) -> None:
        try:
            await carry_out()
        except Exception as error:
            self._fatal(error)
