"""The replay itself: step after step, as fast as pace and scorers allow, until the end or until it is told to stop."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

from producer.delivery.delivering import Delivery
from producer.replay.in_flight import POLL_SECONDS, InFlight
from producer.replay.pace import Pace, Times
from producer.replay.parcels import Packer
from producer.replay.sequence import Entry
from producer.replay.tally import Tally
from risk.errors import BrokerAwayError
from risk.words import counted

SAVE_SECONDS = 0.5
NOTICE_SECONDS = 5.0
AGAIN_SECONDS = 60.0


class Replay:
    def __init__(
        self,
        steps: Iterator[list[Entry]],
        *,
        packer: Packer,
        pace: Pace,
        in_flight: InFlight,
        delivery: Delivery,
        tally: Tally,
        save: Callable[[], None],
        confirm: Callable[[], Awaitable[None]],
        stopping: asyncio.Event,
        clock: Times,
        say: Callable[[str], None],
        group: str,
    ) -> None:
        """`confirm`: that the topics are still the ones that this began to send to; BrokerError where they are not."""
        self._steps, self._packer, self._pace, self._in_flight = steps, packer, pace, in_flight
        self._delivery, self._tally, self._save, self._stopping = delivery, tally, save, stopping
        self._clock, self._say, self._group = clock, say, group
        self._confirm = confirm
        self._saved_at = clock.seconds()
        self._blocked_at: float | None = None
        self._told_at: float | None = None

    async def run(self) -> bool:
        """Whether it came to the end of what is to be sent; what `tally` says is acknowledged and saved either way."""
        try:
            step = await self._next_step()
            while step:
                # Read while the broker is busy with this one.
                coming = asyncio.ensure_future(self._next_step())
                try:
                    if not await self._send(step):
                        return False
                finally:
                    step = await coming
            await self._confirmed()
            return True
        finally:
            self._save()

    async def _next_step(self) -> list[Entry]:
        return await asyncio.to_thread(next, self._steps, [])

    async def _send(self, step: Sequence[Entry]) -> bool:
        place = 0
        while place < len(step):
            count = await self._cleared(step, place)
            if count == 0:
                return False
            part = step[place : place + count]
            await self._delivery.deliver(self._packer.pack(part))
            self._pace.sent(self._tally.count(part))
            place += count
            if self._clock.seconds() - self._saved_at >= SAVE_SECONDS:
                await self._confirmed()
                self._save()
                self._saved_at = self._clock.seconds()
        return True

    async def _confirmed(self) -> None:
        """Asked after the acknowledgements: what an acknowledged message is in is the topic that was meant. Who is told
        to stop waits for no answer."""
        stopped = asyncio.ensure_future(self._stopping.wait())
        try:
            while not stopped.done():
                asking = asyncio.ensure_future(self._confirm())
                await asyncio.wait({asking, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not asking.done():
                    asking.cancel()
                    break
                try:
                    asking.result()
                    break
                except BrokerAwayError as error:
                    self._say(f"waiting: {error}")
        finally:
            stopped.cancel()

    async def _cleared(self, step: Sequence[Entry], place: int) -> int:
        """How many entries may go; waits until there are some. None when it is told to stop."""
        while not self._stopping.is_set():
            room = await self._room(len(step) - place)
            ready = self._pace.ready(step, place, room)
            if ready.entries:
                self._blocked_at = None
                return ready.entries
            await self._pause(POLL_SECONDS if room == 0 else ready.wait)
        return 0

    async def _room(self, wanted: int) -> int | None:
        try:
            room = await self._in_flight.room(wanted)
        except BrokerAwayError as error:
            self._blocked(f"the scorers' group cannot be asked ({error})")
            return 0
        if room == 0:
            self._blocked(self._who_is_slow())
        elif room:
            self._told_at = None
        return room

    def _blocked(self, why: str) -> None:
        now = self._clock.seconds()
        if self._blocked_at is None:
            self._blocked_at = now
        is_due = self._told_at is None or now - self._told_at >= AGAIN_SECONDS
        if now - self._blocked_at >= NOTICE_SECONDS and is_due:
            self._told_at = now
            self._say(f"waiting: {why}")

    def _who_is_slow(self) -> str:
        waits = counted(self._in_flight.count, "transaction waits", "transactions wait")
        count = f"{waits} to be scored, as many as --max-in-flight allows"
        if self._in_flight.has_scorer:
            return f"{count}; the scorers (group {self._group}) have committed nothing for {NOTICE_SECONDS:.0f} s"
        return f"{count}; no scorer has committed anything (group {self._group}). Start one: python -m scorer worker"

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return
