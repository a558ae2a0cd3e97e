"""What is wrong with the arguments of an address. Datasette and SQLite take much without looking, and answer with no
rows, which reads as if there were none."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime

from datasette.filters import Filters
from datasette.utils import MultiParams

from kpi_reporter.explorer.cells import DAYS, TIMES
from kpi_reporter.explorer.described import NAME
from kpi_reporter.explorer.queries import MOST_DAYS, QUERIES, Kind
from risk.clock import DAY, SECOND
from risk.store.tables import TABLES
from risk.store.views import VIEWS

_TABLES = {table.name: frozenset(column.name for column in table.columns) for table in TABLES}
_COLUMNS = _TABLES | {view.name: frozenset(column.name for column in view.columns) for view in VIEWS}
_ANY_COLUMN = frozenset[str]().union(*_COLUMNS.values())
_ASKED = {query.name: {asked.name: asked for asked in query.asked} for query in QUERIES}

_HOW = frozenset(key for key, _, _ in Filters([]).lookups())
_BY_VALUE = frozenset({"exact", "not", "gt", "gte", "lt", "lte"})
_WHOLE = re.compile(r"-?\d+")
_PAGE = re.compile(rf"/{NAME}/([a-z_]+)(?:\.json|\.csv)?")


def wrong_argument(path: str, arguments: MultiParams) -> str | None:
    if "_through" in arguments:
        return "got _through, expected none: no table of the store refers to another"
    unknown = [name for name in arguments.getlist("_facet") if name not in _ANY_COLUMN]
    if unknown:
        return f"got _facet={unknown[0]}, expected a column"
    page = _PAGE.fullmatch(path)
    if page is None:
        return None
    check = _wrong_answer if page[1] in _ASKED else _wrong_filter
    return _first_wrong(page[1], arguments, check)


def _first_wrong(page: str, arguments: MultiParams, check: Callable[[str, str, str], str | None]) -> str | None:
    for name in arguments:
        # As Datasette tells its own arguments from filters.
        if not name.startswith("_") or "__" in name:
            for value in arguments.getlist(name):
                if wrong := check(page, name, value):
                    return wrong
    return None


def _wrong_answer(query: str, name: str, value: str) -> str | None:
    """Of what a query that stands ready asks."""
    asked = _ASKED[query].get(name)
    if asked is None:
        return f"got {name}, expected {' or '.join(_ASKED[query]) or 'nothing'}: {query} asks for nothing else"
    if value and asked.kind is Kind.DAYS and not (value.isdecimal() and 1 <= int(value) <= MOST_DAYS):
        return f"{name}: got {value!r}, expected a whole number of days from 1 to {MOST_DAYS:,}, or nothing"
    if value and asked.kind is Kind.DATE and _date(value) is None:
        return f"{name}: got {value!r}, expected a day as 2024-12-31, or nothing"
    return None


def _wrong_filter(table: str, name: str, value: str) -> str | None:
    column, how = name.rsplit("__", 1) if "__" in name else (name, "exact")
    if column not in _COLUMNS[table]:
        return f"got the filter {name}, expected a column of {table}: {', '.join(sorted(_COLUMNS[table]))}"
    if how not in _HOW:
        return f"got the filter {name}, expected one of {', '.join(sorted(_HOW))} behind the column"
    if table not in _TABLES or how not in _BY_VALUE or _WHOLE.fullmatch(value):
        return None
    return _wrong_unit(table, column, value)


def _wrong_unit(table: str, column: str, value: str) -> str | None:
    """The tables hold whole numbers where their pages show times and money; any text is greater than those."""
    if column == "amount":
        return (
            f"amount: got {value!r}, expected a whole number of minor units (81.77 EUR is 8177), as {table} has them; "
            "readable_flags has major units"
        )
    if column not in TIMES | DAYS:
        return None
    unit, length = ("milliseconds", 1) if column in TIMES else ("days", DAY)
    moment = _moment(value)
    example = "" if moment is None else f" ({value} is {moment // length})"
    return f"{column}: got {value!r}, expected whole {unit} since 1970 UTC{example}, as {table} has them"


def _date(value: str) -> date | None:
    try:
        return date.fromisoformat(value) if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else None
    except ValueError:
        return None


def _moment(value: str) -> int | None:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * SECOND
