"""Sending and storing take turns: one chunk of a partition at a time, in the order of scoring, while others are scored.

What waits for a broker's answer needs no processor, and what scores needs no broker. The order within a chunk stays as
it is, and so does the order of a partition's chunks: the second is not sent before the first is stored. Partitions do
not wait for each other: with small chunks, that wait would be most of what an alert takes.
"""

import asyncio
from collections.abc import Awaitable, Callable

from scorer.worker.arrivals import Place


class Turns:
    def __init__(self, fatal: Callable[[BaseException], None]) -> None:
        self._fatal = fatal
        self._under_way: dict[Place, asyncio.Task[None]] = {}

    async def next(self, place: Place, carry_out: Callable[[], Awaitable[object]]) -> None:
        """Returns as soon as it is this one's turn; whatever goes wrong in it ends the worker."""
        if before := self._under_way.get(place):
            await asyncio.wait([before])  # who is cancelled here does not cancel what it waits for
        self._under_way[place] = asyncio.create_task(self._carried_out(carry_out))

    async def over(self) -> None:
        """Until nothing is under way."""
        if self._under_way:
            await asyncio.wait(self._under_way.values())

    async def _carried_out(self, carry_out: Callable[[], Awaitable[object]]) -> None:
        try:
            await carry_out()
        except Exception as error:
            self._fatal(error)
