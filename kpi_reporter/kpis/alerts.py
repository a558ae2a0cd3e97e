"""The latest alerts and reviews, with the first of their reasons."""

from typing import NamedTuple, TypeVar

import msgspec

from kpi_reporter.kpis.notables import PARTITION_SHIFT
from risk.errors import StoreError
from risk.events import FiredRule, Mode, Reason
from risk.money import to_major
from risk.store import IF_DAMAGED, FlagRow, StoreToReport

_reasons = msgspec.json.Decoder(list[Reason])
_rules = msgspec.json.Decoder(list[FiredRule])
Listed = TypeVar("Listed")


class Alert(NamedTuple):
    event_time: int
    customer_id: str
    transaction_id: str
    amount: float | None  # in major units
    currency: str
    score: float
    decision: str  # alert or review
    why: str  # of the model; else the rule that decided; empty where the flag names neither


def alerts_at(store: StoreToReport, places: list[int]) -> list[Alert]:
    """Of these alerts and reviews; one that was pruned meanwhile is left out."""
    flags = [store.flag(*divmod(place, 1 << PARTITION_SHIFT)) for place in places]
    return [_alert(flag) for flag in flags if flag is not None]


def _alert(flag: FlagRow) -> Alert:
    decision = flag.decided
    reasons = [reason.sentence for reason in _listed(flag, "reasons", flag.reasons, _reasons)]
    rules = [
        f"{rule.rule}: {rule.sentence}"
        for rule in _listed(flag, "rules", flag.rules, _rules)
        if rule.mode is Mode.ON and rule.action == decision
    ]
    return Alert(
        flag.event_time,
        flag.customer_id,
        flag.transaction_id,
        None if flag.amount is None else to_major(flag.amount, flag.currency),
        flag.currency,
        flag.score,
        decision,
        next(iter(reasons + rules), ""),
    )


def _listed(
    flag: FlagRow, column: str, text: str | None, decoder: "msgspec.json.Decoder[list[Listed]]"
) -> list[Listed]:
    try:
        return decoder.decode(text) if text else []
    except msgspec.DecodeError as error:
        raise StoreError(
            f"risk_flags: {column} of {flag.transaction_id!r}: {error}, expected a list; {IF_DAMAGED}"
        ) from error
