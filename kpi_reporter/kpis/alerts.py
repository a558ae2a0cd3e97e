"""The latest alerts, with the first of their reasons."""

import sqlite3
from typing import NamedTuple

import msgspec

from kpi_reporter.kpis.damage import ADVICE
from kpi_reporter.kpis.notables import PARTITION_SHIFT
from risk.errors import StoreError
from risk.events import Reason
from risk.money import to_major

_ALERT = """
select event_time, customer_id, transaction_id, amount, currency, score, reasons
from risk_flags where source_partition = ? and source_offset = ?
"""
_reasons = msgspec.json.Decoder(list[Reason])


class Alert(NamedTuple):
    event_time: int
    customer_id: str
    transaction_id: str
    amount: float | None  # in major units
    currency: str
    score: float
    why: str  # empty where the flag names no reason


def alerts_at(connection: sqlite3.Connection, places: list[int]) -> list[Alert]:
    """Of these high flags; one that was pruned meanwhile is left out."""
    rows = [connection.execute(_ALERT, divmod(place, 1 << PARTITION_SHIFT)).fetchone() for place in places]
    return [_alert(*row) for row in rows if row is not None]


def _alert(
    event_time: int, customer: bytes, transaction: bytes, minor: int | None, code: bytes, score: float,
    reasons: bytes | None,
) -> Alert:  # fmt: skip
    currency = code.decode()
    try:
        first = _reasons.decode(reasons)[:1] if reasons else []
    except msgspec.DecodeError as error:
        raise StoreError(
            f"risk_flags: reasons of {transaction.decode()!r}: {error}, expected a list; {ADVICE}"
        ) from error
    return Alert(
        event_time,
        customer.decode(),
        transaction.decode(),
        None if minor is None else to_major(minor, currency),
        currency,
        score,
        first[0].sentence if first else "",
    )
