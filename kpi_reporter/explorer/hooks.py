"""What Datasette asks its plugins: how a failure is answered. Registered once for the process, by `datasette_of`."""

import sqlite3
import traceback
from collections.abc import Awaitable, Callable

from datasette import hookimpl
from datasette.app import Datasette
from datasette.database import QueryInterrupted
from datasette.utils.asgi import Base400, Request, Response
from datasette.views.base import DatasetteError

from kpi_reporter.explorer.answers import refusal
from risk.errors import StoreError

_TOO_LONG = (
    "It took longer than {seconds:g} s and was stopped. Ask for fewer days, name a customer, or look at fewer rows: a "
    "condition on event_time is quick in risk_flags."
)


@hookimpl  # type: ignore[untyped-decorator]  # datasette has no types
def handle_exception(datasette: Datasette, request: Request, exception: Exception) -> Callable[[], Awaitable[Response]]:
    async def answer() -> Response:
        status, title, words = _in_words(exception, datasette.sql_time_limit_ms / 1000)
        return await refusal(datasette, request, status, title, words)

    return answer


def _in_words(exception: Exception, seconds: float) -> tuple[int, str, str]:
    match exception:
        case QueryInterrupted() | DatasetteError(title="SQL Interrupted"):
            return 400, "The query was stopped", _TOO_LONG.format(seconds=seconds)
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
