"""While transactions wait for a ledger day: tells others how far this worker is, gives up what has no prospect."""

import asyncio
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

from risk.store import Store
from risk.topics import Topics
from scorer.metrics import Metrics
from scorer.worker.arrivals import Place
from scorer.worker.days import LedgerDays
from scorer.worker.held import HeldTransactions
from scorer.worker.intake import Gap
from scorer.worker.log_bounds import LogBounds
from scorer.worker.reach import NEVER, slowest
from scorer.worker.store_thread import StoreThread
from scorer.worker.work import Work

LOOKS_EVERY_SECONDS = 0.02
ASKS_EVERY_SECONDS = 1.0
GIVES_UP_AFTER_SECONDS = 60.0
LETS_GO_EVERY_SECONDS = 10.0


class Patience:
    """How long nothing has moved, of what anybody in the system could be moving."""

    def __init__(self, limit_seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._limit = limit_seconds
        self._clock = clock
        self._seen: Any = None
        self._since = clock()

    def is_over(self, standing: Any) -> bool:
        """`standing`: where everything is now; any change begins the wait anew."""
        if standing != self._seen:
            self._seen, self._since = standing, self._clock()
        return self._clock() - self._since >= self._limit


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
        give_up_seconds: float = GIVES_UP_AFTER_SECONDS,
    ) -> None:
        self._topics = topics
        self._work = work
        self._days = days
        self._store = store
        self._partitions = partitions
        self._metrics = metrics
        self._bounds = bounds
        self._patience = Patience(give_up_seconds)
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
                await self._store.call(Store.check_file)  # who has nothing to write would not notice another file
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
                    skip = partial(Store.skip_to, owner=held.owner, expected=gap.expected, next_offset=position)
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
        """What transactions wait for can come from other transactions, from labels that lie there unread, and from the
        ledger; labels that trickle in all day are no reason to go on waiting."""
        if self._work.intake.waiting_for is None:
            self.is_hopeless = False
            return
        positions = await self._store.call(lambda store: store.positions())
        ends = await self._bounds.ends(Place(self._topics.labels, number) for number in range(self._partitions))
        moving = [
            (position.topic, position.partition, position.next_offset, position.waiting_head)
            for position in positions
            if position.next_offset < ends.get(Place(position.topic, position.partition), NEVER)
            or position.topic == self._topics.transactions
        ]
        self.is_hopeless = self._patience.is_over((moving, self._days.newest))
        if self.is_hopeless:
            self._work.intake.give_up()

    async def _let_go_of_days(self) -> None:
        """Ledger entries that no partition of the whole topic can ask for any more."""
        positions = await self._store.call(lambda store: store.positions())
        ends = await self._bounds.ends_of(self._topics.transactions, self._partitions)
        await self._work.let_go_of_days(slowest(positions, self._topics.transactions, ends))
