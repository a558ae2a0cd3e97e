"""Records of a topic become events, or `Rejected` with the reason: step 1 of a batch.

What can be told from one record alone is told here; what the past must decide (duplicates, lateness) is the engine's.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from risk.clock import to_text
from risk.codec import decode_label, decode_transaction
from risk.diagnosis import rejected
from risk.events import Label, Rejected, RejectReason, Transaction

Event = Transaction | Label | Rejected


class Record(Protocol):
    """What a consumer gives; aiokafka's ConsumerRecord is one."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def timestamp_type(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Place(NamedTuple):
    """A partition of a topic. Any tuple of these two is equal to it."""

    topic: str
    partition: int


class Chunk(NamedTuple):
    """Records of one partition, in their order, with what each of them is."""

    place: Place
    records: Sequence[Record]
    events: Sequence[Event]
    serial: int  # the intake's number for it
    follows: int  # where the partition's next record was expected

    @property
    def after(self) -> int:
        """The offset after the last record."""
        return self.records[-1].offset + 1

    def pieces(self, cuts: Sequence[int]) -> Iterator["Chunk"]:
        """The chunk cut before the given places."""
        for first, last in zip((0, *cuts), (*cuts, len(self.records)), strict=True):
            if first < last:
                yield self._replace(records=self.records[first:last], events=self.events[first:last])


Read = Callable[[Sequence[Record]], list[Event]]


def transaction_reader(max_ahead_ms: int) -> Read:
    """Reads transactions. One that lies further ahead of its record's time than this is rejected: a single wrong clock
    must not move time for all."""

    def read(records: Sequence[Record]) -> list[Event]:
        events: list[Event] = []
        for record in records:
            event = decode_transaction(record.value)
            if type(event) is Transaction:
                if record.key != event.customer_id.encode():
                    event = _wrong_key(record.key, event.customer_id)
                elif event.event_time - record.timestamp > max_ahead_ms:
                    event = _ahead(event.event_time, record.timestamp)
            events.append(event)
        return events

    return read


def read_labels(records: Sequence[Record]) -> list[Event]:
    events: list[Event] = []
    for record in records:
        event = decode_label(record.value)
        if type(event) is Label and record.key != event.customer_id.encode():
            event = _wrong_key(record.key, event.customer_id)
        events.append(event)
    return events


def _wrong_key(key: bytes | None, customer_id: str) -> Rejected:
    shown = None if key is None else key.decode(errors="replace")
    return rejected(RejectReason.WRONG_KEY, "key", shown, f"the customer_id, {customer_id}")


def _ahead(event_time: int, sent: int) -> Rejected:
    return rejected(
        RejectReason.AHEAD_OF_CLOCK, "event_time", to_text(event_time), f"not after it was sent, {to_text(sent)}"
    )
