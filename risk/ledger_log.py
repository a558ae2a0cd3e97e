"""The ledger's own log: closed days as messages of one topic, in parts and an end mark. The first whole one counts.

Every part names the digest of the whole day, so that two keepers who close the same day at once, and whose messages
lie between each other, cannot be mixed up: a day is whole when an end mark finds all its parts. The first whole day
of a label delay and bucket begins their ledger, and from then on only the day after the newest one counts: what comes
for any other changes nothing, whatever it says.
"""

from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from typing import NamedTuple

import msgspec
from msgspec import Struct

from risk.clock import day_of_date, to_date
from risk.ledger_day import LedgerDay

# A part stays far below a megabyte, the largest message that a broker takes unless told otherwise.
ROWS_OF_PART = 5_000
TEXT_OF_PART = 250_000


class LedgerPart(Struct, frozen=True, tag="part", tag_field="kind"):
    """Some rows of a closed day: for each merchant and bucket of event time, how many transactions and frauds."""

    day: date
    label_delay_days: int
    bucket_ms: int
    digest: str
    part: int
    merchants: tuple[str, ...]
    buckets: tuple[int, ...]
    transactions: tuple[int, ...]
    frauds: tuple[int, ...]


class LedgerEnd(Struct, frozen=True, tag="end", tag_field="kind"):
    """The day is closed; its rows were in the parts before. `transactions` counts those without a merchant, too."""

    day: date
    label_delay_days: int
    bucket_ms: int
    digest: str
    parts: int
    rows: int
    transactions: int


class ClosedDay(NamedTuple):
    """A day that was read whole, how many transactions were scored on it, and where its end mark stands."""

    closed: LedgerDay
    transactions: int
    offset: int


class LedgerKey(NamedTuple):
    day: int
    label_delay_days: int
    bucket_ms: int

    def as_bytes(self) -> bytes:
        return f"{to_date(self.day).isoformat()}/{self.label_delay_days}d/{self.bucket_ms}ms".encode()


_encoder = msgspec.json.Encoder()
_decoder: "msgspec.json.Decoder[LedgerPart | LedgerEnd]" = msgspec.json.Decoder(LedgerPart | LedgerEnd)


def key_of(closed: LedgerDay) -> LedgerKey:
    return LedgerKey(closed.day, closed.label_delay_days, closed.bucket_ms)


def messages_of(closed: LedgerDay, transactions: int) -> list[bytes]:
    """A closed day as the values of messages, in order."""
    digest, day = _digest(closed), to_date(closed.day)
    parts = [
        LedgerPart(
            day,
            closed.label_delay_days,
            closed.bucket_ms,
            digest,
            number,
            closed.merchants[first:last],
            closed.buckets[first:last],
            closed.transactions[first:last],
            closed.frauds[first:last],
        )
        for number, (first, last) in enumerate(_cuts(closed.merchants))
    ]
    end = LedgerEnd(
        day, closed.label_delay_days, closed.bucket_ms, digest, len(parts), len(closed.merchants), transactions
    )
    return [_encoder.encode(message) for message in (*parts, end)]


def _cuts(merchants: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    first = size = 0
    for place, merchant in enumerate(merchants):
        size += len(merchant)
        if place + 1 - first == ROWS_OF_PART or size > TEXT_OF_PART:
            yield first, place + 1
            first, size = place + 1, 0
    if first < len(merchants):
        yield first, len(merchants)


def _digest(closed: LedgerDay) -> str:
    return sha256(_encoder.encode(closed)).hexdigest()


class DayReader:
    """Puts days together out of the messages of the topic, read in order."""

    def __init__(self) -> None:
        self._newest: dict[tuple[int, int], int] = {}
        self._parts: dict[LedgerKey, dict[tuple[str, int], tuple[int, LedgerPart]]] = {}
        self._next = 0
        self.unreadable = 0

    def know(self, label_delay_days: int, bucket_ms: int, newest: int) -> None:
        """The days up to this one were read earlier."""
        self._newest[label_delay_days, bucket_ms] = newest

    @property
    def resume_at(self) -> int:
        """Where to read on after a restart: the first part of a day that is not whole yet, or behind all."""
        return min((offset for parts in self._parts.values() for offset, _ in parts.values()), default=self._next)

    def read(self, offset: int, value: bytes | None) -> ClosedDay | None:
        """The day that this message makes whole, if any."""
        self._next = offset + 1
        try:
            message = _decoder.decode(value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.unreadable += 1  # nobody but keepers writes here; a stranger's message must not stop the log
            return None
        key = LedgerKey(day_of_date(message.day), message.label_delay_days, message.bucket_ms)
        newest = self._newest.get(key[1:])
        if newest is not None and key.day != newest + 1:
            return None
        if isinstance(message, LedgerPart):
            self._parts.setdefault(key, {})[message.digest, message.part] = offset, message
            return None
        return self._end(key, message, offset)

    def _end(self, key: LedgerKey, end: LedgerEnd, offset: int) -> ClosedDay | None:
        held = self._parts.get(key, {})
        found = [held.get((end.digest, number)) for number in range(end.parts)]
        parts = [part for _, part in filter(None, found)]
        closed = LedgerDay(
            *key,
            merchants=tuple(merchant for part in parts for merchant in part.merchants),
            buckets=tuple(bucket for part in parts for bucket in part.buckets),
            transactions=tuple(count for part in parts for count in part.transactions),
            frauds=tuple(count for part in parts for count in part.frauds),
        )
        if len(parts) < end.parts or _digest(closed) != end.digest:
            self.unreadable += 1
            return None
        self.know(key.label_delay_days, key.bucket_ms, key.day)
        self._parts = {other: parts for other, parts in self._parts.items() if other[1:] != key[1:]}
        return ClosedDay(closed, end.transactions, offset)
