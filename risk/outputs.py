"""Flags and alerts as bytes and back. The bytes are a function of the event alone: no wall clock, no random id.

Both carry `schema_version`; what that promises to consumers stands in docs/contracts/README.md.
"""

from datetime import date
from functools import cache
from typing import Literal, TypeVar
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct

from risk.clock import day_of_date, to_date, to_datetime, to_ms
from risk.codec import Moment, WireTransaction, from_wire, to_wire
from risk.diagnosis import rejected
from risk.events import HighRiskAlert, Level, Reason, Rejected, RejectReason, RiskFlag

SCHEMA_VERSION: Literal[1] = 1

# Whoever builds an alert's id again needs this; another value would be another id for every alert there is.
ALERT_NAMESPACE = UUID("357fa7e6-1478-5001-8603-21e84b2c8ceb")


class WireFlag(Struct):
    """A RiskFlag as JSON shows it. Every field is always there."""

    schema_version: Literal[1]
    transaction_id: str
    customer_id: str
    event_time: Moment
    score: float
    level: Level
    reasons: tuple[Reason, ...]
    imputed: tuple[str, ...]
    ledger_day: date | None
    bundle_version: str
    source_topic: str
    source_partition: int
    source_offset: int


class WireAlert(Struct):
    """A HighRiskAlert as JSON shows it; the transaction looks as it does on its own topic."""

    schema_version: Literal[1]
    alert_id: str
    transaction: WireTransaction
    score: float
    level: Level
    threshold: float
    reasons: tuple[Reason, ...]
    imputed: tuple[str, ...]
    ledger_day: date | None
    bundle_version: str
    catalogue_version: int
    source_topic: str
    source_partition: int
    source_offset: int


class _Source(Struct):
    source_offset: int


class _Provenance(Struct):
    bundle_version: str


# Two equal transactions may hold their attributes in another order; equal alerts must be equal bytes.
_encoder = msgspec.json.Encoder(order="deterministic")
_flags = msgspec.json.Decoder(WireFlag)
_alerts = msgspec.json.Decoder(WireAlert)
_sources = msgspec.json.Decoder(_Source)
_provenances = msgspec.json.Decoder(_Provenance)

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def alert_id(customer_id: str, transaction_id: str, event_time: int, bundle_version: str) -> str:
    """The same for the same transaction and bundle, whoever scores it and however often."""
    # A JSON list, because texts put side by side could be cut in two ways.
    name = msgspec.json.encode((customer_id, transaction_id, event_time, bundle_version)).decode()
    return str(uuid5(ALERT_NAMESPACE, name))


def encode_flag(flag: RiskFlag) -> bytes:
    return _encoder.encode(
        WireFlag(
            SCHEMA_VERSION,
            flag.transaction_id,
            flag.customer_id,
            to_datetime(flag.event_time),
            flag.score,
            flag.level,
            flag.reasons,
            flag.imputed,
            _to_date(flag.ledger_day),
            flag.bundle_version,
            flag.source_topic,
            flag.source_partition,
            flag.source_offset,
        )
    )


def decode_flag(raw: bytes | None) -> RiskFlag | Rejected:
    wire = _read(raw, _flags, "a risk flag")
    if isinstance(wire, Rejected):
        return wire
    return RiskFlag(
        wire.transaction_id,
        wire.customer_id,
        to_ms(wire.event_time),
        wire.score,
        wire.level,
        wire.reasons,
        wire.imputed,
        _to_day(wire.ledger_day),
        wire.bundle_version,
        wire.source_topic,
        wire.source_partition,
        wire.source_offset,
    )


def encode_alert(alert: HighRiskAlert) -> bytes:
    return _encoder.encode(
        WireAlert(
            alert.schema_version,
            alert.alert_id,
            to_wire(alert.transaction),
            alert.score,
            alert.level,
            alert.threshold,
            alert.reasons,
            alert.imputed,
            _to_date(alert.ledger_day),
            alert.bundle_version,
            alert.catalogue_version,
            alert.source_topic,
            alert.source_partition,
            alert.source_offset,
        )
    )


def decode_alert(raw: bytes | None) -> HighRiskAlert | Rejected:
    wire = _read(raw, _alerts, "an alert")
    if isinstance(wire, Rejected):
        return wire
    transaction = from_wire(wire.transaction)
    if isinstance(transaction, Rejected):
        return transaction
    return HighRiskAlert(
        wire.alert_id,
        wire.schema_version,
        transaction,
        wire.score,
        wire.level,
        wire.threshold,
        wire.reasons,
        wire.imputed,
        _to_day(wire.ledger_day),
        wire.bundle_version,
        wire.catalogue_version,
        wire.source_topic,
        wire.source_partition,
        wire.source_offset,
    )


def source_of(raw: bytes | None) -> int | None:
    """The source offset of a flag or an alert; None where the bytes are neither."""
    try:
        return _sources.decode(raw or b"").source_offset
    except _UNREADABLE:
        return None


def bundle_of(raw: bytes | None) -> str | None:
    """The bundle that a flag or an alert names; None where the bytes are neither."""
    try:
        return _provenances.decode(raw or b"").bundle_version
    except _UNREADABLE:
        return None


_Wire = TypeVar("_Wire", WireFlag, WireAlert)


def _read(raw: bytes | None, decoder: "msgspec.json.Decoder[_Wire]", expected: str) -> _Wire | Rejected:
    if raw is None:
        return rejected(RejectReason.NOT_JSON, "message", None, expected)
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        return rejected(RejectReason.WRONG_TYPE, "message", raw.decode(errors="replace"), f"{expected} ({error})")
    except _UNREADABLE as error:
        return rejected(RejectReason.NOT_JSON, "message", raw.decode(errors="replace"), f"{expected} ({error})")


@cache  # a few thousand days, each asked for a million times
def _to_date(day: int | None) -> date | None:
    return None if day is None else to_date(day)


def _to_day(day: date | None) -> int | None:
    return None if day is None else day_of_date(day)
