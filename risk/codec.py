"""Bytes to events and back. What cannot be an event is a `Rejected`, never an exception.

`checked` is the one place that says what a valid transaction is; rows of a file pass through it as messages do.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Struct

from risk.clock import EARLIEST, LATEST, to_datetime, to_ms
from risk.diagnosis import diagnose, misfit, rejected
from risk.events import Label, Rejected, RejectReason, Transaction
from risk.money import EXPONENTS, LARGEST_MINOR, scale_of, to_major, to_minor

Moment = Annotated[datetime, msgspec.Meta(tz=True)]

_LARGEST_MAJOR = {currency: LARGEST_MINOR / scale_of(currency) for currency in EXPONENTS}


class WireTransaction(Struct, omit_defaults=True):
    """A Transaction as JSON shows it: RFC 3339 time, decimal amount in major units."""

    transaction_id: str
    event_time: Moment
    customer_id: str
    currency: str
    merchant_id: str | None = None
    merchant_category: str | None = None
    amount: float | None = None
    channel: str | None = None
    device_id: str | None = None
    country: str | None = None
    attributes: dict[str, float | str | None] | None = None


class WireLabel(Struct):
    transaction_id: str
    customer_id: str
    is_fraud: bool
    labelled_at: Moment
    source: str


_encoder = msgspec.json.Encoder()
_transactions = msgspec.json.Decoder(WireTransaction)
_labels = msgspec.json.Decoder(WireLabel)


# Of a transaction: more than anybody's ids and names have. What is longer would stay in memory, name by name.
MOST_CHARACTERS = 1_000
MOST_ATTRIBUTES = 1_000


def checked(
    transaction_id: str | None,
    event_time: int,
    customer_id: str | None,
    currency: str | None,
    merchant_id: str | None,
    merchant_category: str | None,
    amount: float | None,
    channel: str | None,
    device_id: str | None,
    country: str | None,
    attributes: dict[str, float | str],
    *,
    of_any_length: bool = False,
) -> Transaction | Rejected:
    """A Transaction, or why these values cannot be one. The amount is in major units; empty text is missing.
    `of_any_length`: see `over_limit`."""
    if not transaction_id:
        return rejected(RejectReason.MISSING_FIELD, "transaction_id", transaction_id, "the transaction's id")
    if not customer_id:
        return rejected(RejectReason.MISSING_FIELD, "customer_id", customer_id, "the customer's id")
    if not currency:
        return rejected(RejectReason.MISSING_FIELD, "currency", currency, "an ISO 4217 code such as EUR")
    largest = _LARGEST_MAJOR.get(currency)
    if largest is None:
        return rejected(RejectReason.UNKNOWN_CURRENCY, "currency", currency, "an ISO 4217 code such as EUR")
    if not EARLIEST <= event_time < LATEST:
        return rejected(
            RejectReason.TIME_OUT_OF_RANGE, "event_time", _when(event_time), "a time from 1990 until before 2200"
        )
    minor = None
    if amount is not None:
        if not 0 <= amount <= largest:
            return _bad_amount(amount, largest)
        minor = to_minor(amount, currency)
    for name, value in attributes.items():
        if isinstance(value, float) and value - value != 0:
            return rejected(RejectReason.NOT_FINITE, f"attributes.{name}", value, "a finite number")
    made = Transaction(
        transaction_id,
        event_time,
        customer_id,
        currency,
        merchant_id or None,
        merchant_category or None,
        minor,
        channel or None,
        device_id or None,
        country or None,
        attributes,
    )
    if _has_nul(made):
        return _nul(made)
    return made if of_any_length else over_limit(made) or made


def over_limit(made: Transaction) -> Rejected | None:
    """What of a transaction is longer than a message may have it; None where nothing is. Version 0.1 had no limits, so
    what it scored may be longer, and stays scored."""
    texts = (made.transaction_id, made.customer_id, made.merchant_id or "", made.merchant_category or "",
             made.channel or "", made.device_id or "", made.country or "")  # fmt: skip
    if not made.attributes and sum(map(len, texts)) <= MOST_CHARACTERS:
        return None
    for name, text in zip(_TEXTS, texts, strict=True):
        if len(text) > MOST_CHARACTERS:
            return _too_long(name, text)
    if len(made.attributes) > MOST_ATTRIBUTES:
        return rejected(
            RejectReason.TOO_LARGE, "attributes", f"{len(made.attributes)} of them", f"at most {MOST_ATTRIBUTES}"
        )
    for name, value in made.attributes.items():
        if len(name) > MOST_CHARACTERS:
            return _too_long("attributes: a name", name)
        if type(value) is str and len(value) > MOST_CHARACTERS:
            return _too_long(f"attributes.{name}", value)
    return None


_TEXTS = (
    "transaction_id", "customer_id", "merchant_id", "merchant_category", "channel", "device_id", "country",
)  # fmt: skip


def _too_long(name: str, text: str) -> Rejected:
    return rejected(RejectReason.TOO_LARGE, name, f"{len(text)} characters", f"at most {MOST_CHARACTERS} characters")


def _has_nul(made: Transaction) -> bool:
    """NUL ends a text in half of all databases: what comes after it would be lost there."""
    return (
        "\0" in made.transaction_id
        or "\0" in made.customer_id
        or (made.merchant_id is not None and "\0" in made.merchant_id)
        or (made.merchant_category is not None and "\0" in made.merchant_category)
        or (made.channel is not None and "\0" in made.channel)
        or (made.device_id is not None and "\0" in made.device_id)
        or (made.country is not None and "\0" in made.country)
        or (bool(made.attributes) and any("\0" in text for text in _attribute_texts(made.attributes)))
    )


def _attribute_texts(attributes: dict[str, float | str]) -> Iterator[str]:
    yield from attributes
    yield from (value for value in attributes.values() if isinstance(value, str))


def _nul(made: Transaction) -> Rejected:
    texts = {**msgspec.structs.asdict(made), **{f"attributes.{k}": v for k, v in made.attributes.items()}}
    name, value = next((k, v) for k, v in texts.items() if "\0" in k or (isinstance(v, str) and "\0" in v))
    return rejected(RejectReason.BAD_TEXT, name, value, "text without NUL characters")


def _bad_amount(amount: float, largest: float) -> Rejected:
    if amount - amount != 0:
        return rejected(RejectReason.NOT_FINITE, "amount", amount, "a finite number")
    if amount < 0:
        return rejected(RejectReason.REFUND, "amount", amount, "0 or more; refunds are not scored")
    return rejected(RejectReason.AMOUNT_TOO_LARGE, "amount", amount, f"at most {largest:,.0f}")


def _when(ms: int) -> str:
    try:
        return to_datetime(ms).isoformat()
    except OverflowError:
        return f"{ms} ms since 1970"


_Wire = TypeVar("_Wire", WireTransaction, WireLabel)
_Event = TypeVar("_Event", Transaction, Label)


def _decode(
    raw: bytes | None, decoder: "msgspec.json.Decoder[_Wire]", finish: Callable[[_Wire], _Event | Rejected]
) -> _Event | Rejected:
    if raw is None:  # a tombstone: compacted topics have them
        return rejected(RejectReason.NOT_JSON, "message", None, "JSON")
    unfit = misfit(raw)
    if unfit is not None:
        return unfit
    try:
        wire = decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, RecursionError) as error:
        return diagnose(raw, decoder.type, str(error))
    return finish(wire)


def decode_transaction(raw: bytes | None) -> Transaction | Rejected:
    made = decode_of_any_length(raw)
    return made if isinstance(made, Rejected) else (over_limit(made) or made)


def decode_of_any_length(raw: bytes | None) -> Transaction | Rejected:
    """For who must know first whether it was scored: see `over_limit`."""
    return _decode(raw, _transactions, from_wire)


def from_wire(wire: WireTransaction) -> Transaction | Rejected:
    attributes: dict[str, Any] = wire.attributes or {}
    if attributes and (None in attributes.values() or "" in attributes.values()):
        attributes = {name: value for name, value in attributes.items() if value is not None and value != ""}
    return checked(
        wire.transaction_id,
        to_ms(wire.event_time),
        wire.customer_id,
        wire.currency,
        wire.merchant_id,
        wire.merchant_category,
        wire.amount,
        wire.channel,
        wire.device_id,
        wire.country,
        attributes,
        of_any_length=True,
    )


def decode_label(raw: bytes | None) -> Label | Rejected:
    return _decode(raw, _labels, _finish_label)


def _finish_label(wire: WireLabel) -> Label | Rejected:
    for name in ("transaction_id", "customer_id"):
        value = getattr(wire, name)
        if not value:
            return rejected(RejectReason.MISSING_FIELD, name, value, "an id")
        if "\0" in value:
            return rejected(RejectReason.BAD_TEXT, name, value, "text without NUL characters")
    if "\0" in wire.source:
        return rejected(RejectReason.BAD_TEXT, "source", wire.source, "text without NUL characters")
    labelled_at = to_ms(wire.labelled_at)
    if not EARLIEST <= labelled_at < LATEST:
        return rejected(
            RejectReason.TIME_OUT_OF_RANGE, "labelled_at", _when(labelled_at), "a time from 1990 until before 2200"
        )
    return Label(wire.transaction_id, wire.customer_id, wire.is_fraud, labelled_at, wire.source)


def encode_transaction(transaction: Transaction) -> bytes:
    return _encoder.encode(to_wire(transaction))


def to_wire(transaction: Transaction) -> WireTransaction:
    amount = transaction.amount
    return WireTransaction(
        transaction.transaction_id,
        to_datetime(transaction.event_time),
        transaction.customer_id,
        transaction.currency,
        transaction.merchant_id,
        transaction.merchant_category,
        None if amount is None else to_major(amount, transaction.currency),
        transaction.channel,
        transaction.device_id,
        transaction.country,
        transaction.attributes or None,  # type: ignore[arg-type]  # dict is invariant; the wire only adds null
    )


def encode_label(label: Label) -> bytes:
    return _encoder.encode(
        WireLabel(label.transaction_id, label.customer_id, label.is_fraud, to_datetime(label.labelled_at), label.source)
    )
