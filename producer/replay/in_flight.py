"""How many transactions are in the topic that the scorers have not committed, and whether there is room for more."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from producer.delivery.already import Place

POLL_SECONDS = 0.2


class Clock(Protocol):
    def seconds(self) -> float: ...


Committed = Callable[[], Awaitable[Mapping[Place, int]]]  # a partition without a commit is not there


class InFlight:
    """Asks the group only when what it last knew leaves no room, and then a few times a second at most."""

    def __init__(
        self,
        limit: int | None,
        committed: Committed,
        begins: Mapping[Place, int],
        ends: Mapping[Place, int],
        clock: Clock,
    ) -> None:
        """`begins` names the topic's partitions and where they begin; `ends` moves on as messages are acknowledged."""
        self.has_scorer = False
        self._limit, self._committed, self._clock = limit, committed, clock
        self._begins, self._ends = begins, ends
        self._known = dict(begins)
        self._asked_at = float("-inf")

    @property
    def count(self) -> int:
        return sum(max(0, self._ends[place] - known) for place, known in self._known.items())

    async def room(self, wanted: int) -> int | None:
        """For how many transactions; None where there is no limit."""
        if self._limit is None:
            return None
        if self._limit - self.count < min(wanted, self._limit):
            await self.look()
        return max(0, self._limit - self.count)

    async def look(self) -> None:
        now = self._clock.seconds()
        if now - self._asked_at < POLL_SECONDS:
            return
        self._asked_at = now
        committed = await self._committed()
        self.has_scorer = bool(committed)
        for place, offset in committed.items():
            self._known[place] = max(offset, self._begins[place])
