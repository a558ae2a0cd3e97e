"""Outputs that were sent already and are not in the store, after a crash or with an older store.

An output that is there with identical bytes is not sent again. Outputs are read alongside their source, for both lie in
the order of source offsets, so that little is in memory however much there is: repeats of what was sent earlier may
come in between, and bring nothing new.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from hashlib import sha256
from typing import NamedTuple, TypeGuard

from aiokafka import TopicPartition

from risk.events import Rejected
from risk.kafka.decoding import Record
from risk.kafka.log import LogReader
from risk.kafka.sending import Message
from risk.outputs import HighRiskAlert, RiskFlag, decode_alert, decode_flag, versions_in, versions_of
from risk.rejects import read_reject_headers, shortened
from risk.store import Outputs
from risk.versions import Versions
from scorer.log.chunks import Place
from scorer.log.outputs import Out, Outgoing, Outs

# Of one source offset at most so many different values are remembered: a worker leaves two or three.
VALUES_OF_ONE = 8

# A value as an older version wrote it: what is there in that shape is what is wanted.
AsOlder = Callable[[bytes], bytes]


def as_it_is(raw: bytes) -> bytes:
    """Rejects are the original bytes, whatever they are."""
    return raw


class Skipped(Enum):
    """Why a message on an output topic is not compared with anything."""

    OTHER_SOURCE = "a worker wrote it, of another topic's record"
    FOREIGN = "no worker wrote it"


SourceOf = Callable[[Record], int | Skipped]


def is_of(output: RiskFlag | HighRiskAlert | Rejected, source: Place) -> TypeGuard[RiskFlag | HighRiskAlert]:
    """Whether a worker can have written this of a record of that partition. Anybody can write to a topic, and what is
    taken for an output decides with which bundle a transaction is scored, and with which rules."""
    return (
        not isinstance(output, Rejected)
        and (output.source_topic, output.source_partition) == source
        and output.source_offset >= 0
        and versions_of(output) is not None
    )


def source_of_flag(source: Place, end: int) -> SourceOf:
    """The source offset of a flag that a worker wrote of a record before `end`."""
    return lambda record: _source(decode_flag(record.value), source, end)


def source_of_alert(source: Place, end: int) -> SourceOf:
    return lambda record: _source(decode_alert(record.value), source, end)


def _source(output: RiskFlag | HighRiskAlert | Rejected, source: Place, end: int) -> int | Skipped:
    return output.source_offset if is_of(output, source) and output.source_offset < end else Skipped.FOREIGN


def source_of_reject(source: Place, end: int, inputs: Sequence[str]) -> SourceOf:
    """The source offset of a reject of this partition. `inputs`: the topics that have their rejects in one."""

    def of(record: Record) -> int | Skipped:
        named = read_reject_headers(record.headers)
        if named is None or named.partition != source.partition or named.topic not in inputs:
            return Skipped.FOREIGN
        if named.topic != source.topic:
            return Skipped.OTHER_SOURCE
        return named.offset if named.offset < end else Skipped.FOREIGN

    return of


class SentValue(NamedTuple):
    """What is remembered of a value: what tells it from others, and what it says that it was decided by. Not the value
    itself: of what somebody else wrote one can be megabytes, which came packed as a few kilobytes."""

    digest: bytes | None
    versions: Versions | None


def sent_value(value: bytes | None) -> SentValue:
    return SentValue(_digest(value), versions_in(value))


def _digest(value: bytes | None) -> bytes | None:
    return None if value is None else sha256(value).digest()


class Sendable(NamedTuple):
    """What is still to be sent, and how much was not sent again or differed from what was there."""

    missing: list[Out]
    present: int
    different: int


def _pass_over(_: Record) -> None:
    """Whoever reads it does not count it."""


class OutputRange(NamedTuple):
    """One output partition to read back, from an offset up to its end as it is now."""

    place: TopicPartition
    first: int
    end: int
    source: SourceOf
    on_foreign: Callable[[Record], None] = _pass_over
    as_older: AsOlder = as_it_is


class OutputReader:
    """One output partition, read from an offset up to where it ended when the reading began. What is there is for
    `OutputRange.source`, which sees every record in passing."""

    def __init__(self, reader: LogReader, wanted: OutputRange) -> None:
        self._reader = reader
        self._range = wanted
        self._reached = -1  # the largest source offset that was seen
        self.end = wanted.end
        self.is_read = wanted.first >= wanted.end

    async def read_to(self, source_offset: int) -> None:
        """Until everything that is there of this source offset and those before it has been seen, as far as the order
        tells: a message that somebody else wrote may name an offset far ahead."""
        while not self.is_read and self._reached <= source_offset:
            await self._read()

    async def _read(self) -> None:
        records, reached = await self._reader.next(self._range.place, self.end)
        for record in records:
            source = self._range.source(record)
            if source is Skipped.FOREIGN:
                self._range.on_foreign(record)
            elif isinstance(source, int):
                self._found(source, record)
                self._reached = max(self._reached, source)
        self.is_read = reached >= self.end

    def _found(self, source: int, record: Record) -> None:
        """Of this source offset there is that."""


class SentOutput(OutputReader):
    """An output partition of which is remembered what is there, until it was compared."""

    def __init__(self, reader: LogReader, wanted: OutputRange) -> None:
        super().__init__(reader, wanted)
        self._values: dict[int, list[SentValue]] = {}

    async def read_on(self, wanted: Iterable[int]) -> bool:
        """To where all of these source offsets have been seen, or to the end. Whether it had to read for that: then
        what named a later offset was not ours, and the order tells from here on."""
        sought = set(wanted) - self._values.keys()
        if self.is_read or not sought:
            return False
        self._reached = -1
        while not self.is_read and sought - self._values.keys():
            await self._read()
        return True

    def _found(self, source: int, record: Record) -> None:
        # What is not a reject is never so large that this would change it.
        self._remember(source, shortened(Message(record.key, record.value)).value)

    def has(self, source_offset: int) -> bool:
        """Whether anything is there of this source offset, as far as was read."""
        return source_offset in self._values

    def has_seen(self, source_offset: int) -> bool:
        """Whether there was anything of this source offset or of a later one."""
        return source_offset <= self._reached

    def ends_before(self, source_offset: int) -> None:
        """It is read, and nothing is there of this source offset, which must have something: whatever names a later
        one is not ours."""
        self._reached = min(self._reached, source_offset - 1)

    def _remember(self, source: int, value: bytes | None) -> None:
        sent, there = sent_value(value), self._values.setdefault(source, [])
        if sent in there:
            there.remove(sent)
        there.append(sent)
        del there[:-VALUES_OF_ONE]

    def values(self, source_offset: int) -> list[SentValue]:
        """What is there of this source offset, the newest first."""
        return self._values.get(source_offset, [])[::-1]

    def sendable(self, wanted: Outs) -> Sendable:
        if not self._values:
            return Sendable(list(wanted), 0, 0)
        there = self._values
        missing = [out for out in wanted if not self._is_there(out.message.value, there.get(out.source_offset, ()))]
        different = sum(out.source_offset in there for out in missing)
        return Sendable(missing, len(wanted) - len(missing), different)

    def _is_there(self, wanted: bytes | None, there: Sequence[SentValue]) -> bool:
        if not there:
            return False
        digests = [sent.digest for sent in there]
        return _digest(wanted) in digests or (wanted is not None and _digest(self._range.as_older(wanted)) in digests)

    @property
    def is_done(self) -> bool:
        """Nothing is left to compare with."""
        return self.is_read and not self._values

    def forget_before(self, source_offset: int) -> None:
        self._values = {source: values for source, values in self._values.items() if source >= source_offset}


def read_back(reader: LogReader, wanted: Sequence[OutputRange]) -> list[SentOutput]:
    """The reader is for this alone: it reads these partitions and no others."""
    reader.begin({one.place: one.first for one in wanted})
    return [SentOutput(reader, one) for one in wanted]


class AlreadySent:
    """All outputs of one source partition that were sent already; none of them, as nearly always, if the store knows of
    everything that was sent."""

    def __init__(
        self,
        reader: LogReader | None = None,
        *,
        alerts: SentOutput | None = None,
        flags: SentOutput | None = None,
        rejects: SentOutput | None = None,
    ) -> None:
        """The reader is stopped here, once nothing is left to read."""
        self._reader = reader
        self.alerts = alerts
        self.flags = flags
        self.rejects = rejects

    @property
    def _all(self) -> list[SentOutput]:
        return [output for output in (self.alerts, self.flags, self.rejects) if output is not None]

    async def read_to(self, source_offset: int) -> None:
        for output in self._all:
            await output.read_to(source_offset)

    def was_scored(self, source_offset: int) -> bool:
        return any(output is not None and output.has(source_offset) for output in (self.flags, self.alerts))

    @property
    def names_versions(self) -> bool:
        return self.flags is not None or self.alerts is not None

    def versions(self, source_offset: int) -> list[Versions]:
        """That flags and alerts of this offset name: the flags' first, each the newest first."""
        return [*_versions(self.flags, source_offset), *_versions(self.alerts, source_offset)]

    async def read_on(self, out: Outgoing, versions: Versions, current: Versions) -> bool:
        """Looks again for what is to be sent and was not found; whether that showed more than was known when it was
        scored. `versions`: by which it was decided; `current`: by which what was never sent is.

        Messages that name an offset far ahead end the reading early, and anybody can write them; so nothing counts as
        missing before the outputs were read to their end. What a worker wrote is found without that, so such outputs
        are read no further than before."""
        if not self._all:
            return False
        flags, alerts, rejects = self.flags, self.alerts, self.rejects
        scored = out.flags.source_offsets
        # What was scored and is rejected now has a flag somewhere.
        lost = [offset for offset in _offsets(out.rejects) if rejects is None or not rejects.has(offset)]
        # A bundle or a rule set that is gone had other alerts.
        raised = [o for o in _offsets(out.alerts) if versions in (named := _versions(flags, o)) or not named]
        sought = ((flags, [*scored, *lost]), (alerts, raised), (rejects, lost))
        found = [await output.read_on(wanted) for output, wanted in sought if output is not None]
        if any(found):
            return True
        if flags is None or versions == current:
            return False
        new = next((offset for offset in scored if not flags.has(offset)), None)
        if new is None or not flags.has_seen(new):
            return False
        flags.ends_before(new)
        return True

    def forget_before(self, source_offset: int) -> None:
        for output in self._all:
            output.forget_before(source_offset)

    async def retire(self, outputs: Outputs) -> Outputs:
        """Once nothing is left to compare with, a successor need not begin to read before these ends."""
        if not self._all or not all(output.is_done for output in self._all):
            return outputs
        ends = (output.end if output else 0 for output in (self.flags, self.alerts, self.rejects))
        self.alerts = self.flags = self.rejects = None
        await self.close()
        return Outputs(*map(max, outputs, ends))

    async def close(self) -> None:
        if self._reader is not None:
            reader, self._reader = self._reader, None
            await reader.stop()


def _versions(output: SentOutput | None, source_offset: int) -> list[Versions]:
    if output is None:
        return []
    return [sent.versions for sent in output.values(source_offset) if sent.versions is not None]


def _offsets(wanted: Sequence[Out]) -> list[int]:
    return [out.source_offset for out in wanted]
