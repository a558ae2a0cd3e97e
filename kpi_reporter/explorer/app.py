"""The explorer as an ASGI app: start page, then Datasette behind a gate."""

from collections.abc import Callable
from pathlib import Path

import msgspec
from datasette.utils.asgi import Request, Response

from kpi_reporter.explorer.answers import refusal
from kpi_reporter.explorer.arguments import wrong_argument
from kpi_reporter.explorer.datasette_of import datasette_of
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
)
from kpi_reporter.explorer.page_connection import page_connection
from kpi_reporter.explorer.start_page import shown
from kpi_reporter.explorer.turns import LONGEST_WAIT_SECONDS, TooManyError, Turns
from kpi_reporter.kpis.values import Kpis, Unready


def explorer(
    path: Path, kpis: Callable[[], Kpis | Unready], *, longest_wait_seconds: float = LONGEST_WAIT_SECONDS
) -> App:
    """`kpis`: the latest figures there are, without waiting for newer ones."""

    def kpis_as_json() -> str | None:
        now = kpis()
        return None if isinstance(now, Unready) else msgspec.json.encode(now).decode()

    datasette = datasette_of(path, {"kpis": kpis_as_json})
    pages = datasette.app()
    turns = Turns(longest_wait_seconds=longest_wait_seconds)

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
        elif isinstance(now := kpis(), Unready):
            response = await refusal(datasette, request, 503, "Not ready", now.reason)
        elif path_asked == "/":
            response = await start_page(request, now)
        else:
            try:
                async with turns.turn(), page_connection():
                    await pages(scope, receive, send)
                return
            except TooManyError:
                words = "More people ask than can be answered; try again in some seconds."
                response = await refusal(datasette, request, 503, "Busy", words)
        await response.asgi_send(send)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(without_credentials(scope), receive, guarded(send, path_of(scope)))

    return app
