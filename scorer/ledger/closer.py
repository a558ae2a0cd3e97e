"""Closes ledger days: a task in whichever worker owns partition 0 of the transactions.

A day may be closed when nothing can come any more that belongs to it, as far as the producer keeps its promise: before
the first transaction of a day is sent, everything dated before that day is acknowledged. So of the labels those count
that were there when the day became due: the closer notes where they end, once, and waits until the store has come so
far. What belongs to the day is counted from the store, published, and counts for all once it is read back from the
topic.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from time import time
from typing import NamedTuple, Protocol

from risk.clock import DAY, HOUR, to_date
from risk.kafka.sending import Message
from risk.ledger_day import LedgerTerms
from risk.ledger_log import key_of, messages_of
from risk.store import Owner, Position
from risk.topics import Topics
from scorer.ledger.closed_days import LedgerDays
from scorer.log.chunks import Confirm, Place
from scorer.metrics import Metrics
from scorer.store_thread import StoreThread

log = logging.getLogger(__name__)

# A day is closed so long after its label cutoff, in event time: labels of the cutoff's night are in by then.
AFTER_CUTOFF_MS = 12 * HOUR
# In one go at most so many: others want the store as well.
DAYS_AT_ONCE = 20
# Others' moves are seen only by looking, and each day that they wait for waits for that look. A look that finds nothing
# due reads a few rows of the store.
LOOKS_EVERY_SECONDS = 0.05
# Between two looks at least this: a nudge comes with every batch.
REST_SECONDS = 0.005
READ_BACK_SECONDS = 10.0

Publish = Callable[[Sequence[Message]], Awaitable[object]]


class Ends(Protocol):
    """Who knows where partitions end."""

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]: ...


class ClosingTerms(NamedTuple):
    """By which days are closed."""

    ledger: LedgerTerms
    max_lateness_ms: int
    max_ahead_ms: int  # of a clock


class Pin(NamedTuple):
    """Where the labels ended, by partition, when the days up to this one were due."""

    day: int
    ends: Mapping[Place, int]


def last_due(newest: int, terms: ClosingTerms) -> int:
    """The last day that may be closed when time has come so far: its label cutoff lies half a day back."""
    return (newest - AFTER_CUTOFF_MS) // DAY - terms.ledger.label_delay_days + 1


def ahead_at_most(wall: float, terms: ClosingTerms) -> int:
    """The latest event time that tells how far time has come when the clock shows this: one message dated in another
    century, where a broker takes it, must not close all days. A clock can only delay one, never change it."""
    return int(wall * 1000) + terms.max_ahead_ms


def last_past(reached: int, terms: ClosingTerms) -> int:
    """The last day that a partition which has come so far is past, by more than a transaction may be late."""
    return (reached - terms.max_lateness_ms - 1) // DAY - 1


def reached(position: Position) -> int | None:
    """The newest event time, or that of the first unprocessed record if that waits and is later."""
    known = [t for t in (position.newest_event_time, _waiting_head(position)) if t is not None]
    return max(known, default=None)


def _waiting_head(position: Position) -> int | None:
    """Valid only while its owner is the same and has done nothing since."""
    valid = (position.waiting_epoch, position.waiting_offset) == (position.owner_epoch, position.next_offset)
    return position.waiting_head if valid else None


class LedgerCloser:
    def __init__(
        self,
        *,
        topics: Topics,
        partitions: int,
        terms: ClosingTerms,
        days: LedgerDays,
        store: StoreThread,
        bounds: Ends,
        confirm: Confirm,
        publish: Publish,
        metrics: Metrics,
        owner: Callable[[], Owner | None],
        wall: Callable[[], float] = time,
    ) -> None:
        """`confirm`: see scorer/log/chunks.py. `publish` sends to the ledger's topic. `owner`: who this worker is for
        partition 0 of the transactions, or None where it does not own it, and closes nothing."""
        self._topics = topics
        self._partitions = partitions
        self._terms = terms
        self._days = days
        self._store = store
        self._bounds = bounds
        self._confirm = confirm
        self._publish = publish
        self._metrics = metrics
        self._owner = owner
        self._wall = wall
        self._nudged = asyncio.Event()
        self._pin: Pin | None = None

    def nudge(self) -> None:
        """Something moved: look again."""
        self._nudged.set()

    async def run(self) -> None:
        while True:
            self._nudged.clear()
            if self._owner() is not None and (closed := await self.close_due()):
                await self._until_known(closed[-1])
            await asyncio.sleep(REST_SECONDS)
            try:
                await asyncio.wait_for(self._nudged.wait(), LOOKS_EVERY_SECONDS)
            except TimeoutError:
                continue

    async def close_due(self) -> Sequence[int]:
        """Closes and publishes what is due; the days."""
        first, last = await self._due()
        if first is None or first > last:
            return ()
        wanted = range(first, min(last, first + DAYS_AT_ONCE - 1) + 1)
        ledger = self._terms.ledger
        closed = await self._store.call(lambda store: [store.closed_day(day, ledger) for day in wanted])
        await self._confirm(self._topics.ledger, 0)  # days of the old log are none of a new one
        owner = self._owner()
        if owner is None:
            return ()
        position = await self._store.call(lambda store: store.position(owner.topic, owner.partition))
        if position is None or position.owner_epoch != owner.epoch:
            return ()  # another worker keeps the ledger now
        messages = [
            Message(key_of(day).as_bytes(), value)
            for transactions, day in closed
            for value in messages_of(day, transactions)
        ]
        await self._publish(messages)
        self._metrics.days_closed.inc(len(closed))
        # A worker that catches up closes a hundred of them a second; the metric counts them.
        log.debug("closed ledger day %s%s", to_date(first), f" to {to_date(wanted[-1])}" if len(wanted) > 1 else "")
        return wanted

    async def _until_known(self, day: int) -> None:
        """The follower reads what was published; until then the same days would be closed again. It may be another
        closer's day that counts, and then the next look tells more."""
        looks = int(READ_BACK_SECONDS / REST_SECONDS)
        for _ in range(looks):
            if self._days.is_known(day):
                return
            await asyncio.sleep(REST_SECONDS)
        log.warning("ledger day %s was published and not read back in %g s", to_date(day), READ_BACK_SECONDS)

    async def _due(self) -> tuple[int | None, int]:
        """The first and the last day that may be closed now."""
        transactions = await self._positions(self._topics.transactions)
        latest = ahead_at_most(self._wall(), self._terms)
        times = [time for position in transactions if (time := reached(position)) is not None and time <= latest]
        if len(transactions) < self._partitions or not times:
            return None, 0
        last = last_due(max(times), self._terms)
        heads = [head for p in transactions if (head := _waiting_head(p)) is not None]
        first = await self._next_day(heads)
        if first is None or first > last:
            return None, 0
        # Now that the times are known, and not before: what was sent until then counts.
        behind = [p for p in transactions if (time := reached(p)) is None or last_past(time, self._terms) < last]
        if behind:
            last = await self._last_of_those_behind(behind, last)
        if first > last:
            return None, 0
        labelled = await self._last_labelled(first, last)
        if labelled is None:
            return None, 0
        last = min(last, labelled)
        # Once more, now that all are past: a partition that has caught up meanwhile may have brought an earlier first.
        return await self._next_day(heads), last

    async def _next_day(self, heads: Sequence[int]) -> int | None:
        newest = self._days.newest
        if newest is not None:
            return newest + 1
        # Where nothing is closed yet: the first day with a transaction, or what the first that waits would need.
        seen = await self._store.call(lambda store: store.first_event_day())
        needed = [] if seen is None else [seen]
        needed += [head // DAY - self._terms.ledger.label_delay_days for head in heads]
        return min(needed, default=None)

    async def _last_of_those_behind(self, behind: Sequence[Position], last: int) -> int:
        """A partition that is read to its end holds nothing up."""
        ends = await self._bounds.ends(Place(position.topic, position.partition) for position in behind)
        now = {p.partition: p for p in await self._positions(self._topics.transactions)}
        for position in behind:
            if now[position.partition].next_offset < ends[Place(position.topic, position.partition)]:
                time = reached(position)
                last = min(last, -1 if time is None else last_past(time, self._terms))
        return last

    async def _last_labelled(self, first: int, last: int) -> int | None:
        """The last day whose labels are all in the store, or None where even the first day's are not. Days are due up
        to `last`; those that become due while others wait for their labels have their turn after them."""
        if self._pin is None or self._pin.day < first:
            labels = (Place(self._topics.labels, number) for number in range(self._partitions))
            self._pin = Pin(last, await self._bounds.ends(labels))
        read = {Place(p.topic, p.partition): p.next_offset for p in await self._positions(self._topics.labels)}
        return self._pin.day if all(read.get(place, 0) >= end for place, end in self._pin.ends.items()) else None

    async def _positions(self, topic: str) -> list[Position]:
        return [p for p in await self._store.call(lambda store: store.positions()) if p.topic == topic]
