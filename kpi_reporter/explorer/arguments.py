"""What is wrong with the arguments of an address. Datasette and SQLite take much without looking, and answer with no
rows, which reads as if there were none."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from datasette.filters import Filters
from datasette.utils import MultiParams

from kpi_reporter.explorer.cells import DAYS, TIMES
from kpi_reporter.explorer.described import NAME
from kpi_reporter.explorer.queries import MOST_DAYS, QUERIES, Kind
from risk.clock import DAY, SECOND
from risk.store.sqlite.tables import TABLES
from risk.store.sqlite.views import VIEWS

_TABLES = {table.name: frozenset(column.name for column in table.columns) for table in TABLES}
_COLUMNS = _TABLES | {view.name: frozenset(column.name for column in view.columns) for view in VIEWS}
_ANY_COLUMN = frozenset[str]().union(*_COLUMNS.values())
_PARAMETERS = {query.name: {one.name: one for one in query.parameters} for query in QUERIES}

_HOW = frozenset(key for key, _, _ in Filters([]).lookups())
_BY_VALUE = frozenset({"exact", "not", "gt", "gte", "lt", "lte"})
_WHOLE = re.compile(r"-?[0-9]+")
# Datasette makes links that each have all arguments, and a query for each facet: nine hundred facets took a minute.
MOST_ARGUMENTS = 100
MOST_FACETS = 10
_PAGE = re.compile(rf"/{NAME}/([a-z_]+)(?:\.json|\.csv)?")


def wrong_argument(path: str, arguments: MultiParams) -> str | None:
    counts = {name: len(arguments.getlist(name)) for name in arguments}
    if sum(counts.values()) > MOST_ARGUMENTS:
        return f"got {sum(counts.values()):,} arguments, expected at most {MOST_ARGUMENTS}"
    facets = sum(count for name, count in counts.items() if name.startswith("_facet") and name != "_facet_size")
    if facets > MOST_FACETS:
        return f"got {facets} facets, expected at most {MOST_FACETS}"
    if "_through" in arguments:
        return "got _through, expected none: no table of the store refers to another"
    unknown = [name for name in arguments.getlist("_facet") if name not in _ANY_COLUMN]
    if unknown:
        return f"got _facet={unknown[0]}, expected a column"
    page = _PAGE.fullmatch(path)
    if page is None:
        return None
    check = _wrong_answer if page[1] in _PARAMETERS else _wrong_filter
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
    """Of what a saved query asks."""
    parameter = _PARAMETERS[query].get(name)
    if parameter is None:
        return f"got {name}, expected {' or '.join(_PARAMETERS[query]) or 'nothing'}: {query} asks for nothing else"
    if (
        value
        and parameter.kind is Kind.DAYS
        and not (value.isascii() and value.isdecimal() and 1 <= int(value) <= MOST_DAYS)
    ):
        return f"{name}: got {value!r}, expected a whole number of days from 1 to {MOST_DAYS:,}, or nothing"
    if value and parameter.kind is Kind.DATE and _date(value) is None:
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
    return None if _as_stored(table, name, value) != [(name, value)] else _wrong_unit(table, column, how, value)


def with_times(path: str, query: bytes) -> bytes:
    """The filters of a page with days and moments as its columns have them. A day is all of that day: `lte` takes it
    in, `gt` leaves it out, and `exact` is both of its ends."""
    page = _PAGE.fullmatch(path)
    if page is None or page[1] not in _COLUMNS:
        return query
    arguments = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    read = [pair for name, value in arguments for pair in _as_stored(page[1], name, value)]
    return query if read == arguments else urlencode(read).encode()


def _as_stored(table: str, name: str, value: str) -> list[tuple[str, str]]:
    column, how = name.rsplit("__", 1) if "__" in name else (name, "exact")
    if column not in TIMES | DAYS or how not in _BY_VALUE or _WHOLE.fullmatch(value):
        return [(name, value)]
    ends = _ends(table, column, value)
    if ends is None or (how == "not" and ends.first != ends.last):
        return [(name, value)]
    if how == "exact":
        return [(f"{column}__gte", ends.first), (f"{column}__lte", ends.last)]
    return [(name, ends.first if how in ("gte", "lt", "not") else ends.last)]


class _Ends(NamedTuple):
    """Of a day or a moment, as a column has it; of a moment they are the same."""

    first: str
    last: str


def _ends(table: str, column: str, value: str) -> _Ends | None:
    moment, is_day = _moment(value), _date(value) is not None
    if moment is None or (column in DAYS and not is_day):
        return None
    if table not in _TABLES:  # a view has texts
        # Behind every moment of the day, with or without fractions of a second.
        return _Ends(value, f"{value}T24") if is_day and column in TIMES else None
    if column in DAYS:
        return _Ends(str(moment // DAY), str(moment // DAY))
    return _Ends(str(moment), str(moment + DAY - 1 if is_day else moment))


def _wrong_unit(table: str, column: str, how: str, value: str) -> str | None:
    """The tables hold whole numbers where their pages show times and money; any text is greater than those."""
    if column == "amount":
        return (
            f"amount: got {value!r}, expected a whole number of minor units (81.77 EUR is 8177), as {table} has them; "
            "readable_flags has major units"
        )
    if column not in TIMES | DAYS:
        return None
    if how == "not" and _date(value) is not None:
        return f"{column}: got {value!r}, expected a time: a whole day is left out by {column}__lt and {column}__gt"
    if column in DAYS:
        return f"{column}: got {value!r}, expected a day such as 2024-12-31, or whole days since 1970"
    return (
        f"{column}: got {value!r}, expected a day or a time such as 2024-12-31 or 2024-12-31T18:00:00Z, or whole "
        "milliseconds since 1970 UTC"
    )


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
