"""What records of the inputs mean: a block of transactions, or labels; the rest is `Rejected`.

What can be told from one record alone is told here; what the past must decide (duplicates, lateness) is the engine's.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from risk.block_codec import NO_TIME, Decoded, decode_block
from risk.clock import to_words
from risk.codec import MOST_CHARACTERS, decode_label, over_limit
from risk.codes import Array
from risk.diagnosis import rejected
from risk.events import Label, Rejected, RejectReason


class Record(Protocol):
    """What a consumer gives; a record of aiokafka's batches is one."""

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
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class Labels(NamedTuple):
    """What a batch of messages about labels is."""

    events: Sequence[Label | Rejected]

    @property
    def times(self) -> Array:
        """Labels wait for nothing."""
        return np.full(len(self.events), NO_TIME)

    @property
    def unread(self) -> Sequence[tuple[int, Rejected]]:
        return [(place, event) for place, event in enumerate(self.events) if type(event) is Rejected]

    def cut(self, first: int, last: int) -> "Labels":
        return Labels(self.events[first:last])

    def and_then(self, more: "Labels") -> "Labels":
        return Labels([*self.events, *more.events])


def transaction_reader(max_ahead_ms: int) -> Callable[[Sequence[Record]], Decoded]:
    """Reads transactions. One that lies further ahead of its record's time than this is rejected: a single wrong clock
    must not move time for all."""

    def read(records: Sequence[Record]) -> Decoded:
        decoded = decode_block([record.value for record in records])
        block = decoded.block
        ours = records if not decoded.unread else [records[place] for place in decoded.places.tolist()]
        sent = np.fromiter([record.timestamp for record in ours], np.int64, len(ours))
        refused = {
            int(row): _ahead(int(block.event_time[row]), int(sent[row]))
            # In this order nothing wraps: a record's time may be any number of 64 bits.
            for row in np.flatnonzero(block.event_time - max_ahead_ms > sent)
        }
        keys = [record.key for record in ours]
        if keys != list(map(str.encode, block.customer_id)):
            for row, (key, customer) in enumerate(zip(keys, block.customer_id, strict=True)):
                if key != customer.encode():
                    refused[row] = _wrong_key(key, customer)
        return decoded.refuse(refused)

    return read


def within_limits(records: Sequence[Record], decoded: Decoded, was_scored: Callable[[int], bool]) -> Decoded:
    """What is longer than a transaction may be becomes a reject, unless it was scored already, by a version that had no
    limits: then it stays what it was."""
    long = {
        row: why
        for row, place in enumerate(decoded.places.tolist())
        # Of what is shorter than this nothing can be too long, and nothing need be looked at.
        if len(records[place].value or b"") > MOST_CHARACTERS
        and (why := over_limit(decoded.block[row])) is not None
        and not was_scored(records[place].offset)
    }
    return decoded.refuse(long)


def read_labels(records: Sequence[Record]) -> Labels:
    events: list[Label | Rejected] = []
    for record in records:
        event = decode_label(record.value)
        if type(event) is Label and record.key != event.customer_id.encode():
            event = _wrong_key(record.key, event.customer_id)
        events.append(event)
    return Labels(events)


def _wrong_key(key: bytes | None, customer_id: str) -> Rejected:
    shown = None if key is None else key.decode(errors="replace")
    return rejected(RejectReason.WRONG_KEY, "key", shown, f"the customer_id, {customer_id}")


def _ahead(event_time: int, sent: int) -> Rejected:
    return rejected(
        RejectReason.AHEAD_OF_CLOCK, "event_time", to_words(event_time), f"not after it was sent, {to_words(sent)}"
    )
