"""The ledger days of their topic, taken in as far as the flags say that they were: never a day more.

A flag names the newest day that it was scored with. A worker that waited in vain for a day went on without it, and what
it scored is recomputed without it too, as long as that flag says so.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aiokafka import TopicPartition

from risk.block import Block
from risk.codes import Array
from risk.engine import Engine
from risk.kafka.batches import Missing, apart
from risk.kafka.log import Bounds, LogReader
from risk.ledger_day import LedgerDay, LedgerTerms
from risk.ledger_log import ClosedDay, DayReader
from scorer.ledger.closed_days import NEVER, DayQueue, LedgerDays


class Survey(NamedTuple):
    """What days there are, by their terms; from where to where the topic was read."""

    place: TopicPartition
    bounds: Bounds
    days: dict[LedgerTerms, LedgerDays]
    unreadable: int
    gone: Sequence[Missing]  # what compaction took

    def first_of(self, terms: LedgerTerms) -> int | None:
        """The first day with a transaction."""
        return self.days.get(terms, LedgerDays(terms)).first_of(terms)

    def went_without(self, terms: LedgerTerms, needed: int, used: int | None) -> bool:
        """Whether a flag that needed this day and used that one went on without what was due."""
        return self.days.get(terms, LedgerDays(terms)).went_without(needed, used)


async def survey(reader: LogReader, place: TopicPartition) -> Survey:
    """Reads the topic once, to know what days there are; they are not kept, because there may be many. The reader tells
    what compaction took."""
    bounds = (await reader.bounds([place]))[place]
    days: dict[LedgerTerms, LedgerDays] = {}
    topic = _Topic(reader, place, bounds)
    while not topic.is_read:
        for day in await topic.read():
            terms = day.closed.terms
            days.setdefault(terms, LedgerDays(terms)).add(day)
    return Survey(place, bounds, days, topic.days.unreadable, topic.gone)


class NoMore:
    """The source of days of an engine that is given its days by `add_day`."""

    def see(self, block: Block, rows: Array) -> None:
        """Days are read, not made."""

    def closed_until(self, day: int) -> Iterable[LedgerDay]:  # noqa: ARG002 - as the engine calls it
        return ()


class DaysAlongside:
    """Days for the engines of one partition, read as far as its flags have come."""

    def __init__(self, reader: LogReader, known: Survey, engines: Iterable[Engine]) -> None:
        self._topic = _Topic(reader, known.place, known.bounds)
        self._newest: dict[LedgerTerms, int] = {}
        self._listeners = [
            (engine.terms.ledger_terms, engine, DayQueue((), has_begun=False))
            for engine in engines
            if engine.feature_set.has_ledger
        ]

    async def take_in(self, terms: LedgerTerms, day: int) -> None:
        """The days up to this one, for every engine of these terms."""
        while self._newest.get(terms, NEVER) < day and not self._topic.is_read:
            for found in await self._topic.read():
                self._newest[found.closed.terms] = found.closed.day
                for wanted, _, source in self._listeners:
                    if wanted == found.closed.terms:
                        source.add(found)
        for wanted, engine, source in self._listeners:
            if wanted == terms:
                for closed_day in source.closed_until(day):
                    engine.add_day(closed_day)


class _Topic:
    """The ledger's topic from its beginning to where it ended."""

    def __init__(self, reader: LogReader, place: TopicPartition, bounds: Bounds) -> None:
        self._reader = reader
        self._place = place
        self._end = bounds.end
        self.days = DayReader()
        self.gone: list[Missing] = []
        self.is_read = bounds.begin >= bounds.end
        reader.begin({place: bounds.begin})

    async def read(self) -> list[ClosedDay]:
        """The days that the next records make whole."""
        records, reached = await self._reader.next(self._place, self._end)
        records, gone = apart(records)
        self.gone += gone
        found = [self.days.read(record.offset, record.value) for record in records]
        self.is_read = reached >= self._end
        return [day for day in found if day is not None]
