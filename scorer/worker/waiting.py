"""While transactions wait for a ledger day: tells others how far this worker is, gives up what has no prospect."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from operator import methodcaller
from time import monotonic, time
from typing import NamedTuple

from risk.clock import to_date
from risk.store import Position
from risk.topics import Topics
from scorer.metrics import Metrics
from scorer.worker.arrivals import Place
from scorer.worker.days import LedgerDays
from scorer.worker.held import HeldTransactions
from scorer.worker.intake import Gap
from scorer.worker.keeper import Ends, Terms, ahead_at_most, last_due, last_past, reached
from scorer.worker.log_bounds import LogBounds
from scorer.worker.reach import slowest
from scorer.worker.store_thread import StoreThread
from scorer.worker.work import Work

log = logging.getLogger(__name__)

LOOKS_EVERY_SECONDS = 0.02
ASKS_EVERY_SECONDS = 1.0
GIVES_UP_AFTER_SECONDS = 60.0
# Days are waited for all the time while workers catch up, for milliseconds each.
SAYS_SO_AFTER_SECONDS = 10.0
LETS_GO_EVERY_SECONDS = 10.0


class Look(NamedTuple):
    """What a look at a wait says: how long it has lasted, what it is for, and whether that has stood still for too
    long."""

    seconds: float
    what_for: str
    is_hopeless: bool


class Prospect:
    """Of a wait for a ledger day: where everything stands that can bring it, and how long nothing of that has moved.

    A day is closed when every partition of transactions is past it, and when the labels are read that were there then.
    Labels that come later, and transactions of partitions that are past it, may move for ever and bring nothing."""

    def __init__(
        self,
        *,
        topics: Topics,
        partitions: int,
        terms: Terms,
        bounds: Ends,
        limit_seconds: float,
        clock: Callable[[], float] = monotonic,
        wall: Callable[[], float] = time,
    ) -> None:
        self._topics = topics
        self._partitions = partitions
        self._terms = terms
        self._bounds = bounds
        self._limit = limit_seconds
        self._clock = clock
        self._wall = wall
        self._day: int | None = None
        self._began = 0.0
        self._seen: object = None
        self._since = 0.0
        self._pinned_for: tuple[frozenset[int], int | None] | None = None  # what `_labels` were noted for
        self._labels: dict[Place, int] = {}

    async def look(self, day: int, positions: Sequence[Position], newest_closed: int | None) -> Look:
        """`positions`: of all partitions, as the store has them now."""
        now = self._clock()
        if day != self._day:
            self._day, self._began, self._pinned_for, self._seen = day, now, None, None
        if day > last_due(ahead_at_most(self._wall(), self._terms), self._terms):
            standing: object = day
            what_for = (
                f"a time that lies ahead of this machine's clock by more than {self._terms.max_ahead_ms // 1000} s"
            )
        else:
            behind = self._behind_of(day, positions)
            if (frozenset(behind), newest_closed) != self._pinned_for:
                # The day is due when the last of them is past it, and what was sent until then counts. The keeper notes
                # the ends anew for each run of days that it closes, so after one this day may need more.
                labels = (Place(self._topics.labels, number) for number in range(self._partitions))
                self._pinned_for, self._labels = (frozenset(behind), newest_closed), await self._bounds.ends(labels)
            unread = self._unread(positions)
            standing = (behind, unread, newest_closed)
            what_for = self._words(behind, unread)
        if self._seen != standing:
            self._seen, self._since = standing, now
        return Look(now - self._began, what_for, now - self._since >= self._limit)

    def _behind_of(self, day: int, positions: Sequence[Position]) -> dict[int, tuple[int, int | None] | None]:
        """The partitions of transactions that are not past the day: where they stand, and in time; None where nobody
        took one yet."""
        stands = {p.partition: p for p in positions if p.topic == self._topics.transactions}
        behind: dict[int, tuple[int, int | None] | None] = {}
        for number in range(self._partitions):
            position = stands.get(number)
            if position is None:
                behind[number] = None
            elif (reached_to := reached(position)) is None or last_past(reached_to, self._terms) < day:
                behind[number] = position.next_offset, reached_to
        return behind

    def _unread(self, positions: Sequence[Position]) -> dict[Place, int]:
        """The partitions of labels that are not read as far as the day may need: where they stand."""
        read = {Place(p.topic, p.partition): p.next_offset for p in positions if p.topic == self._topics.labels}
        return {place: read.get(place, 0) for place, end in self._labels.items() if read.get(place, 0) < end}

    def _words(self, behind: Mapping[int, tuple[int, int | None] | None], unread: Mapping[Place, int]) -> str:
        name = self._topics.transactions
        words = [
            f"{name}-{number}, which no worker has taken yet" if at is None else f"{name}-{number} at offset {at[0]}"
            for number, at in behind.items()
        ]
        words += [
            f"{place.topic}-{place.partition} at offset {at} of {self._labels[place]}" for place, at in unread.items()
        ]
        return ", ".join(words) or f"the worker of {name}-0, which closes it"


class Waiting:
    """Runs beside the batches. What it writes is guarded by epoch and offset, so it can come too late but not wrong."""

    def __init__(
        self,
        *,
        topics: Topics,
        work: Work,
        days: LedgerDays,
        store: StoreThread,
        partitions: int,
        metrics: Metrics,
        bounds: LogBounds,
        prospect: Prospect,
    ) -> None:
        self._topics = topics
        self._work = work
        self._days = days
        self._store = store
        self._partitions = partitions
        self._metrics = metrics
        self._bounds = bounds
        self._prospect = prospect
        self._said: int | None = None
        self.is_hopeless = False
        self._published: object = None

    async def run(self) -> None:
        asked = let_go = monotonic()
        while True:
            begun = monotonic()
            await asyncio.sleep(LOOKS_EVERY_SECONDS)
            await self._pass_gaps()
            if self._work.intake.waiting_for is not None:
                self._metrics.ledger_wait.inc(monotonic() - begun)
                await self._publish_heads()
            if monotonic() - asked > ASKS_EVERY_SECONDS:
                asked = monotonic()
                # Who has nothing to write would not notice another file.
                await self._store.call(lambda store: store.check_file())
                await self._lose_patience()
            if monotonic() - let_go > LETS_GO_EVERY_SECONDS:
                let_go = monotonic()
                await self._let_go_of_days()

    async def _pass_gaps(self) -> None:
        """Offsets behind the last record that hold none (transaction markers, what retention took): the store moves
        past them, so that the keeper sees a partition that is read to its end."""
        intake = self._work.intake
        for place, held in list(self._work.held.items()):
            position = intake.position(place)
            if position is None or position <= held.next_offset or not intake.is_idle(place):
                continue
            gap = Gap(place, held.next_offset, position)
            await self._work.check_gap(gap)
            async with held.moving:  # a batch that came meanwhile has moved the offset, or will
                is_same = self._work.held.get(place) is held and held.next_offset == gap.expected
                if is_same and intake.is_idle(place) and intake.position(place) == position:
                    skip = methodcaller("skip_to", held.owner, expected=gap.expected, next_offset=position)
                    await self._store.call(skip)
                    held.next_offset = position
                    if isinstance(held, HeldTransactions):
                        held.scored_to = position

    async def _publish_heads(self) -> None:
        heads = self._work.intake.heads()
        if heads is None:
            return
        times = {head.place: head.event_time for head in heads}
        held = [h for h in self._work.held.values() if isinstance(h, HeldTransactions)]
        wanted = [(h.owner, h.next_offset, times.get(h.place)) for h in held]
        if wanted != self._published:
            await self._store.call(lambda store: store.publish_heads(wanted))
            self._published = wanted
            self._work.moved()  # the keeper, if that is us; another one looks by itself

    async def _lose_patience(self) -> None:
        day = self._work.intake.waiting_for
        if day is None:
            self.is_hopeless = False
            return
        positions = await self._store.call(lambda store: store.positions())
        look = await self._prospect.look(day, positions, self._days.newest)
        if look.seconds >= SAYS_SO_AFTER_SECONDS and self._said != day:
            self._said = day
            log.warning("has waited %.0f s for ledger day %s: for %s", look.seconds, to_date(day), look.what_for)
        if look.is_hopeless and not self.is_hopeless:
            log.warning(
                "gives up waiting for ledger day %s: nothing moved of what it waits for, %s. What needs that day is "
                "scored with an older one, and its flags say so",
                to_date(day), look.what_for,
            )  # fmt: skip
        self.is_hopeless = look.is_hopeless
        if self.is_hopeless:
            self._work.intake.give_up()

    async def _let_go_of_days(self) -> None:
        """Ledger entries that no partition of the whole topic can ask for any more."""
        positions = await self._store.call(lambda store: store.positions())
        ends = await self._bounds.ends_of(self._topics.transactions, self._partitions)
        await self._work.let_go_of_days(slowest(positions, self._topics.transactions, ends))
