"""What was fetched and not yet worked on: which partition is next, how much of it, and what it must wait for.

Labels go first. Transactions go by event time: the partition with the oldest first record, and only when every
partition has one, or is read to its end. So a worker cannot wait for what lies behind in another of its own partitions.

Waiting is not handing out. Nothing is under way while a worker waits for a ledger day, so a rebalance or a stop is
never held up by a wait, and nothing of what waits has been stored, sent or committed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from risk.clock import DAY
from risk.events import Transaction
from scorer.worker.arrivals import Chunk, Event, Place, Read, Record

CHUNK = 1_000
# So many chunks may be on their way through the worker: one is worked on, one is ready behind it.
UNDER_WAY = 2


class Days(Protocol):
    """What is known of the ledger."""

    def is_known(self, day: int) -> bool:
        """Whether this day is closed, or lies before the first."""


class Head(NamedTuple):
    """The first record of a partition that was not worked on, and where it stands in time."""

    place: Place
    event_time: int


class Gap(NamedTuple):
    """A partition's log went on elsewhere than was expected."""

    place: Place
    expected: int
    found: int
    is_open: bool = False  # no record lies behind it yet


class _Line:
    """The records of one partition, waiting."""

    def __init__(self, read: Read, offset: int, newest: int) -> None:
        self.read = read
        self.expected = offset
        self.handed_out_to = offset
        self.newest = newest  # of what was handed out; what is scored can only be less
        # The newest day whose ledger was looked for. None: of a line that begins, nothing was looked for yet.
        self.looked_for: int | None = None
        self.records: list[Record] = []
        self.events: list[Event] = []
        self.open_gap_to = offset
        self.read_to: int | None = None  # the offset that would be fetched next; known after a fetch
        self.end: int | None = None

    def add(self, records: Sequence[Record]) -> None:
        self.expected = records[-1].offset + 1
        self.records += records
        self.events += self.read(records)

    def take(self, count: int) -> tuple[list[Record], list[Event]]:
        records, self.records = self.records[:count], self.records[count:]
        events, self.events = self.events[:count], self.events[count:]
        times = [event.event_time for event in events if type(event) is Transaction]
        self.newest = max(self.newest, max(times, default=self.newest))
        if times:
            self.looked_for = self.newest // DAY
        self.handed_out_to = records[-1].offset + 1
        return records, events

    @property
    def at_its_end(self) -> bool:
        return not self.records and self.read_to is not None and self.end is not None and self.read_to >= self.end

    @property
    def oldest(self) -> int:
        """When the first record happened. What cannot be read waits for nothing, so it is older than all."""
        first = self.events[0]
        return first.event_time if type(first) is Transaction else 0


class Intake:
    """What waits in one worker. `delay_days`: how far behind a transaction its ledger ends, if there is one."""

    def __init__(self, *, ordered_topic: str, delay_days: int | None, days: Days, chunk: int = CHUNK) -> None:
        self._ordered_topic = ordered_topic
        self._delay = delay_days
        self._days = days
        self._chunk = chunk
        self._lines: dict[Place, _Line] = {}
        self._under_way: dict[int, Place] = {}
        self._serial = 0
        self._given_up: int | None = None
        self.waiting_for: int | None = None  # the ledger day that the oldest head needs

    def begin(self, place: Place, read: Read, offset: int, newest: int) -> None:
        """A partition begins, or begins again, at the offset where its owner stands."""
        self._forget_under_way(place)
        self._given_up = None
        self._lines[place] = _Line(read, offset, newest)

    def drop(self, places: Iterable[Place]) -> None:
        for place in places:
            self._forget_under_way(place)
            self._lines.pop(place, None)
        self.waiting_for = None

    def _forget_under_way(self, place: Place) -> None:
        self._under_way = {serial: where for serial, where in self._under_way.items() if where != place}

    def add(self, place: Place, records: Sequence[Record]) -> Gap | None:
        """Takes in what was fetched, in order; tells where the log did not go on as expected."""
        line = self._lines.get(place)
        if line is None or not records:
            return None
        expected, found = line.expected, records[0].offset
        line.add(records)
        return None if found == expected else Gap(place, expected, found)

    def read_up_to(self, place: Place, position: int | None, end: int | None) -> Gap | None:
        """Where the consumer stands. Transaction markers and retention leave offsets that hold no record, so the last
        record does not tell whether a partition is read to its end. Tells, once, where it went on without records."""
        line = self._lines.get(place)
        if line is None:
            return None
        line.read_to, line.end = position, end
        if position is None or position <= max(line.expected, line.open_gap_to):
            return None
        line.open_gap_to = position
        return Gap(place, line.expected, position, is_open=True)

    def has_records(self, place: Place) -> bool:
        return place in self._lines and bool(self._lines[place].records)

    @property
    def is_full(self) -> bool:
        return len(self._under_way) >= UNDER_WAY

    def done(self, serial: int) -> None:
        """This chunk has been worked on. One from before its partition began again is not known any more."""
        self._under_way.pop(serial, None)

    def is_under_way(self, serial: int) -> bool:
        """Whether this chunk is still what its partition goes on with."""
        return serial in self._under_way

    def is_idle(self, place: Place) -> bool:
        """Nothing of it waits here or is under way."""
        line = self._lines.get(place)
        return line is not None and not line.records and place not in self._under_way.values()

    def position(self, place: Place) -> int | None:
        """The offset behind everything that was fetched; None where that is not known."""
        line = self._lines.get(place)
        return None if line is None else line.read_to

    def lags(self) -> Mapping[Place, int]:
        return {
            place: line.end - (line.records[0].offset if line.records else line.read_to)
            for place, line in self._lines.items()
            if line.end is not None and line.read_to is not None
        }

    def heads(self) -> list[Head] | None:
        """The first record of each partition of transactions that has one; None while anything is under way, when
        nobody can tell what the first is."""
        lines = self._ordered()
        if any(place.topic == self._ordered_topic for place in self._under_way.values()):
            return None
        return [Head(place, line.oldest) for place, line in lines if line.records]

    def give_up(self) -> None:
        """The wait for this day has no prospect: what needs it goes on with what there is."""
        self._given_up = self.waiting_for

    def next(self) -> Chunk | None:
        """The next chunk, or None: wait for more records, for room, or for a ledger day (`waiting_for`)."""
        if self.is_full:
            return None
        first = self._first()
        if first is None:
            if not any(line.records for _, line in self._ordered()):
                self.waiting_for = None
            return None
        place, line = first
        if place.topic != self._ordered_topic:
            return self._hand_out(place, line, min(self._chunk, len(line.records)))
        count, wants = self._cut(line, self._days.is_known)
        if count:
            self.waiting_for = None
            return self._hand_out(place, line, count)
        self.waiting_for = wants
        if self._given_up is None or wants is None or wants > self._given_up:
            return None
        given_up = self._given_up
        self.waiting_for = None
        count, _ = self._cut(line, lambda day: day <= given_up or self._days.is_known(day))
        return self._hand_out(place, line, count)

    @property
    def is_starved(self) -> bool:
        """Whether nothing but more records can bring the next chunk."""
        return self._first() is None

    def _first(self) -> tuple[Place, _Line] | None:
        """Whose turn it is: labels, or the oldest head where every partition has one or is read to its end."""
        for place, line in self._lines.items():
            if place.topic != self._ordered_topic and line.records:
                return place, line
        lines = self._ordered()
        if any(not line.records and not line.at_its_end for _, line in lines):
            return None
        ready = [(line.oldest, place, line) for place, line in lines if line.records]
        if not ready:
            return None
        _, place, line = min(ready, key=lambda entry: entry[:2])
        return place, line

    def _ordered(self) -> list[tuple[Place, _Line]]:
        return [(place, line) for place, line in self._lines.items() if place.topic == self._ordered_topic]

    def _hand_out(self, place: Place, line: _Line, count: int) -> Chunk:
        follows = line.handed_out_to
        records, events = line.take(count)
        self._serial += 1
        self._under_way[self._serial] = place
        return Chunk(place, records, events, self._serial, follows)

    def _cut(self, line: _Line, is_known: Callable[[int], bool]) -> tuple[int, int | None]:
        """How many records can go now, and the day that the one behind them needs."""
        most = min(self._chunk, len(line.records))
        if self._delay is None:
            return most, None
        newest, looked_for = line.newest, line.looked_for
        for count, event in enumerate(line.events[:most]):
            if type(event) is not Transaction:
                continue
            newest = max(newest, event.event_time)
            if looked_for is None or newest // DAY > looked_for:
                looked_for = newest // DAY
                if not is_known(looked_for - self._delay):
                    return count, looked_for - self._delay
        return most, None
