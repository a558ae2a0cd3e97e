"""The ledger's own log: closed days as messages of one topic, in parts and an end mark. The first whole one counts.

Every part names the digest of the whole day, so that two ledger closers who close the same day at once, and whose
messages lie between each other, cannot be mixed up: a day is whole when an end mark finds all its parts. The first
whole day of a label delay and bucket begins their ledger, and from then on only the day after the newest one counts:
what comes for any other changes nothing, whatever it says.
"""

from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

import msgspec
from msgspec import Struct

from risk.clock import DAY, EARLIEST, LATEST, SECOND, day_of_date, to_date
from risk.ledger_day import LONGEST_DELAY_DAYS, LedgerDay, LedgerTerms

# Names in plain letters come to a third of a megabyte, and names that JSON has to escape to what the topic takes.
ROWS_OF_PART = 5_000
TEXT_OF_PART = 250_000
# What the topic takes at most; what came packed can be larger, and parts stay in memory until their end.
LARGEST_MESSAGE = 2 * 1024**2
# A ledger closer writes a day in one go, and another's may lie between. Parts whose end mark does not come within so
# many messages are nobody's: every reader must forget them at the same message, or readers come to different days.
LONGEST_DAY = 2_000
_LARGEST = (1 << 63) - 1


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
    terms: LedgerTerms

    def as_bytes(self) -> bytes:
        return f"{to_date(self.day).isoformat()}/{self.terms.label_delay_days}d/{self.terms.bucket_ms}ms".encode()


_encoder = msgspec.json.Encoder()
_decoder: "msgspec.json.Decoder[LedgerPart | LedgerEnd]" = msgspec.json.Decoder(LedgerPart | LedgerEnd)


def key_of(closed: LedgerDay) -> LedgerKey:
    return LedgerKey(closed.day, closed.terms)


def messages_of(closed: LedgerDay, transactions: int) -> list[bytes]:
    """A closed day as the values of messages, in order."""
    digest, day = _digest(closed), to_date(closed.day)
    parts = [
        LedgerPart(
            day,
            *closed.terms,
            digest,
            number,
            closed.merchants[first:last],
            closed.buckets[first:last],
            closed.transactions[first:last],
            closed.frauds[first:last],
        )
        for number, (first, last) in enumerate(_cuts(closed.merchants))
    ]
    end = LedgerEnd(day, *closed.terms, digest, len(parts), len(closed.merchants), transactions)
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


def _is_sound(message: LedgerPart | LedgerEnd) -> bool:
    """Whether a ledger closer can have written it: JSON's numbers have no end, SQLite's have 64 bits, and a day that
    lies centuries back would have all days since then closed before any other."""
    delay, bucket = message.label_delay_days, message.bucket_ms
    if not (0 < delay <= LONGEST_DELAY_DAYS and bucket >= SECOND and bucket % SECOND == 0 and DAY % bucket == 0):
        return False
    begin = day_of_date(message.day) * DAY
    # A ledger may begin with the day that its first transaction needs.
    if not EARLIEST - delay * DAY <= begin < LATEST:
        return False
    if isinstance(message, LedgerEnd):
        return all(0 <= number <= _LARGEST for number in (message.parts, message.rows, message.transactions))
    columns = message.buckets, message.transactions, message.frauds
    return (
        0 <= message.part <= _LARGEST
        and all(len(column) == len(message.merchants) for column in columns)
        and all(begin <= start < begin + DAY and start % bucket == 0 for start in message.buckets)
        and all(0 < count <= _LARGEST for count in message.transactions)
        and all(0 <= frauds <= count for frauds, count in zip(message.frauds, message.transactions, strict=True))
    )


def _is_in_order(closed: LedgerDay) -> bool:
    """By merchant and bucket, each pair once."""
    rows = zip(closed.merchants, closed.buckets, strict=True)
    return all(one < other for one, other in pairwise(rows))


class DayReader:
    """Puts days together out of the messages of the topic, read in order."""

    def __init__(self) -> None:
        self._newest: dict[LedgerTerms, tuple[int, int]] = {}  # day, and where its end mark stands
        self._parts: dict[tuple[LedgerKey, str, int], tuple[int, LedgerPart]] = {}  # in the order of their offsets
        self._next = 0
        self.unreadable = 0

    def know(self, terms: LedgerTerms, newest: int, offset: int) -> None:
        """The days up to this one were read earlier, and it was whole at this offset. What lies before counts no more:
        who began earlier has passed over it, and all must come to the same days."""
        self._newest[terms] = newest, offset

    @property
    def resume_at(self) -> int:
        """Where to read on after a restart: the first part of a day that is not whole yet, or behind all."""
        return next((offset for offset, _ in self._parts.values()), self._next)

    def read(self, offset: int, value: bytes | None) -> ClosedDay | None:
        """The day that this message makes whole, if any."""
        self._next = offset + 1
        while self._parts and self.resume_at < self._next - LONGEST_DAY:
            del self._parts[next(iter(self._parts))]
            self.unreadable += 1
        if value is not None and len(value) > LARGEST_MESSAGE:
            self.unreadable += 1
            return None
        try:
            message = _decoder.decode(value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.unreadable += 1  # nobody but ledger closers writes here; a stranger's message must not stop the log
            return None
        if not _is_sound(message):
            self.unreadable += 1
            return None
        key = LedgerKey(day_of_date(message.day), LedgerTerms(message.label_delay_days, message.bucket_ms))
        newest, whole_at = self._newest.get(key.terms, (key.day - 1, -1))
        if key.day != newest + 1 or offset <= whole_at:
            return None
        if isinstance(message, LedgerPart):
            self._parts.pop((key, message.digest, message.part), None)
            self._parts[key, message.digest, message.part] = offset, message
            return None
        return self._end(key, message, offset)

    def _end(self, key: LedgerKey, end: LedgerEnd, offset: int) -> ClosedDay | None:
        if end.parts > len(self._parts):
            self.unreadable += 1
            return None
        found = [self._parts.get((key, end.digest, number)) for number in range(end.parts)]
        parts = [part for _, part in filter(None, found)]
        closed = LedgerDay(
            key.day,
            *key.terms,
            merchants=tuple(merchant for part in parts for merchant in part.merchants),
            buckets=tuple(bucket for part in parts for bucket in part.buckets),
            transactions=tuple(count for part in parts for count in part.transactions),
            frauds=tuple(count for part in parts for count in part.frauds),
        )
        is_counted = end.rows == len(closed.merchants) and end.transactions >= sum(closed.transactions)
        if len(parts) < end.parts or not is_counted or _digest(closed) != end.digest or not _is_in_order(closed):
            self.unreadable += 1
            return None
        self.know(key.terms, key.day, offset)
        self._parts = {part: found for part, found in self._parts.items() if part[0].terms != key.terms}
        return ClosedDay(closed, end.transactions, offset)
