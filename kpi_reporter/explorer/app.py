"""The explorer as an ASGI app: start page, then Datasette behind a gate."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec
from datasette.app import Datasette
from datasette.utils.asgi import Request, Response

from kpi_reporter.explorer.answers import refusal
from kpi_reporter.explorer.arguments import with_times, wrong_argument
from kpi_reporter.explorer.datasette_of import QUERY_SECONDS, datasette_of
from kpi_reporter.explorer.gate import (
    METHODS,
    App,
    Receive,
    Scope,
    Send,
    guarded,
    is_page,
    is_static,
    path_of,
    without_credentials,
    without_formulas,
)
from kpi_reporter.explorer.page_connection import page_connection
from kpi_reporter.explorer.start_page import shown
from kpi_reporter.explorer.turns import LONGEST_WAIT_SECONDS, TooManyError, Turns
from kpi_reporter.kpis.recent import Misses
from kpi_reporter.kpis.values import Kpis, Unready

MISSES_SHOWN = 100


class Figures(Protocol):
    """The latest there are, without waiting for newer ones."""

    def value(self) -> Kpis | Unready: ...

    def misses(self) -> Misses | None: ...


@contextmanager
def explorer(
    path: Path,
    figures: Figures,
    *,
    longest_wait_seconds: float = LONGEST_WAIT_SECONDS,
    query_seconds: float = QUERY_SECONDS,
) -> Iterator[App]:
    """Its connections are closed at the end: nobody may be asking any more."""

    def kpis() -> str | None:
        now = figures.value()
        return None if isinstance(now, Unready) else _as_json(now)

    def worst_misses(since: object, until: object) -> str | None:
        """SQL may give anything; an exception would be a traceback in the log."""
        known = figures.misses()
        if known is None or not (isinstance(since, int) and isinstance(until, int)):
            return None
        return _as_json((known.since, known.worst(since, until, MISSES_SHOWN)))

    with datasette_of(path, {"kpis": kpis, "worst_misses": worst_misses}, query_seconds) as datasette:
        yield _answering(datasette, figures, Turns(longest_wait_seconds=longest_wait_seconds))


def _answering(datasette: Datasette, figures: Figures, turns: Turns) -> App:
    pages = datasette.app()

    async def start_page(request: Request, now: Kpis) -> Response:
        template = datasette.jinja_env.get_template("start.html")
        return Response.html(await template.render_async({"request": request, **shown(now)}))

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        request, path_asked = Request(scope, receive), path_of(scope)
        if scope["method"] not in METHODS:
            words = f"got {scope['method']}, expected GET: the explorer only reads"
            response = await refusal(datasette, request, 405, "Nothing can be changed here", words)
        elif is_static(path_asked):
            await pages(scope, receive, send)
            return
        elif path_asked != "/" and not is_page(path_asked):
            words = "There is no page at this address; begin at the overview."
            response = await refusal(datasette, request, 404, "Not found", words)
        elif wrong := wrong_argument(path_asked, request.args):
            response = await refusal(datasette, request, 400, "This address cannot be read", wrong)
        elif isinstance(now := figures.value(), Unready):
            response = await refusal(datasette, request, 503, "Not ready", now.reason)
        elif path_asked == "/":
            response = await start_page(request, now)
        else:
            try:
                read = {**scope, "query_string": with_times(path_asked, scope["query_string"])}
                sent = without_formulas(send) if path_asked.endswith(".csv") else send
                async with turns.turn(), page_connection():
                    await pages(read, receive, sent)
                return
            except TooManyError:
                words = "More people ask than can be answered; try again in some seconds."
                response = await refusal(datasette, request, 503, "Busy", words)
        await response.asgi_send(send)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(without_credentials(scope), receive, guarded(send, path_of(scope)))

    return app


def _as_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
