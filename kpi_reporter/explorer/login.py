"""Who may look: whoever has the token, or, where none is set, whoever sits at this machine.

Programs send `Authorization: Bearer <token>`. Browsers get a form once, and from then on a cookie that says until when
it holds, signed with the token: another token ends it, and a restart does not.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from datasette.utils.asgi import Response

from kpi_reporter.explorer.gate import App, Receive, Scope, Send, guarded, path_of
from kpi_reporter.explorer.login_page import login_page
from risk.settings import Secret

COOKIE = "trustlens"
HOLDS_SECONDS = 12 * 3600
OPEN = frozenset({"/health"})  # for whoever restarts a program that does not answer

_LONGEST_FORM = 10_000


def with_login(app: App, token: Secret, now: Callable[[], float]) -> App:
    """`now`: seconds of the clock. Without a token only this machine is answered, under its own names: a page of
    another site may lead its name here, and would read along."""

    async def with_token(scope: Scope, receive: Receive, send: Send) -> None:
        path = path_of(scope)
        if path in OPEN:
            await app(scope, receive, send)
        elif scope["method"] == "POST" and path == "/login":
            await (await _signed_in(scope, receive, token, now())).asgi_send(guarded(send, path))
        elif scope["method"] == "POST" and path == "/logout":
            await _signed_out(scope).asgi_send(guarded(send, path))
        elif _is_bearer(scope, token):
            await app(scope, receive, send)
        elif _is_cookie(scope, token, now()):
            await app({**scope, "signed_in": True}, receive, send)
        else:
            await _asked_for(scope).asgi_send(guarded(send, path))

    async def at_this_machine(scope: Scope, receive: Receive, send: Send) -> None:
        host = _header(scope, b"host")
        if _is_this_machine(host):
            await app(scope, receive, send)
            return
        words = (
            f"got the host {host!r}, expected localhost, 127.0.0.1 or [::1]: without a token only this machine is "
            "answered. Set TRUSTLENS_REPORTER_TOKEN to be reached by another name."
        )
        await Response.text(words, 421).asgi_send(guarded(send, path_of(scope)))

    inner = with_token if token else at_this_machine

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        await (inner if scope["type"] == "http" else app)(scope, receive, send)

    return asked


def _is_token(given: str, token: Secret) -> bool:
    """Takes as long for a near miss as for a far one, whatever the lengths."""
    both = (hashlib.sha256(text.encode()).digest() for text in (given, token.reveal()))
    return hmac.compare_digest(*both)


def _is_bearer(scope: Scope, token: Secret) -> bool:
    scheme, _, given = _header(scope, b"authorization").partition(" ")
    return scheme.lower() == "bearer" and _is_token(given.strip(), token)


def _is_cookie(scope: Scope, token: Secret, seconds: float) -> bool:
    try:
        cookie = SimpleCookie(_header(scope, b"cookie")).get(COOKIE)
    except CookieError:
        return False
    if cookie is None:
        return False
    until, _, signature = cookie.value.partition(".")
    signed = hmac.compare_digest(signature.encode(), _signature(until, token).encode())
    return signed and int(until) > seconds


def _signature(until: str, token: Secret) -> str:
    return hmac.new(token.reveal().encode(), f"explorer until {until}".encode(), hashlib.sha256).hexdigest()


async def _signed_in(scope: Scope, receive: Receive, token: Secret, seconds: float) -> Response:
    form = parse_qs(await _body(receive))
    where = _place(form.get("next", ["/"])[0])
    if not _is_token(form.get("token", [""])[0], token):
        return Response.html(login_page(where, "That is not the token."), 401)
    until = str(int(seconds) + HOLDS_SECONDS)
    response = Response("", 303, {"location": where})
    response.set_cookie(
        COOKIE, f"{until}.{_signature(until, token)}", max_age=HOLDS_SECONDS, httponly=True, secure=_is_secure(scope)
    )
    return response


def _signed_out(scope: Scope) -> Response:
    response = Response("", 303, {"location": "/"})
    response.set_cookie(COOKIE, "", max_age=0, httponly=True, secure=_is_secure(scope))
    return response


def _asked_for(scope: Scope) -> Response:
    headers = {"www-authenticate": 'Bearer realm="TrustLens"'}
    if scope["method"] == "GET" and "text/html" in _header(scope, b"accept"):
        query = scope["query_string"].decode("latin-1")
        return Response.html(login_page(_place(path_of(scope) + (f"?{query}" if query else "")), ""), 401, headers)
    words = "got no valid token, expected Authorization: Bearer <token>, the one in TRUSTLENS_REPORTER_TOKEN"
    return Response.json({"ok": False, "status": 401, "error": words}, 401, headers)


def _place(given: str) -> str:
    """Where to go on after the form: a page of ours, never another site."""
    is_ours = given.startswith("/") and not given.startswith(("//", "/\\")) and given.isprintable()
    return given if is_ours and not given.startswith("/login") else "/"


async def _body(receive: Receive) -> str:
    """A form that is too long is cut off, so that it holds no token."""
    body, more = b"", True
    while more and len(body) < _LONGEST_FORM:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body[:_LONGEST_FORM].decode("utf-8", "replace")


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name), "")


def _is_secure(scope: Scope) -> bool:
    return bool(scope.get("scheme") == "https")


def _is_this_machine(host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"
