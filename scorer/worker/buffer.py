"""What was fetched and not yet worked on: which partition is next, how much of it, and what it must wait for.

Labels wait for nothing, and have room of their own: however many there are, transactions go on. These go by event
time: the partition with the oldest first record, and only when every partition has one, or is read to its end. So a
worker cannot wait for what lies behind in another of its own partitions.

What waits is not dispatched. Nothing is under way while a worker waits for a ledger day, so a rebalance or a stop is
never held up by a wait, and nothing of what waits has been stored, sent or committed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from risk.block_codec import NO_TIME, Decoded
from risk.clock import DAY
from risk.codes import Array
from risk.kafka.decoding import Labels, Record
from scorer.log.chunks import MOST_IN_A_CHUNK, Chunk, Place, Read

# So many chunks of transactions may wait to be scored: one is scored, one is ready behind it.
TO_SCORE = 2
# Of one partition so many may be on their way through the worker: one is sent and stored, the next is scored.
UNDER_WAY = 2
# So many records make a large chunk. A partition that has them waiting is not fetched from.
ENOUGH = 250
# Of labels one: what comes meanwhile makes the next one larger, and a commit costs the same for one label as for many.
LABELS_UNDER_WAY = 1


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


class _Queue:
    """The records of one partition, waiting."""

    def __init__(self, read: Read[Any], offset: int, newest: int, most: int) -> None:
        self.read = read
        self._most = most  # in a chunk
        self.expected = offset
        self.dispatched_to = offset
        self.newest = newest  # of what was dispatched; what is scored can only be less
        # The newest day whose ledger was looked for. None: of a queue that begins, nothing was looked for yet.
        self.looked_for: int | None = None
        self._nothing: Decoded | Labels = read(())
        self._fetched: Sequence[Record]
        self._content: Decoded | Labels
        self._times: Array
        self._at: int  # what lies before was dispatched; to cut it off each time would copy all that waits
        self._set((), self._nothing)
        self._unread: list[Record] = []  # behind these
        self.first: Record | None = None  # of those that wait; metrics ask for it in another thread, by one look
        self.open_gap_to = offset
        # The offset that would be fetched next, the last stable one, and the log's end; known after a fetch.
        self.read_to: int | None = None
        self.stable_end: int | None = None
        self.end: int | None = None
        self.turn = 0  # when it was dispatched last

    def __len__(self) -> int:
        """How many records wait."""
        return self._read_count + len(self._unread)

    @property
    def _read_count(self) -> int:
        return len(self._fetched) - self._at

    def add(self, records: Sequence[Record]) -> None:
        """They are read later: few at a time cost more, and who waits may get more."""
        self.expected = records[-1].offset + 1
        self._unread += records
        if self.first is None:
            self.first = records[0]

    def _read(self) -> None:
        """A chunk and no more: of a whole fetch, columns would leave the processor's cache, and would be cut."""
        room = self._most - self._read_count
        records, self._unread = self._unread[:room], self._unread[room:]
        content: Any = self.read(records)
        if self._read_count:
            waiting: Any = self._content.cut(self._at, len(self._fetched))
            records, content = [*self._fetched[self._at :], *records], waiting.and_then(content)
        self._set(records, content)

    def take(self, count: int) -> tuple[Sequence[Record], Decoded | Labels]:
        """Of those that `times` told of."""
        begin, end = self._at, self._at + count
        records, content, times = self._fetched[begin:end], self._content.cut(begin, end), self._times[begin:end]
        if end == len(self._fetched):
            self._set((), self._nothing)
            self.first = self._unread[0] if self._unread else None
        else:
            self._at, self.first = end, self._fetched[end]
        newest = int(times.max())
        self.newest = max(self.newest, newest)
        if newest != NO_TIME:
            self.looked_for = self.newest // DAY
        self.dispatched_to = records[-1].offset + 1
        return records, content

    def _set(self, records: Sequence[Record], content: Decoded | Labels) -> None:
        self._fetched, self._content, self._times, self._at = records, content, content.times, 0

    @property
    def times(self) -> Array:
        """Of the first that wait, a chunk at most. What is large already gets no more: to join columns copies them."""
        if self._unread and self._read_count < min(ENOUGH, self._most):
            self._read()
        return self._times[self._at : self._at + self._most]

    @property
    def at_its_end(self) -> bool:
        """What lies behind an open transaction is not there yet: nobody knows how long that may take."""
        stable = self.stable_end
        return not self and self.read_to is not None and stable is not None and self.read_to >= stable

    @property
    def oldest(self) -> int:
        """When the first record happened. What cannot be read waits for nothing, so it is older than all."""
        return int(self.times[0])


class Buffer:
    """What waits in one worker. `delay_days`: how far behind a transaction its ledger ends, if there is one."""

    def __init__(self, *, ordered_topic: str, delay_days: int | None, days: Days, chunk: int = MOST_IN_A_CHUNK) -> None:
        self._ordered_topic = ordered_topic
        self._delay = delay_days
        self._days = days
        self._chunk = chunk
        self._queues: dict[Place, _Queue] = {}
        self._under_way: dict[int, Place] = {}
        self._to_score: set[int] = set()  # of those
        self._serial = 0
        self._given_up: set[int] = set()  # days
        self.waiting_for: int | None = None  # the ledger day that the oldest head needs

    def begin(self, place: Place, read: Read[Any], offset: int, newest: int) -> None:
        """A partition begins, or begins again, at the offset where its owner stands."""
        self._forget_under_way(place)
        self._given_up.clear()
        self._queues[place] = _Queue(read, offset, newest, self._chunk)

    def drop(self, places: Iterable[Place]) -> None:
        for place in places:
            self._forget_under_way(place)
            self._queues.pop(place, None)
        self.waiting_for = None

    def _forget_under_way(self, place: Place) -> None:
        self._under_way = {serial: where for serial, where in self._under_way.items() if where != place}
        self._to_score &= self._under_way.keys()

    def add(self, place: Place, records: Sequence[Record]) -> Gap | None:
        """Takes in what was fetched, in order; tells where the log did not go on as expected."""
        queue = self._queues.get(place)
        if queue is None or not records:
            return None
        expected, found = queue.expected, records[0].offset
        queue.add(records)
        return None if found == expected else Gap(place, expected, found)

    def read_up_to(self, place: Place, position: int | None, stable_end: int | None, end: int | None) -> Gap | None:
        """Where the consumer stands. Transaction markers, aborted transactions and retention leave offsets that hold no
        record, so the last record does not tell whether a partition is read to its end. Tells, once, where it went on
        without records."""
        queue = self._queues.get(place)
        if queue is None:
            return None
        queue.read_to, queue.stable_end, queue.end = position, stable_end, end
        if position is None or position <= max(queue.expected, queue.open_gap_to):
            return None
        queue.open_gap_to = position
        return Gap(place, queue.expected, position, is_open=True)

    def skip_to(self, place: Place, offset: int) -> None:
        """The partition was moved over offsets without a record."""
        queue = self._queues.get(place)
        if queue is not None:
            queue.expected, queue.dispatched_to = max(queue.expected, offset), max(queue.dispatched_to, offset)

    def has_enough(self, place: Place) -> bool:
        """Whether so much of it waits that it need not be fetched from: memory stays bounded, and who has much is not
        put together with more."""
        return place in self._queues and len(self._queues[place]) >= ENOUGH

    def _has_room_for_labels(self) -> bool:
        return sum(place.topic != self._ordered_topic for place in self._under_way.values()) < LABELS_UNDER_WAY

    def scored(self, serial: int) -> None:
        """This chunk needs the thread that scores no more; it is still to be sent and stored."""
        self._to_score.discard(serial)

    @property
    def is_scoring(self) -> bool:
        return bool(self._to_score)

    @property
    def has_time(self) -> bool:
        """Whether the thread that scores has nothing to do, and no transaction waits for it."""
        return not self._to_score and (self.waiting_for is not None or not self._ready())

    def done(self, serial: int) -> None:
        """This chunk has been worked on. One from before its partition began again is not known any more."""
        self._to_score.discard(serial)
        self._under_way.pop(serial, None)

    def is_under_way(self, serial: int) -> bool:
        """Whether this chunk is still what its partition goes on with."""
        return serial in self._under_way

    def is_idle(self, place: Place) -> bool:
        """Nothing of it waits here or is under way."""
        queue = self._queues.get(place)
        return queue is not None and not queue and place not in self._under_way.values()

    def position(self, place: Place) -> int | None:
        """The offset behind everything that was fetched; None where that is not known."""
        queue = self._queues.get(place)
        return None if queue is None else queue.read_to

    def lags(self) -> Mapping[Place, int]:
        """Whichever thread asks: it goes by a copy, because the loop changes what is here."""
        lags = {}
        for place, queue in list(self._queues.items()):
            first, read_to, end = queue.first, queue.read_to, queue.end
            if end is not None and read_to is not None:
                lags[place] = max(0, end - (read_to if first is None else first.offset))
        return lags

    def heads(self) -> list[Head] | None:
        """The first record of each partition of transactions that has one; None while anything is under way, when
        nobody can tell what the first is."""
        queues = self._ordered()
        if any(place.topic == self._ordered_topic for place in self._under_way.values()):
            return None
        return [Head(place, queue.oldest) for place, queue in queues if queue]

    def give_up(self) -> None:
        """The wait for this day has no prospect: what needs it goes on with what there is. What needs another waits."""
        if self.waiting_for is not None:
            self._given_up.add(self.waiting_for)

    def next(self) -> Chunk[Any] | None:
        """The next chunk, or None: wait for more records, for room, or for a ledger day (`waiting_for`)."""
        labels = self._labels()
        if labels and self._has_room_for_labels():
            place, queue = min(labels, key=lambda entry: entry[1].turn)
            return self._dispatch(place, queue, len(queue.times))
        if len(self._to_score) >= TO_SCORE:
            return None
        first = self._first()
        if first is None:
            self.waiting_for = None  # more records come first
            return None
        place, queue = first
        if self._to_score and len(queue) < min(ENOUGH, self._chunk):
            return None  # ready behind another one it could not grow any more
        if sum(where == place for where in self._under_way.values()) >= UNDER_WAY:
            return None
        count, wants = self._cut(queue)
        self.waiting_for = None if count else wants
        return self._dispatch(place, queue, count) if count else None

    @property
    def is_starved(self) -> bool:
        """Whether nothing but more records can bring the next chunk."""
        return not self._labels() and not self._ready()

    def _first(self) -> tuple[Place, _Queue] | None:
        """Whose turn it is: the oldest head."""
        ready = [(queue.oldest, place, queue) for place, queue in self._ready()]
        if not ready:
            return None
        _, place, queue = min(ready, key=lambda entry: entry[:2])
        return place, queue

    def _ready(self) -> list[tuple[Place, _Queue]]:
        """The partitions of transactions that have records, where each of the others is read to its end."""
        queues = self._ordered()
        if any(not queue and not queue.at_its_end for _, queue in queues):
            return []
        return [(place, queue) for place, queue in queues if queue]

    def _ordered(self) -> list[tuple[Place, _Queue]]:
        return [(place, queue) for place, queue in self._queues.items() if place.topic == self._ordered_topic]

    def _labels(self) -> list[tuple[Place, _Queue]]:
        """The partitions of labels that have some."""
        return [(place, queue) for place, queue in self._queues.items() if place.topic != self._ordered_topic and queue]

    def _dispatch(self, place: Place, queue: _Queue, count: int) -> Chunk[Any]:
        expected_offset = queue.dispatched_to
        records, content = queue.take(count)
        self._serial += 1
        self._under_way[self._serial] = place
        if place.topic == self._ordered_topic:
            self._to_score.add(self._serial)
        queue.turn = self._serial
        return Chunk(place, records, content, self._serial, expected_offset)

    def _cut(self, queue: _Queue) -> tuple[int, int | None]:
        """How many records can go now, and the day that the one behind them needs."""
        times = queue.times
        most = len(times)
        if self._delay is None:
            return most, None
        places = np.flatnonzero(times != NO_TIME)
        if not len(places):
            return most, None
        days = np.maximum(np.maximum.accumulate(times[places]), queue.newest) // DAY
        # The first of each new day; of a queue that begins, its first transaction, too.
        before = days[0] - 1 if queue.looked_for is None else queue.looked_for
        for change in np.flatnonzero(np.diff(days, prepend=before) > 0).tolist():
            wanted = int(days[change]) - self._delay
            if wanted not in self._given_up and not self._days.is_known(wanted):
                return int(places[change]), wanted
        return most, None
