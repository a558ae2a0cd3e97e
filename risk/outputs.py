"""Flags and alerts, as they are on their topics. Their bytes are a function of what they say alone: no wall clock, no
random id.

Both carry `schema_version`: 2 where a rule set decided beside the model, and 1 where none did. What that promises to
consumers stands in docs/contracts/README.md.
"""

import re
from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Annotated, TypeVar
from uuid import UUID, uuid5

import msgspec
from msgspec import UNSET, Struct, UnsetType

from risk.bundle import is_version
from risk.clock import day_of_date, to_date
from risk.codec import Moment, WireTransaction, from_wire
from risk.diagnosis import rejected
from risk.events import Decision, FiredRule, Level, Reason, Rejected, RejectReason
from risk.rules.rule_set import is_rules_version
from risk.share import Share, is_percent
from risk.topics import LARGEST_OFFSET
from risk.versions import Versions

# Whoever builds an alert's id again needs this; another value would be another id for every alert there is.
ALERT_NAMESPACE = UUID("357fa7e6-1478-5001-8603-21e84b2c8ceb")


class RiskFlag(Struct, frozen=True, tag_field="schema_version", tag=1):
    """A transaction was scored: one flag per transaction. Every field is always there but for `history_days`: how many
    days of the past the score could see, where that was less than its longest window; and `share`: of which bundles,
    while a challenger decided for some of the customers."""

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
    history_days: int | UnsetType = UNSET
    share: Share | UnsetType = UNSET


class DecidedFlag(RiskFlag, frozen=True, tag=2, kw_only=True):
    """The same, where a rule set decided beside the model. `level` is the model's alone; `rules` are those that fired,
    and `rules_left_out` how many more did, for which a message has no room."""

    decision: Decision
    rules_version: str
    rules: tuple[FiredRule, ...]
    rules_left_out: int | UnsetType = UNSET


class HighRiskAlert(Struct, frozen=True, tag_field="schema_version", tag=1):
    """A transaction scored high: what downstream services act on, with its reasons and its provenance. The transaction
    looks as it does on its own topic."""

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
    history_days: int | UnsetType = UNSET
    share: Share | UnsetType = UNSET


class DecidedAlert(HighRiskAlert, frozen=True, tag=2, kw_only=True):
    """Model and rules together said `alert` or `review`, whatever the level."""

    decision: Decision
    rules_version: str
    rules: tuple[FiredRule, ...]
    rules_left_out: int | UnsetType = UNSET


class _Source(Struct):
    source_offset: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_OFFSET)]


class _OfModel(Struct, tag_field="schema_version", tag=1):
    """As the whole is read: a field that its version does not have says nothing."""

    bundle_version: str
    share: Share | None = None


class _OfRules(_OfModel, tag=2, kw_only=True):
    rules_version: str


# Two equal transactions may hold their attributes in another order; equal alerts must be equal bytes.
_encoder = msgspec.json.Encoder(order="deterministic")
encode: Callable[[RiskFlag | HighRiskAlert], bytes] = _encoder.encode
_flags: "msgspec.json.Decoder[RiskFlag]" = msgspec.json.Decoder(RiskFlag | DecidedFlag)
_alerts: "msgspec.json.Decoder[HighRiskAlert]" = msgspec.json.Decoder(HighRiskAlert | DecidedAlert)
_sources = msgspec.json.Decoder(_Source)
_provenances: "msgspec.json.Decoder[_OfModel]" = msgspec.json.Decoder(_OfModel | _OfRules)

_HISTORY_DAYS = re.compile(rb',"history_days":[0-9]+}\Z')

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def alert_id(customer_id: str, transaction_id: str, event_time: int, versions: Versions) -> str:
    """The same for the same transaction, bundle and rule set, whoever scores it and however often. `versions`: the
    bundle is the one that decided it."""
    bundle, rules, _ = versions
    parts = (customer_id, transaction_id, event_time, bundle)
    # A JSON list, because texts put side by side could be cut in two ways.
    name = msgspec.json.encode(parts if rules is None else (*parts, rules)).decode()
    return str(uuid5(ALERT_NAMESPACE, name))


def decode_flag(raw: bytes | None) -> RiskFlag | Rejected:
    return _read(raw, _flags, "a risk flag")


def decode_alert(raw: bytes | None) -> HighRiskAlert | Rejected:
    alert = _read(raw, _alerts, "an alert")
    if isinstance(alert, Rejected):
        return alert
    transaction = from_wire(alert.transaction)
    return transaction if isinstance(transaction, Rejected) else alert


def source_of(raw: bytes | None) -> int | None:
    """The source offset of a flag or an alert; None where the bytes are neither."""
    try:
        return _sources.decode(raw or b"").source_offset
    except _UNREADABLE:
        return None


def versions_in(raw: bytes | None) -> Versions | None:
    """What a flag or an alert says that it was decided by; None where the bytes are neither, or nothing can be called
    so."""
    try:
        named = _provenances.decode(raw or b"")
    except _UNREADABLE:
        return None
    rules = named.rules_version if isinstance(named, _OfRules) else None
    return _possible(named.bundle_version, rules, named.share)


def versions_of(output: RiskFlag | HighRiskAlert) -> Versions | None:
    """What decided it; None where nothing can be called so."""
    rules = output.rules_version if isinstance(output, DecidedFlag | DecidedAlert) else None
    return _possible(output.bundle_version, rules, None if output.share is UNSET else output.share)


def _possible(bundle: str, rules: str | None, share: Share | None) -> Versions | None:
    """Anybody can write to a topic."""
    if not is_version(bundle) or not (rules is None or is_rules_version(rules)):
        return None
    if share is None:
        return Versions(bundle, rules)
    both = share.in_use, share.challenger
    is_possible = bundle in both and all(map(is_version, both)) and both[0] != both[1] and is_percent(share.percent)
    return Versions(share.in_use, rules, share) if is_possible else None


def without_history_days(raw: bytes) -> bytes:
    """A flag or an alert as version 0.1 wrote it. The field comes last, so that nothing else is touched."""
    return _HISTORY_DAYS.sub(b"}", raw)


_Output = TypeVar("_Output", RiskFlag, HighRiskAlert)


def _read(raw: bytes | None, decoder: "msgspec.json.Decoder[_Output]", expected: str) -> _Output | Rejected:
    if raw is None:
        return rejected(RejectReason.NOT_JSON, "message", None, expected)
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        return rejected(RejectReason.WRONG_TYPE, "message", raw.decode(errors="replace"), f"{expected} ({error})")
    except _UNREADABLE as error:
        return rejected(RejectReason.NOT_JSON, "message", raw.decode(errors="replace"), f"{expected} ({error})")


@cache  # a few thousand days, each asked for a million times
def date_of(day: int | None) -> date | None:
    """A ledger day as flags and alerts name it."""
    return None if day is None else to_date(day)


def day_named(day: date | None) -> int | None:
    """And back."""
    return None if day is None else day_of_date(day)
