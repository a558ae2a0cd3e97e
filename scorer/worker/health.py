"""Whether a worker gets on: its lag, its waits for ledger days, the watchdog that ends it where it does not, and what
else is looked after beside the batches."""

import asyncio
import logging
import threading
from collections.abc import Callable
from time import monotonic, time
from typing import NamedTuple

from risk.clock import SECOND, to_date, to_text
from scorer.ledger.closed_days import LedgerDays, slowest
from scorer.ledger.waiting import StallTimer
from scorer.log.bounds import LogBounds
from scorer.log.chunks import Place
from scorer.metrics import Metrics
from scorer.store_thread import StoreThread
from scorer.worker.ownership import Ownership
from scorer.worker.partition import TransactionPartition

log = logging.getLogger(__name__)

# How often the watchdog looks, the broker is asked for the ends, and a wait for a ledger day is looked at.
WATCH_SECONDS = 1.0
ENDS_SECONDS = 5.0
WAIT_SECONDS = 0.02
# A broker answers within milliseconds; one that is only busy does so within this.
SILENT_SECONDS = 5.0
# A lag that is older than this is not known: the event loop hangs, or the broker is away.
OLD_SECONDS = 30.0
CHECK_SECONDS = 1.0
FORGET_SECONDS = 10.0
# Days are waited for all the time while workers catch up, for milliseconds each.
LOG_AFTER_SECONDS = 10.0


class Progress(NamedTuple):
    """What the watchdog asks: whether there is work, whether it waits for a ledger day, and a mark of what is done."""

    has_work: bool
    is_waiting: bool
    mark: object


class Watchdog:
    """Ends a worker that does not get on: in a thread of its own, because an event loop that hangs cannot watch itself.

    There are records to work on, nothing was stored for so long, and nothing waits for a ledger day: something is wrong
    that nobody noticed. Whoever started the worker starts it again, and it goes on from the store."""

    def __init__(
        self,
        ask: Callable[[], Progress],
        bite: Callable[[float], None],
        fail: Callable[[BaseException], None],
        limit_seconds: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._ask = ask
        self._bite = bite
        self._fail = fail
        self._limit = limit_seconds
        self._clock = clock
        self._mark: object = None
        self._since = clock()
        self._stopped = threading.Event()

    def look(self) -> None:
        progress = self._ask()
        if not progress.has_work or progress.is_waiting or progress.mark != self._mark:
            self._mark, self._since = progress.mark, self._clock()
        stalled = self._clock() - self._since
        if stalled > self._limit:
            self._bite(stalled)

    def start(self) -> None:
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(WATCH_SECONDS):
            try:
                self.look()
            except Exception as error:  # a watchdog that is gone would be missed by nobody
                self._fail(error)


class LagMonitor:
    """Whether there is work to do, by the broker's ends and the store's offsets: a consumer that has stopped fetching
    sees no lag. Asks in the worker's loop; answers in the watchdog's thread."""

    def __init__(
        self,
        ownership: Ownership,
        bounds: LogBounds,
        metrics: Metrics,
        topic: str,
        is_hopeless: Callable[[], bool],
        is_store_held: Callable[[], bool],
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        """`topic`: of the transactions; asked about while no partition is owned. `is_hopeless`: a wait for a ledger day
        that was given up is no excuse any more. `is_store_held`: by another process, which the next worker would wait
        for as well."""
        self._ownership = ownership
        self._bounds = bounds
        self._metrics = metrics
        self._topic = topic
        self._is_hopeless = is_hopeless
        self._is_store_held = is_store_held
        self._silent_seconds = silent_seconds
        self._is_silent = False
        self._behind: set[Place] = set()
        self._asked = monotonic()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(ENDS_SECONDS)
            await self.ask()

    async def ask(self) -> None:
        """Says so while no broker answers: the client names only its nodes, and never says that one is back."""
        answered = self._asked
        telling = asyncio.get_running_loop().call_later(self._silent_seconds, self._say_silent)
        try:
            await self.look()
        finally:
            telling.cancel()
        if self._is_silent:
            self._is_silent = False
            log.info("Kafka answers again, after %.0f s; goes on where it was", self._asked - answered)

    def _say_silent(self) -> None:
        self._is_silent = True
        since = int(time() - (monotonic() - self._asked)) * SECOND
        log.warning(
            "Kafka has not answered since %s. Nothing is scored until it does, and nothing is lost. Waits for about a "
            "minute where there is work, some three where there is none; then ends with status 5, to be started again",
            to_text(since),
        )

    async def look(self) -> None:
        owned = dict(self._ownership.partitions)
        # What lies behind an open transaction is no work yet: the next worker would get no further.
        ends = await self._bounds.stable_ends(owned or [Place(self._topic, 0)])
        self._metrics.broker_answered.set(time())
        self._behind = {place for place, end in ends.items() if place in owned and end > owned[place].next_offset}
        self._asked = monotonic()

    def progress(self) -> Progress:
        is_old = monotonic() - self._asked > OLD_SECONDS
        # Labels that flow say nothing of transactions that are stuck.
        is_scoring = any(place.topic == self._topic for place in self._behind)
        return Progress(
            has_work=bool(self._behind) or is_old or self._ownership.is_taking_over,
            is_waiting=not is_old and (self._is_store_held() or self._waits_for_a_day()),
            mark=[
                (place, partition.next_offset)
                for place, partition in list(self._ownership.partitions.items())
                if place.topic == self._topic or not is_scoring
            ],
        )

    def _waits_for_a_day(self) -> bool:
        return self._ownership.buffer.waiting_for is not None and not self._is_hopeless()


class LedgerWait:
    """A wait for a ledger day, beside the batches: says in the store what waits, so that the day can be closed, and
    gives up where nothing moves. What it writes is guarded by epoch and offset: it can come too late, but not wrong."""

    def __init__(
        self,
        *,
        ownership: Ownership,
        days: LedgerDays,
        store: StoreThread,
        metrics: Metrics,
        stall_timer: StallTimer,
    ) -> None:
        self._ownership = ownership
        self._days = days
        self._store = store
        self._metrics = metrics
        self._stall_timer = stall_timer
        self._said: int | None = None
        self.is_hopeless = False
        self._published: object = None

    async def run(self) -> None:
        asked = monotonic()
        while True:
            begun = monotonic()
            await asyncio.sleep(WAIT_SECONDS)
            await self._ownership.skip_empty_ends()
            if self._ownership.buffer.waiting_for is not None:
                self._metrics.ledger_wait.inc(monotonic() - begun)
                await self._publish_heads()
            if monotonic() - asked > CHECK_SECONDS:
                asked = monotonic()
                await self._check_stall()

    async def _publish_heads(self) -> None:
        heads = self._ownership.buffer.heads()
        if heads is None:
            return
        times = {head.place: head.event_time for head in heads}
        owned = [p for p in self._ownership.partitions.values() if isinstance(p, TransactionPartition)]
        wanted = [(p.owner, p.next_offset, times.get(p.place)) for p in owned]
        if wanted != self._published:
            await self._store.call(lambda store: store.publish_heads(wanted))
            self._published = wanted
            self._ownership.on_commit()  # the ledger closer, if that is us; another one looks by itself

    async def _check_stall(self) -> None:
        day = self._ownership.buffer.waiting_for
        if day is None:
            self.is_hopeless = False
            return
        positions = await self._store.call(lambda store: store.positions())
        look = await self._stall_timer.look(day, positions, self._days.newest)
        if look.seconds >= LOG_AFTER_SECONDS and self._said != day:
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
            self._ownership.buffer.give_up()


class Upkeep:
    """What nobody else would notice, because it does not come with a batch."""

    def __init__(
        self, *, topic: str, partitions: int, ownership: Ownership, store: StoreThread, bounds: LogBounds
    ) -> None:
        """`topic`: of the transactions."""
        self._topic = topic
        self._partitions = partitions
        self._ownership = ownership
        self._store = store
        self._bounds = bounds

    async def run(self) -> None:
        forgot = monotonic()
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            # Who has nothing to write would not notice another file.
            await self._store.call(lambda store: store.check_file())
            if monotonic() - forgot > FORGET_SECONDS:
                forgot = monotonic()
                await self._forget_days()

    async def _forget_days(self) -> None:
        """Ledger days that no partition of the whole topic can ask for any more."""
        positions = await self._store.call(lambda store: store.positions())
        ends = await self._bounds.ends_of(self._topic, self._partitions)
        await self._ownership.forget_days(slowest(positions, self._topic, ends))
