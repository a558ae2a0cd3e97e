"""How much may go now: so many a second, so many times as fast as it happened, and nothing before it happened."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from producer.replay.sequence import Entry
from risk.events import Label

# What was held up may be caught up at once only so far: --rate is a promise to whoever is behind it.
BURST_SECONDS = 0.2
SHORTEST_WAIT = 0.005


class Times(Protocol):
    """Seconds, and event time; so that tests need no clock."""

    def seconds(self) -> float: ...

    def now_ms(self) -> int: ...


class Ready(NamedTuple):
    """So many entries may go; otherwise look again after so many seconds."""

    entries: int
    wait: float


class Pace:
    def __init__(self, clock: Times, rate: float | None, speed: float | None, *, is_live: bool) -> None:
        """`is_live`: what is dated ahead of the clock waits for it."""
        self.behind = 0.0  # seconds behind the speed that was asked for
        self._clock, self._rate, self._speed, self._is_live = clock, rate, speed, is_live
        self._credit = 1.0
        self._counted_at = clock.seconds()
        self._started: tuple[float, int] | None = None

    def ready(self, entries: Sequence[Entry], first: int, room: int | None) -> Ready:
        """How many of the entries from `first` on; `room` is how many transactions there is room for."""
        now = self._clock.seconds()
        budget = self._budget(now)
        if room is not None:
            budget = min(budget, room)
        horizon = self._horizon(entries[first].due, now)
        if horizon is None and budget >= len(entries) - first:
            return Ready(len(entries) - first, 0.0)
        count, transactions = 0, 0
        for due, event in entries[first:]:
            if horizon is not None and due > horizon:
                return Ready(count, self._until_due(due, now))
            if type(event) is not Label:
                if transactions == budget:
                    break
                transactions += 1
            count += 1
        return Ready(count, SHORTEST_WAIT)

    def sent(self, transactions: int) -> None:
        self._credit -= transactions

    def _budget(self, now: float) -> int:
        if self._rate is None:
            return 1 << 62
        most = max(1.0, self._rate * BURST_SECONDS)
        self._credit = min(most, self._credit + (now - self._counted_at) * self._rate)
        self._counted_at = now
        return max(0, int(self._credit))

    def _horizon(self, first_due: int, now: float) -> int | None:
        """What is due by now; None where that does not matter."""
        limits = []
        if self._speed is not None:
            if self._started is None:
                self._started = (now, first_due)
            began, began_at = self._started
            limit = began_at + int((now - began) * 1000 * self._speed)
            self.behind = max(0.0, (limit - first_due) / 1000 / self._speed)
            limits.append(limit)
        if self._is_live:
            limits.append(self._clock.now_ms())
        return min(limits) if limits else None

    def _until_due(self, due: int, now: float) -> float:
        waits = [SHORTEST_WAIT]
        if self._speed is not None and self._started is not None:
            began, began_at = self._started
            waits.append(began + (due - began_at) / 1000 / self._speed - now)
        if self._is_live:
            waits.append((due - self._clock.now_ms()) / 1000)
        return max(waits)
