"""Whether a wait for a ledger day goes on: where everything stands that can bring the day, and since when."""

from collections.abc import Callable, Mapping, Sequence
from time import monotonic, time
from typing import NamedTuple

from risk.store import Position
from risk.topics import Topics
from scorer.ledger.closer import ClosingTerms, Ends, ahead_at_most, last_due, last_past, reached
from scorer.log.chunks import Place

GIVES_UP_AFTER_SECONDS = 60.0


class Look(NamedTuple):
    """What a look at a wait says: how long it has lasted, what it is for, and whether that has stood still for too
    long."""

    seconds: float
    what_for: str
    is_hopeless: bool


class StallTimer:
    """Of a wait for a ledger day: where everything stands that can bring it, and how long nothing of that has moved.

    A day is closed when every partition of transactions is past it, and when the labels are read that were there then.
    Labels that come later, and transactions of partitions that are past it, may move for ever and bring nothing."""

    def __init__(
        self,
        *,
        topics: Topics,
        partitions: int,
        terms: ClosingTerms,
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
                # The day is due when the last of them is past it, and what was sent until then counts. The closer notes
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
