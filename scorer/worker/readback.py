"""What the output partitions hold already from the store's position on, after a crash or with an older store.

An output that is there with identical bytes is not sent again. It is read alongside the source, for both lie in the
order of their source offsets, so that memory holds little however much there is: repeats of what was sent earlier may
come in between, and bring nothing new.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from risk.outputs import source_of
from risk.topics import SOURCE_OFFSET, SOURCE_TOPIC
from scorer.worker.arrivals import Record
from scorer.worker.outgoing import Out

SourceOf = Callable[[Record], int | None]


def source_of_value(record: Record) -> int | None:
    """The source offset of a flag or an alert."""
    return None if record.value is None else source_of(record.value)


def source_of_reject(topic: str) -> SourceOf:
    """The source offset of a reject, if it came from this topic: two topics have their rejects in one."""
    wanted = topic.encode()

    def source(record: Record) -> int | None:
        headers = dict(record.headers)
        offset = headers.get(SOURCE_OFFSET, b"")
        return int(offset) if headers.get(SOURCE_TOPIC) == wanted and offset.isdigit() else None

    return source


class Sendable(NamedTuple):
    """What is still to be sent, and how much was not sent again or differed from what was there."""

    missing: list[Out]
    present: int
    different: int


class Shelf:
    """One output partition, read from an offset up to where it ended when the reading began."""

    def __init__(
        self, consumer: AIOKafkaConsumer, place: TopicPartition, first: int, end: int, source: SourceOf
    ) -> None:
        self._consumer = consumer
        self._place = place
        self.end = end
        self._source = source
        self._held: dict[int, bytes | None] = {}
        self._reached = -1  # the largest source offset that was seen
        self.is_read = first >= end

    async def read_to(self, source_offset: int) -> None:
        """Until everything that is there of this source offset and those before it has been seen."""
        while not self.is_read and self._reached <= source_offset:
            fetched = await self._consumer.getmany(self._place, timeout_ms=200)
            for record in fetched.get(self._place, ()):
                if record.offset >= self.end:
                    break
                source = self._source(record)
                if source is not None:
                    self._held[source] = record.value
                    self._reached = max(self._reached, source)
            self.is_read = await self._consumer.position(self._place) >= self.end

    def has_seen(self, source_offset: int) -> bool:
        """Whether there was anything of this source offset or of a later one."""
        return source_offset <= self._reached

    def value(self, source_offset: int) -> bytes | None:
        return self._held.get(source_offset)

    def sendable(self, wanted: Sequence[Out]) -> Sendable:
        if not self._held:
            return Sendable(list(wanted), 0, 0)
        held = self._held
        missing = [
            out for out in wanted if not (out.source_offset in held and held[out.source_offset] == out.message.value)
        ]
        different = sum(out.source_offset in held for out in missing)
        return Sendable(missing, len(wanted) - len(missing), different)

    @property
    def is_done(self) -> bool:
        """Nothing is left to compare with."""
        return self.is_read and not self._held

    def forget_before(self, source_offset: int) -> None:
        self._held = {source: value for source, value in self._held.items() if source >= source_offset}


class Opening(NamedTuple):
    """One output partition to read back, from an offset up to its end as it is now."""

    place: TopicPartition
    first: int
    end: int
    source: SourceOf


def open_shelves(consumer: AIOKafkaConsumer, openings: Sequence[Opening]) -> list[Shelf]:
    """The consumer is the shelves' alone: it is told to read these partitions and no others."""
    consumer.assign([opening.place for opening in openings])
    for opening in openings:
        consumer.seek(opening.place, opening.first)
    return [Shelf(consumer, *opening) for opening in openings]
