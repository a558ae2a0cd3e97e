"""What gets through to Datasette: reading, and the addresses of its pages of the store. Everything else ends here, so
that what Datasette or a plugin offers besides (debug pages, downloads, other databases) is out of reach."""

import csv
import re
from collections.abc import Awaitable, Callable, MutableMapping
from io import StringIO
from typing import Any

from console.output import spreadsheet_cell
from kpi_reporter.explorer.described import NAME, pages

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

METHODS = frozenset({"GET", "HEAD"})

_FILE = r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*"
_STATIC = re.compile(rf"/(?:-/static|assets)/{_FILE}|/favicon\.ico")
_PAGE = re.compile(
    rf"/{NAME}(?:\.json|\.csv)?"
    rf"|/{NAME}/(?:{'|'.join(sorted(pages()))})(?:\.json|\.csv|/[A-Za-z0-9_,~-]+(?:\.json)?)?"
)

# Nothing is fetched from elsewhere, no script stands in a page, and no other site may show these pages in a frame.
# Styles may: the editor and the charts size things that way.
_SECURITY = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]


def is_static(path: str) -> bool:
    return _STATIC.fullmatch(path) is not None


def is_page(path: str) -> bool:
    return _PAGE.fullmatch(path) is not None


def path_of(scope: Scope) -> str:
    """As it came, nothing decoded: the addresses that exist need no encoding."""
    raw = scope.get("raw_path")
    text = raw.decode("latin-1") if raw is not None else str(scope["path"])
    return text.partition("?")[0]


def without_credentials(scope: Scope) -> Scope:
    """Datasette has users of its own, by cookie and header; there are none here."""
    kept = [(name, value) for name, value in scope["headers"] if name.lower() not in (b"cookie", b"authorization")]
    return {**scope, "headers": kept}


def guarded(send: Send, path: str) -> Send:
    """Adds what every answer carries. Figures are not kept by browsers and proxies; the files that go with them are."""
    keeping = b"max-age=3600" if is_static(path) else b"no-store"

    async def send_guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = {name for name, _ in _SECURITY} | {b"cache-control", b"link"}
            headers = [(name, value) for name, value in message.get("headers", []) if name.lower() not in ours]
            message = {**message, "headers": [*headers, *_SECURITY, (b"cache-control", keeping)]}
        await send(message)

    return send_guarded


def without_formulas(send: Send) -> Send:
    """Texts that no spreadsheet runs, where the answer is CSV. It is held to so many rows, so it is kept until
    it is whole."""
    is_csv = False
    body = bytearray()

    async def send_without(message: Message) -> None:
        nonlocal is_csv
        if message["type"] == "http.response.start":
            # What is wrong with an address that ends in .csv is said in JSON.
            kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
            is_csv = any(kind.startswith((b"text/plain", b"text/csv")) for kind in kinds)
            await send(message)
        elif not is_csv:
            await send(message)
        else:
            body.extend(message.get("body", b""))
            if not message.get("more_body"):
                await send({**message, "body": _as_cells(body.decode()).encode()})

    return send_without


def _as_cells(text: str) -> str:
    made = StringIO(newline="")
    rows = csv.reader(StringIO(text, newline=""))
    csv.writer(made).writerows([cell if _is_number(cell) else spreadsheet_cell(cell) for cell in row] for row in rows)
    return made.getvalue()


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
