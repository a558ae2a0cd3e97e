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
from risk.diagnosis import Unread
from risk.kafka.log import Bounds
from risk.kafka.sending import Message
from risk.kafka.topic_states import LARGEST_INPUT
from risk.rejects import shortened

BATCH = 500
# What goes into a topic for sure, with a batch's own bytes around it. Larger ones came packed, and would be rejected
# again for their size.
LARGEST_SENT = LARGEST_INPUT - 1_000


class Found(NamedTuple):
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Shelf(Protocol):
    async def marks(self, place: Place, begin: int) -> Marks: ...

    async def read(self, place: Place, offset: int, most: int) -> tuple[list[Found], int]:
        """Some messages from this offset on, and the offset behind what was read, which may hold none."""
        ...

    async def original(self, place: Place, offset: int) -> Found | None:
        """What was rejected, read where it came from; None where it is gone."""
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
        self.repeated = self.not_understood = self.gone = self.too_large = 0
        self._shelf, self._delivery, self._reason, self._limit = shelf, delivery, reason, limit
        self._sources, self._is_stopping = sources, is_stopping
        self._seen: set[tuple[Place, int, int]] = set()

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
                message = await self._whole(reject)
                if message is not None:
                    self.sent[reject.reason] += 1
                    parcels.setdefault(reject.place, []).append(message)
        if self._delivery is not None:
            await self._shelf.check(place)
            await self._delivery.deliver(parcels)
            marks.pass_to(behind, self._reason)
            await self._shelf.note(place, marks)
        return behind

    async def _whole(self, reject: Reject) -> Message | None:
        """The message as it was; None where it cannot be sent again, which is counted."""
        message = reject.message
        if not reject.is_whole:
            found = await self._shelf.original(reject.place, reject.source_offset)
            if found is None or isinstance(found.value, Unread) or not reject.is_of(found.value):
                self.gone += 1
                return None
            message = Message(found.key, found.value)
        # Also of a whole one: a worker writes none so large, and one that somebody else wrote would end every run.
        if len(message.key or b"") + len(message.value or b"") > LARGEST_SENT:
            self.too_large += 1
            return None
        return message

    def _is_wanted(self, reject: Reject, offset: int, marks: Marks) -> bool:
        if self._reason not in (None, reject.reason) or offset < marks.next_of(reject.reason):
            return False
        # With its bytes, in the form of today's workers: what somebody else wrote of the same offset hides nothing.
        one = (reject.place, reject.source_offset, hash(shortened(reject.message)[:2]))
        if one in self._seen:  # a worker that was killed may have rejected it twice
            self.repeated += 1
            return False
        self._seen.add(one)
        return True
