"""What Datasette asks its plugins: how a failure is answered, and what there is to count by. Registered once for the
process, by `datasette_of`."""

import sqlite3
import traceback
from collections.abc import Awaitable, Callable

from datasette import hookimpl
from datasette.app import Datasette
from datasette.database import QueryInterrupted
from datasette.facets import ArrayFacet, ColumnFacet, DateFacet, Facet
from datasette.utils.asgi import Base400, Request, Response
from datasette.views.base import DatasetteError

from kpi_reporter.explorer.answers import refusal
from kpi_reporter.explorer.described import NAME
from kpi_reporter.explorer.queries import QUERIES, Query
from risk.clock import to_text
from risk.errors import StoreError

_INVALID = "Invalid SQL"  # Datasette's title
_STOPPED = "The query was stopped"
_TOO_LONG = (
    "It took longer than {seconds:g} s and was stopped. Ask for fewer days, name a customer, or look at fewer rows: a "
    "condition on event_time is quick in risk_flags."
)
_BUSY = (
    "It took longer than {seconds:g} s and was stopped, as the machine has much else to do. This query is quick "
    "otherwise: try again in a moment, or ask for fewer days."
)

_WRITES = frozenset(
    {
        "alter",
        "analyze",
        "attach",
        "create",
        "delete",
        "detach",
        "drop",
        "insert",
        "reindex",
        "replace",
        "update",
        "vacuum",
    }
)


@hookimpl  # type: ignore[untyped-decorator]  # datasette has no types
def handle_exception(datasette: Datasette, request: Request, exception: Exception) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        seconds = datasette.sql_time_limit_ms / 1000
        status, title, words = _in_words(exception, seconds)
        if title == _STOPPED and _saved_query(request) is not None:
            # It ends within the limit however much the store holds, so nothing is wrong with what was asked.
            status, title, words = 503, "The reporter is busy", _BUSY.format(seconds=seconds)
        if title == _INVALID and "sql" in request.args:
            title, words = _refused(request.args["sql"], words)
        elif title == _INVALID:
            title, words = "This address cannot be read", _unreadable(request.args.get("_next"), words)
        return await refusal(datasette, request, status, title, words)

    return answer


@hookimpl  # type: ignore[untyped-decorator]  # datasette has no types
def extra_template_vars(datasette: Datasette, request: Request) -> Callable[[], Awaitable[dict[str, str]]]:
    """Beside a saved query: whether it looked at fewer transactions than the days asked for have."""

    async def answer() -> dict[str, str]:
        query = _saved_query(request)
        if query is None or query.cut is None:
            return {}
        asked = {each.name: request.args.get(each.name) or "" for each in query.parameters}
        [[since]] = (await datasette.get_database(NAME).execute(query.cut, asked)).rows
        if since is None:
            return {}
        return {"looked_at": f"Not all of these days are looked at, only what happened since {to_text(since)}."}

    return answer


@hookimpl  # type: ignore[untyped-decorator]  # datasette has no types
def register_facet_classes() -> list[type[Facet]]:
    return [ColumnFacet, DateFacet, ArrayFacet]


def _saved_query(request: Request) -> Query | None:
    """The saved query at this address, if there is one."""
    return next((query for query in QUERIES if query.name == request.url_vars.get("table")), None)


def _refused(sql: str, words: str) -> tuple[str, str]:
    first = sql.split(maxsplit=1)[0] if sql.strip() else ""
    if first.lower() in _WRITES:
        return "Nothing can be changed here", "The explorer only reads: ask by one select."
    return "This cannot be asked", f"expected one select, got {first!r} at the beginning ({words})"


def _unreadable(following: str | None, words: str) -> str:
    """Nobody wrote the SQL: Datasette made it of the address."""
    if following is None:
        return f"expected another value in it ({words})"
    return f"got _next={following}, expected what the link to the next page has; without it, the first page is shown"


def _in_words(exception: Exception, seconds: float) -> tuple[int, str, str]:
    match exception:
        case QueryInterrupted() | DatasetteError(title="SQL Interrupted"):
            return 400, _STOPPED, _TOO_LONG.format(seconds=seconds)
        case DatasetteError():
            # Datasette gives 500 where the address asks for a column that is not there.
            status = 400 if exception.status == 500 else exception.status
            return status, exception.title or "This cannot be shown", str(exception.message)
        case Base400():
            return exception.status, "This cannot be shown", str(exception.args[0])
        case StoreError():
            return 503, "The store cannot be read", str(exception)
        case sqlite3.Error():
            return 400, "This cannot be asked", str(exception)
        case ValueError() | KeyError() | IndexError():
            # Datasette reads numbers and names out of the address without a check of its own.
            return 400, "This address cannot be read", f"expected another value in it; got {exception}"
        case _:
            traceback.print_exception(exception)
            return 500, "This went wrong", f"{type(exception).__name__}; the reporter's log says where"
