"""The latest alerts, with the first of their reasons."""

from typing import NamedTuple

import msgspec

from kpi_reporter.kpis.notables import PARTITION_SHIFT
from risk.errors import StoreError
from risk.events import Reason
from risk.money import to_major
from risk.store import IF_DAMAGED, FlagRow, StoreToReport

_reasons = msgspec.json.Decoder(list[Reason])


class Alert(NamedTuple):
    event_time: int
    customer_id: str
    transaction_id: str
    amount: float | None  # in major units
    currency: str
    score: float
    why: str  # empty where the flag names no reason


def alerts_at(store: StoreToReport, places: list[int]) -> list[Alert]:
    """Of these high flags; one that was pruned meanwhile is left out."""
    flags = [store.flag(*divmod(place, 1 << PARTITION_SHIFT)) for place in places]
    return [_alert(flag) for flag in flags if flag is not None]


def _alert(flag: FlagRow) -> Alert:
    try:
        first = _reasons.decode(flag.reasons)[:1] if flag.reasons else []
    except msgspec.DecodeError as error:
        raise StoreError(
            f"risk_flags: reasons of {flag.transaction_id!r}: {error}, expected a list; {IF_DAMAGED}"
        ) from error
    return Alert(
        flag.event_time,
        flag.customer_id,
        flag.transaction_id,
        None if flag.amount is None else to_major(flag.amount, flag.currency),
        flag.currency,
        flag.score,
        first[0].sentence if first else "",
    )
