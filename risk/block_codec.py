"""A batch of messages becomes a block at once, as `codec.decode_of_any_length` makes of each of them, for less work.

The messages are joined by newlines and decoded in one call. That is sound because no message can shift another: each
begins with a brace and ends with one and holds no raw newline (none may stand within a text either), so where one ends,
either its own object ends or the next brace is refused; and as many objects must come out as messages went in. Whatever
is odd about any of them, the one-by-one decoder has the whole batch. It is the definition, and this must not differ.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import Struct

from risk.block import NO_AMOUNT, NO_ATTRIBUTES, Block, block_of, joined
from risk.clock import EARLIEST, HOUR, LATEST, MINUTE, SECOND
from risk.codec import decode_of_any_length
from risk.codes import Array
from risk.diagnosis import MAX_BYTES, MAX_DEPTH
from risk.events import Rejected, Transaction
from risk.money import EXPONENTS, LARGEST_MINOR, scale_of

NO_TIME = 0  # of what cannot be read; before every time that a transaction may have


class Decoded(NamedTuple):
    """What a batch of messages is."""

    size: int  # messages
    block: Block
    places: Array  # int64: which message each row of the block was
    unread: Sequence[tuple[int, Rejected]]  # the others, by place, and why each cannot be read

    @property
    def times(self) -> Array:
        """The event time of each message, or NO_TIME."""
        if not self.unread:
            return self.block.event_time
        times = np.full(self.size, NO_TIME)
        times[self.places] = self.block.event_time
        return times

    def cut(self, first: int, last: int) -> "Decoded":
        """The messages in [first, last)."""
        if first == 0 and last >= self.size:
            return self
        begin, end = np.searchsorted(self.places, (first, last)).tolist()
        unread = [(place - first, why) for place, why in self.unread if first <= place < last]
        return Decoded(last - first, self.block.cut(begin, end), self.places[begin:end] - first, unread)

    def and_then(self, more: "Decoded") -> "Decoded":
        """These messages and those behind them."""
        return Decoded(
            self.size + more.size,
            joined((self.block, more.block)),
            np.concatenate((self.places, more.places + self.size)),
            [*self.unread, *((place + self.size, why) for place, why in more.unread)],
        )

    def refuse(self, rows: Mapping[int, Rejected]) -> "Decoded":
        """Rows of the block that cannot be worked on after all, and why."""
        if not rows:
            return self
        stays = np.ones(len(self.block), bool)
        stays[list(rows)] = False
        unread = sorted([*self.unread, *((int(self.places[row]), why) for row, why in rows.items())], key=_place_of)
        return Decoded(self.size, self.block.select(stays), self.places[stays], unread)


def _place_of(unread: tuple[int, Rejected]) -> int:
    return unread[0]


# What columns cost by themselves, 0.2 ms, is what so many messages take one by one.
FEW = 64


def decode_block(values: Sequence[bytes | None], few: int = FEW) -> Decoded:
    """Each message as `decode_of_any_length` reads it: see there for those that are longer than the limits."""
    block = _decode_at_once(values) if len(values) >= few else None
    if block is not None:
        return Decoded(len(values), block, np.arange(len(values)), ())
    return decoded_of([decode_of_any_length(value) for value in values])


def decoded_of(answers: Sequence[Transaction | Rejected]) -> Decoded:
    """What was decoded one by one."""
    read = [(place, answer) for place, answer in enumerate(answers) if isinstance(answer, Transaction)]
    return Decoded(
        len(answers),
        block_of([transaction for _, transaction in read]),
        np.array([place for place, _ in read], np.int64),
        [(place, answer) for place, answer in enumerate(answers) if isinstance(answer, Rejected)],
    )


class _Line(Struct, gc=False):
    """A WireTransaction whose time stays text: that is parsed for all lines together."""

    transaction_id: str
    event_time: str
    customer_id: str
    currency: str
    merchant_id: str | None = None
    merchant_category: str | None = None
    amount: float | None = None
    channel: str | None = None
    device_id: str | None = None
    country: str | None = None
    attributes: dict[str, float | str | None] | None = None


_lines = msgspec.json.Decoder(_Line)


def _decode_at_once(values: Sequence[bytes | None]) -> Block | None:
    """None where anything is odd."""
    if not values or None in values:
        return None
    text = b"\n".join(values)  # type: ignore[arg-type]  # none is None, as was just asked
    if not _is_plain(len(values), text):
        return None
    try:
        lines = _lines.decode_lines(text)
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, RecursionError):
        return None
    return _checked(lines) if len(lines) == len(values) else None


def _is_plain(count: int, text: bytes) -> bool:
    """Nothing that the decoder would not notice, or would take otherwise than in a message alone."""
    bytes_ = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(bytes_ == ord("\n"))
    if len(ends) != count - 1 or text[:1] != b"{" or text[-1:] != b"}":
        return False
    if (bytes_[ends - 1] != ord("}")).any() or (bytes_[ends + 1] != ord("{")).any():
        return False
    if np.diff(ends, prepend=-1, append=len(text)).max() > MAX_BYTES + 1:
        return False
    if b"\\" in text and b"\\u0000" in text:  # one byte is found sixty times as fast
        return False
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError:
            return False
    # Every message has a brace, so one that had too many would bring the sum above this.
    is_open = (bytes_ == ord("{")) | (bytes_ == ord("["))
    if np.count_nonzero(is_open) < count + MAX_DEPTH:
        return True
    return int(np.add.reduceat(is_open, np.concatenate(([0], ends)), dtype=np.int64).max()) <= MAX_DEPTH


def _checked(lines: Sequence[_Line]) -> Block | None:
    """What `codec.checked` asks of each transaction, asked of all together."""
    times = _times([line.event_time for line in lines])
    attributes = _attributes([line.attributes for line in lines])
    if times is None or attributes is None:
        return None
    identities, customers = [line.transaction_id for line in lines], [line.customer_id for line in lines]
    currencies = [line.currency for line in lines]
    majors = np.array([line.amount for line in lines], np.float64)  # None becomes NaN; no message can hold another NaN
    if doubtful(identities, times, customers, currencies, majors).any():
        return None
    return Block(
        identities,
        times,
        customers,
        currencies,
        without_empty([line.merchant_id for line in lines]),
        without_empty([line.merchant_category for line in lines]),
        minor_units(majors, currencies),
        without_empty([line.channel for line in lines]),
        without_empty([line.device_id for line in lines]),
        without_empty([line.country for line in lines]),
        attributes,
    )


def doubtful(
    identities: Sequence[str | None],
    times: Array,
    customers: Sequence[str | None],
    currencies: Sequence[str | None],
    majors: Array,
) -> Array:
    """Which rows `codec.checked` may refuse for one of these; the others it takes. Amounts in major units, NaN where
    missing."""
    found = (times < EARLIEST) | (times >= LATEST)
    for column in (identities, customers):
        if None in column or "" in column:
            found |= np.fromiter([not text for text in column], bool, len(column))
    if EXPONENTS.keys() >= set(currencies):
        largest = LARGEST_MINOR / _scales(currencies)
    else:
        known = [currency if currency in EXPONENTS else None for currency in currencies]
        found |= np.fromiter([currency is None for currency in known], bool, len(known))
        largest = LARGEST_MINOR / _scales([currency or "EUR" for currency in known])
    return found | (majors < 0) | (majors > largest)


def minor_units(majors: Array, currencies: Sequence[str | None]) -> Array:
    """As `money.to_minor` has it, NO_AMOUNT where missing."""
    missing = np.isnan(majors)
    minor = np.rint(np.where(missing, 0.0, majors) * _scales(currencies)).astype(np.int64)
    minor[missing] = NO_AMOUNT
    return minor


def _scales(currencies: Sequence[str | None]) -> Array | int:
    if not currencies or currencies.count(currencies[0]) == len(currencies):
        return scale_of(str(currencies[0])) if currencies else 1
    return np.fromiter(map(scale_of, map(str, currencies)), np.int64, len(currencies))


def without_empty(texts: list[str | None]) -> list[str | None]:
    """Empty text is missing."""
    return [text or None for text in texts] if "" in texts else texts


def _attributes(column: Sequence[dict[str, float | str | None] | None]) -> list[dict[str, float | str]] | None:
    """None where a number is not finite."""
    if not any(column):
        return [NO_ATTRIBUTES] * len(column)
    made: list[dict[str, float | str]] = []
    for attributes in column:
        if not attributes:
            made.append(NO_ATTRIBUTES)
            continue
        values = attributes.values()
        if any(type(value) is float and value - value != 0 for value in values):
            return None
        if None in values or "" in values:
            attributes = {name: value for name, value in attributes.items() if value is not None and value != ""}
        made.append(attributes)  # type: ignore[arg-type]  # None is gone
    return made


# --- times: RFC 3339 as most programs write it; whatever else it allows is left to the one-by-one decoder -----------

_DIGITS = (0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18)
_SIGNS = {4: "-", 7: "-", 10: "T", 13: ":", 16: ":"}
# By length: how many digits of a fraction, and whether the zone is an offset instead of Z.
_SHAPES = {20: (0, False), 24: (3, False), 27: (6, False), 25: (0, True), 29: (3, True), 32: (6, True)}
# The first day of every month that a transaction may lie in, and of the one behind them; days since 1970-01-01.
_FIRST_YEAR, _LAST_YEAR = 1990, 2199
_MONTHS = (
    np.arange(f"{_FIRST_YEAR}-01", f"{_LAST_YEAR + 1}-02", dtype="datetime64[M]")
    .astype("datetime64[D]")
    .astype(np.int64)
)


def _times(texts: Sequence[str]) -> Array | None:
    """Milliseconds; None where one has another shape or is no time."""
    sizes = set(map(len, texts))
    if not _SHAPES.keys() >= sizes:
        return None
    if len(sizes) == 1:
        return _times_of_one_size(texts)
    made = np.empty(len(texts), np.int64)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    for size in sizes:
        rows = np.flatnonzero(lengths == size)
        times = _times_of_one_size([texts[row] for row in rows.tolist()])
        if times is None:
            return None
        made[rows] = times
    return made


def _times_of_one_size(texts: Sequence[str]) -> Array | None:
    size = len(texts[0])
    fraction, has_offset = _SHAPES[size]
    text = "".join(texts)
    if not text.isascii():
        return None
    # A row for each place, so that every sum below runs along one row.
    bytes_ = np.ascontiguousarray(np.frombuffer(text.encode(), np.uint8).reshape(len(texts), size).T)
    zone = size - 6 if has_offset else size - 1
    places = [*_DIGITS, *range(20, 20 + fraction)] + ([zone + 1, zone + 2, zone + 4, zone + 5] if has_offset else [])
    signs = {**_SIGNS, **({19: "."} if fraction else {}), **({zone + 3: ":"} if has_offset else {zone: "Z"})}
    digits = bytes_[places] - 48  # what is less than "0" becomes more than 9
    if (digits > 9).any() or any((bytes_[place] != ord(sign)).any() for place, sign in signs.items()):
        return None
    n = dict(zip(places, digits.astype(np.int64), strict=True))
    year = ((n[0] * 10 + n[1]) * 10 + n[2]) * 10 + n[3]
    month, day = n[5] * 10 + n[6], n[8] * 10 + n[9]
    hour, minute, second = n[11] * 10 + n[12], n[14] * 10 + n[15], n[17] * 10 + n[18]
    if (year < _FIRST_YEAR).any() or (year > _LAST_YEAR).any() or (month < 1).any() or (month > 12).any():
        return None
    month += (year - _FIRST_YEAR) * 12 - 1
    date = _MONTHS[month] + day - 1
    if (day < 1).any() or (date >= _MONTHS[month + 1]).any() or (hour > 23).any() or (minute > 59).any():
        return None
    if (second > 59).any():
        return None
    time = ((date * 24 + hour) * 60 + minute) * MINUTE + second * SECOND
    if fraction:
        time += (n[20] * 10 + n[21]) * 10 + n[22]
    return _without_offset(time, bytes_[zone], n, zone) if has_offset else time


def _without_offset(time: Array, sign: Array, n: dict[int, Array], zone: int) -> Array | None:
    hours, minutes = n[zone + 1] * 10 + n[zone + 2], n[zone + 4] * 10 + n[zone + 5]
    is_west = sign == ord("-")
    if not (is_west | (sign == ord("+"))).all() or (hours > 23).any() or (minutes > 59).any():
        return None
    offset: Array = np.where(is_west, 1, -1) * (hours * HOUR + minutes * MINUTE)
    return time + offset
