"""Answers that are no page of Datasette's: in HTML for people, in JSON for programs."""

from datasette.app import Datasette
from datasette.utils.asgi import Request, Response


async def refusal(explorer: Datasette, request: Request, status: int, title: str, words: str) -> Response:
    """A page that says what is the matter; the SQL that was asked stands in it, to be mended."""
    headers = {"cache-control": "no-store"}
    if status == 503:
        headers["retry-after"] = "5"
    if request.path.endswith((".json", ".csv")):
        return Response.json({"ok": False, "status": status, "title": title, "error": words}, status, headers)
    template = explorer.jinja_env.get_template("error.html")
    page = await template.render_async(
        {"request": request, "urls": explorer.urls, "status": status, "title": title, "words": words}
    )
    return Response.html(page, status, headers)
