"""Values as people read them. The templates choose by the column's name; what does not look as it should stays as it
is."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from risk.clock import DAY, EARLIEST, LATEST, to_date, to_text
from risk.money import EXPONENTS, to_major

TIMES = frozenset({"event_time", "labelled_at", "newest_event_time", "waiting_head", "bucket", "newest"})
DAYS = frozenset({"day", "ledger_day"})
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")

_FLAG = "event_time customer_id amount currency decision level score merchant_category channel country reasons rules"
_TOLD_FIRST = {"risk_flags": (*_FLAG.split(), "merchant_id", "transaction_id")}


def as_time(value: Any, column: str) -> str | None:
    """A time or day of the store, to the second; None where it is none. The whole of it stays at hand in the page."""
    if isinstance(value, str):
        return f"{value[:10]} {value[11:19]}" if _TIME.fullmatch(value) else None
    if not isinstance(value, int):
        return None
    if column in TIMES and EARLIEST <= value <= LATEST:
        return as_time(to_text(value), column)
    if column in DAYS and EARLIEST // DAY <= value <= LATEST // DAY:
        return to_date(value).isoformat()
    return None


def as_amount(value: Any, currency: Any) -> str | None:
    """Minor units in major ones."""
    if not isinstance(value, int) or currency not in EXPONENTS:
        return None
    return f"{to_major(value, currency):,.{EXPONENTS[currency]}f}"


def as_major(value: float, currency: Any) -> str:
    """An amount in major units, with as many decimals as its currency has; two where that is not known."""
    return f"{value:,.{EXPONENTS.get(currency, 2)}f}"


def has_minor(rows: Sequence[Sequence[Any]], columns: Sequence[str]) -> bool:
    """Whether an answer shows amounts as they are stored: the readable views have no whole ones."""
    places = [place for place, name in enumerate(columns) if name == "amount"]
    return any(isinstance(row[place], int) for row in rows for place in places)


def as_reasons(value: Any) -> list[tuple[str, float]]:
    """The sentences of stored reasons with their parts in the score; none where it is no such list."""
    try:
        return [(reason["sentence"], float(reason["contribution"])) for reason in json.loads(value)]
    except (TypeError, ValueError, KeyError):
        return []


def as_rules(value: Any) -> list[tuple[str, str]]:
    """The names and sentences of stored rules with what they ask for; none where it is no such list."""
    try:
        return [
            (f"{rule['rule']}: {rule['sentence']}", rule["action"] + ", in the shadow" * (rule["mode"] == "shadow"))
            for rule in json.loads(value)
        ]
    except (TypeError, ValueError, KeyError):
        return []


def as_pairs(value: Any) -> list[tuple[str, str]]:
    """The names and values of stored attributes; none where it is no such object."""
    try:
        return [
            (name, f"{each:g}" if isinstance(each, float) else str(each)) for name, each in json.loads(value).items()
        ]
    except (TypeError, ValueError, AttributeError):
        return []


def as_count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def numeric(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> frozenset[str]:
    """The columns that are read from the right: numbers that are no times, days or verdicts."""
    return frozenset(name for name in columns if name != "is_fraud" and _are_numbers(rows, name))


def _are_numbers(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    known = [row[name] for row in rows if row[name] is not None]
    return bool(known) and all(isinstance(value, int | float) and as_time(value, name) is None for value in known)


def page_sql(sql: str) -> str:
    """The SQL of a table's page, for as many rows as the page shows: Datasette asks for one more, to know whether there
    is a next page."""
    return re.sub(r"(?<= limit )\d+$", lambda limit: str(int(limit[0]) - 1), sql)


def unit(column: str, table: str) -> str:
    """What a filter of a table counts in, where its page shows something else."""
    if table.startswith(("readable_", "customer_")):
        return ""
    if column == "amount":
        return "minor units"
    if column in TIMES:
        return "ms since 1970"
    return "days since 1970" if column in DAYS else ""


def told_first(columns: list[dict[str, Any]], table: str) -> list[dict[str, Any]]:
    """The columns of a table's page, those that one looks for before those that one does not."""
    if table not in _TOLD_FIRST:
        return columns
    wanted = _TOLD_FIRST[table]
    place = {name: number for number, name in enumerate(wanted)}
    # Datasette's link to the row stays in front.
    return columns[:1] + sorted(columns[1:], key=lambda column: place.get(column["name"], len(wanted)))


def local(url: str) -> str:
    """An address of ours without scheme and host: behind a proxy they would be others."""
    return "/" + url.split("/", 3)[3] if "://" in url else url


FILTERS = {
    "as_time": as_time,
    "as_amount": as_amount,
    "as_major": as_major,
    "as_reasons": as_reasons,
    "as_rules": as_rules,
    "as_pairs": as_pairs,
    "as_count": as_count,
    "has_minor": has_minor,
    "local": local,
    "numeric": numeric,
    "page_sql": page_sql,
    "unit": unit,
    "told_first": told_first,
}
