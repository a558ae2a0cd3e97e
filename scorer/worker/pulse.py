"""Whether there is work to do, as the broker's ends and the store's offsets say: not as the consumer believes that is
watched, which sees no lag when it has stopped fetching."""

import asyncio
from collections.abc import Callable
from time import monotonic, time

from scorer.metrics import Metrics
from scorer.worker.arrivals import Place
from scorer.worker.log_bounds import LogBounds
from scorer.worker.ownership import Ownership
from scorer.worker.watchdog import Progress

ASKS_EVERY_SECONDS = 5.0
# Who could not ask for so long has a loop that hangs, or a broker that is away.
OLD_SECONDS = 30.0


class Pulse:
    """Asks in the worker's loop; answers in the watchdog's thread."""

    def __init__(
        self,
        ownership: Ownership,
        bounds: LogBounds,
        metrics: Metrics,
        topic: str,
        is_hopeless: Callable[[], bool],
        is_store_held: Callable[[], bool],
    ) -> None:
        """`topic`: asked about while no partition is held. `is_hopeless`: a wait for a ledger day that was given up
        is no excuse any more. `is_store_held`: by another process, which the next worker would wait for as well."""
        self._ownership = ownership
        self._bounds = bounds
        self._metrics = metrics
        self._topic = topic
        self._is_hopeless = is_hopeless
        self._is_store_held = is_store_held
        self._behind = 0
        self._asked = monotonic()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(ASKS_EVERY_SECONDS)
            owned = dict(self._ownership.partitions)
            ends = await self._bounds.ends(owned or [Place(self._topic, 0)])
            self._metrics.broker_answered.set(time())
            self._behind = sum(max(0, end - owned[place].next_offset) for place, end in ends.items() if place in owned)
            self._asked = monotonic()

    def progress(self) -> Progress:
        is_old = monotonic() - self._asked > OLD_SECONDS
        return Progress(
            has_work=self._behind > 0 or is_old or self._ownership.is_taking_over,
            is_waiting=not is_old and (self._is_store_held() or self._waits_for_a_day()),
            mark=[(place, partition.next_offset) for place, partition in list(self._ownership.partitions.items())],
        )

    def _waits_for_a_day(self) -> bool:
        return self._ownership.intake.waiting_for is not None and not self._is_hopeless()
