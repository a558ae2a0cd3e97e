"""How far it is: one line, drawn again on a terminal, and every ten seconds in a log."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from rich.live import Live
from rich.text import Text

from console.terminal import err
from producer.replay.in_flight import InFlight
from producer.replay.pace import Pace, Times
from producer.replay.tally import Tally
from risk.clock import to_text
from risk.errors import BrokerAwayError

DRAWN_SECONDS = 0.5
LOGGED_SECONDS = 10.0
WINDOW = 10  # draws that the rate is of


class Progress:
    def __init__(self, tally: Tally, in_flight: InFlight, pace: Pace, total: int | None, clock: Times) -> None:
        """`total`: the transactions that are to be sent, where that is known."""
        self._tally, self._in_flight, self._pace, self._total, self._clock = tally, in_flight, pace, total, clock
        self._seen = [(clock.seconds(), 0)]
        self._is_known = True

    async def look(self) -> None:
        """What the scorers have committed; a broker that is away is told of elsewhere."""
        try:
            await self._in_flight.look()
            self._is_known = True
        except BrokerAwayError:
            self._is_known = False

    def line(self) -> str:
        sent = self._tally.transactions
        self._seen = [*self._seen[-WINDOW:], (self._clock.seconds(), sent)]
        (began, first), (now, last) = self._seen[0], self._seen[-1]
        rate = (last - first) / (now - began) if now > began else 0.0
        parts = [f"sent {sent:,}" + (f" of {self._total:,}" if self._total is not None else ""), f"{rate:,.0f}/s"]
        parts.append(f"in flight {self._in_flight.count:,}" if self._is_known else "in flight unknown")
        if self._pace.behind >= 1:
            parts.append(f"lag {_duration(self._pace.behind)}")
        if self._total is not None and rate:
            parts.append(f"ETA {_duration(max(0, self._total - sent) / rate)}")
        if self._tally.event_time is not None:
            parts.append(f"at {to_text(self._tally.event_time // 1000 * 1000)}")
        return ", ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


@asynccontextmanager
async def shown(progress: Progress) -> AsyncIterator[None]:
    drawing = asyncio.ensure_future(_draw(progress) if err.is_terminal else _log(progress))
    try:
        yield
    finally:
        drawing.cancel()
        with suppress(asyncio.CancelledError):
            await drawing


async def _draw(progress: Progress) -> None:
    with Live(console=err, transient=True, auto_refresh=False) as live:
        while True:
            await progress.look()
            live.update(Text(progress.line()), refresh=True)
            await asyncio.sleep(DRAWN_SECONDS)


async def _log(progress: Progress) -> None:
    while True:
        await asyncio.sleep(LOGGED_SECONDS)
        await progress.look()
        err.print(progress.line(), markup=False)
