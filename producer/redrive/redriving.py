"""The rejects, partition by partition, up to their ends as of now: picked, sent back, and only then noted as sent.

Between sending and noting a program can be killed. Then at most one batch is sent a second time by the next run; what
was good of it a worker counts as duplicates.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from producer.delivery.already import Place
from producer.redrive.marks import Marks
from producer.redrive.rejects import Reject, reject_of
from risk.kafka.sending import Message

BATCH = 500


class Found(NamedTuple):
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Bounds(NamedTuple):
    """The rejects of one partition that are looked at."""

    begin: int
    end: int


class Shelf(Protocol):
    async def marks(self, place: Place, begin: int) -> Marks: ...

    async def read(self, place: Place, offset: int, most: int) -> tuple[list[Found], int]:
        """Some messages from this offset on, and the offset behind what was read, which may hold none."""
        ...

    async def check(self, place: Place) -> None:
        """BrokerError where somebody else does the same."""
        ...

    async def note(self, place: Place, marks: Marks) -> None: ...


class Deliver(Protocol):
    async def deliver(self, parcels: Mapping[Place, list[Message]], /) -> None: ...


class Redrive:
    def __init__(
        self,
        shelf: Shelf,
        delivery: Deliver | None,
        *,
        reason: str | None,
        limit: int | None,
        sources: frozenset[Place],
        is_stopping: Callable[[], bool],
    ) -> None:
        """Without a `delivery` it only counts. `sources` are the places that a message may have come from."""
        self.sent: Counter[str] = Counter()
        self.repeated = self.not_understood = 0
        self._shelf, self._delivery, self._reason, self._limit = shelf, delivery, reason, limit
        self._sources, self._is_stopping = sources, is_stopping
        self._seen: set[tuple[Place, int]] = set()

    async def run(self, bounds: Mapping[Place, Bounds]) -> bool:
        """Whether it came to the end of all of them."""
        for place, (begin, end) in sorted(bounds.items()):
            marks = await self._shelf.marks(place, begin)
            offset = max(begin, marks.first(self._reason))
            while offset < end:
                if self._is_stopping() or self.sent.total() == self._limit:
                    return False
                found, behind = await self._shelf.read(place, offset, min(BATCH, end - offset))
                offset = await self._redrive(place, marks, found, behind)
        return True

    async def _redrive(self, place: Place, marks: Marks, found: Sequence[Found], behind: int) -> int:
        """The offset behind what is done."""
        parcels: dict[Place, list[Message]] = {}
        for one in found:
            if self.sent.total() == self._limit:
                behind = one.offset
                break
            reject = reject_of(one.key, one.value, one.headers, self._sources)
            if reject is None:
                self.not_understood += 1
            elif self._is_wanted(reject, one.offset, marks):
                self.sent[reject.reason] += 1
                parcels.setdefault(reject.place, []).append(reject.message)
        if self._delivery is not None:
            await self._shelf.check(place)
            await self._delivery.deliver(parcels)
            marks.pass_to(behind, self._reason)
            await self._shelf.note(place, marks)
        return behind

    def _is_wanted(self, reject: Reject, offset: int, marks: Marks) -> bool:
        if self._reason not in (None, reject.reason) or offset < marks.next_of(reject.reason):
            return False
        source = (reject.place, reject.source_offset)
        if source in self._seen:  # a worker that was killed may have rejected it twice
            self.repeated += 1
            return False
        self._seen.add(source)
        return True
