"""What the output partitions hold already from the store's position on, after a crash or with an older store.

An output that is there with identical bytes is not sent again. It is read alongside the source, for both lie in the
order of their source offsets, so that memory holds little however much there is: repeats of what was sent earlier may
come in between, and bring nothing new.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from hashlib import sha256
from typing import NamedTuple, TypeGuard

from aiokafka import TopicPartition

from risk.bundle import is_version
from risk.events import Rejected
from risk.kafka.log import LogReader
from risk.kafka.sending import Message
from risk.outputs import HighRiskAlert, RiskFlag, bundle_of, decode_alert, decode_flag
from risk.rejects import read_reject_headers, shortened
from scorer.worker.arrivals import Place, Record
from scorer.worker.outgoing import Out

# Of one source offset at most so many different values are remembered: a worker leaves two or three.
VALUES_OF_ONE = 8

# A value as an older version wrote it: what is there in that shape is what is wanted.
AsOlder = Callable[[bytes], bytes]


def as_it_is(raw: bytes) -> bytes:
    """Rejects are the original bytes, whatever they are."""
    return raw


class Passed(Enum):
    """Why a message on an output topic is not compared with anything."""

    OTHER_SOURCE = "a worker wrote it, of another topic's record"
    FOREIGN = "no worker wrote it"


SourceOf = Callable[[Record], int | Passed]


def is_of(output: RiskFlag | HighRiskAlert | Rejected, source: Place) -> TypeGuard[RiskFlag | HighRiskAlert]:
    """Whether a worker can have written this of a record of that partition. Anybody can write to a topic, and what is
    taken for an output decides with which bundle a transaction is scored."""
    return (
        not isinstance(output, Rejected)
        and (output.source_topic, output.source_partition) == source
        and output.source_offset >= 0
        and is_version(output.bundle_version)
    )


def source_of_flag(source: Place, end: int) -> SourceOf:
    """The source offset of a flag that a worker wrote of a record before `end`."""
    return lambda record: _source(decode_flag(record.value), source, end)


def source_of_alert(source: Place, end: int) -> SourceOf:
    return lambda record: _source(decode_alert(record.value), source, end)


def _source(output: RiskFlag | HighRiskAlert | Rejected, source: Place, end: int) -> int | Passed:
    return output.source_offset if is_of(output, source) and output.source_offset < end else Passed.FOREIGN


def source_of_reject(source: Place, end: int, inputs: Sequence[str]) -> SourceOf:
    """The source offset of a reject of this partition. `inputs`: the topics that have their rejects in one."""

    def of(record: Record) -> int | Passed:
        told = read_reject_headers(record.headers)
        if told is None or told.partition != source.partition or told.topic not in inputs:
            return Passed.FOREIGN
        if told.topic != source.topic:
            return Passed.OTHER_SOURCE
        return told.offset if told.offset < end else Passed.FOREIGN

    return of


class Told(NamedTuple):
    """What is remembered of a value: what tells it from others, and the bundle that it names. Not the value itself: of
    what somebody else wrote one can be megabytes, which came packed as a few kilobytes."""

    digest: bytes | None
    bundle: str | None


def told_by(value: bytes | None) -> Told:
    bundle = bundle_of(value)
    return Told(_digest(value), bundle if bundle is not None and is_version(bundle) else None)


def _digest(value: bytes | None) -> bytes | None:
    return None if value is None else sha256(value).digest()


class Sendable(NamedTuple):
    """What is still to be sent, and how much was not sent again or differed from what was there."""

    missing: list[Out]
    present: int
    different: int


class Shelf:
    """One output partition, read from an offset up to where it ended when the reading began."""

    def __init__(
        self,
        reader: LogReader,
        place: TopicPartition,
        first: int,
        end: int,
        source: SourceOf,
        on_foreign: Callable[[Record], None],
        as_older: AsOlder,
    ) -> None:
        self._reader = reader
        self._place = place
        self.end = end
        self._source = source
        self._on_foreign = on_foreign
        self._as_older = as_older
        self._held: dict[int, list[Told]] = {}
        self._reached = -1  # the largest source offset that was seen
        self.is_read = first >= end

    async def read_to(self, source_offset: int) -> None:
        """Until everything that is there of this source offset and those before it has been seen, as far as the order
        tells: a message that somebody else wrote may name an offset far ahead."""
        while not self.is_read and self._reached <= source_offset:
            await self._read()

    async def read_on(self, wanted: Iterable[int]) -> bool:
        """To where all of these source offsets have been seen, or to the end. Whether it had to read for that: then
        what named a later offset was not ours, and the order tells from here on."""
        sought = set(wanted) - self._held.keys()
        if self.is_read or not sought:
            return False
        self._reached = -1
        while not self.is_read and sought - self._held.keys():
            await self._read()
        return True

    async def _read(self) -> None:
        records, reached = await self._reader.next(self._place, self.end)
        for record in records:
            source = self._source(record)
            if source is Passed.FOREIGN:
                self._on_foreign(record)
            elif isinstance(source, int):
                # What is not a reject is never so large that this would change it.
                self._hold(source, shortened(Message(record.key, record.value)).value)
                self._reached = max(self._reached, source)
        self.is_read = reached >= self.end

    def holds(self, source_offset: int) -> bool:
        """Whether anything is there of this source offset, as far as was read."""
        return source_offset in self._held

    def has_seen(self, source_offset: int) -> bool:
        """Whether there was anything of this source offset or of a later one."""
        return source_offset <= self._reached

    def ends_before(self, source_offset: int) -> None:
        """It is read, and nothing is there of this source offset, which must have something: whatever names a later
        one is not ours."""
        self._reached = min(self._reached, source_offset - 1)

    def _hold(self, source: int, value: bytes | None) -> None:
        told, held = told_by(value), self._held.setdefault(source, [])
        if told in held:
            held.remove(told)
        held.append(told)
        del held[:-VALUES_OF_ONE]

    def told(self, source_offset: int) -> list[Told]:
        """What is there of this source offset, the newest first."""
        return self._held.get(source_offset, [])[::-1]

    def sendable(self, wanted: Sequence[Out]) -> Sendable:
        if not self._held:
            return Sendable(list(wanted), 0, 0)
        held = self._held
        missing = [out for out in wanted if not self._is_there(out.message.value, held.get(out.source_offset, ()))]
        different = sum(out.source_offset in held for out in missing)
        return Sendable(missing, len(wanted) - len(missing), different)

    def _is_there(self, wanted: bytes | None, there: Sequence[Told]) -> bool:
        if not there:
            return False
        digests = [told.digest for told in there]
        return _digest(wanted) in digests or (wanted is not None and _digest(self._as_older(wanted)) in digests)

    @property
    def is_done(self) -> bool:
        """Nothing is left to compare with."""
        return self.is_read and not self._held

    def forget_before(self, source_offset: int) -> None:
        self._held = {source: values for source, values in self._held.items() if source >= source_offset}


def _pass_over(_: Record) -> None:
    """Whoever reads it does not count it."""


class Opening(NamedTuple):
    """One output partition to read back, from an offset up to its end as it is now."""

    place: TopicPartition
    first: int
    end: int
    source: SourceOf
    on_foreign: Callable[[Record], None] = _pass_over
    as_older: AsOlder = as_it_is


def open_shelves(reader: LogReader, openings: Sequence[Opening]) -> list[Shelf]:
    """The reader is the shelves' alone: it is told to read these partitions and no others."""
    reader.begin({opening.place: opening.first for opening in openings})
    return [Shelf(reader, *opening) for opening in openings]
