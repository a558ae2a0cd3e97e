"""Who may look: with a token whoever has it, without one whoever sits at this machine."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from kpi_reporter.explorer import login
from kpi_reporter.explorer.login import COOKIE, HOLDS_SECONDS, with_login
from risk.settings import Secret
from tests.explorers import Served, served

TOKEN = "open-sesame-and-nothing-else"


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


async def inside(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001  an ASGI app's signature
    words = f"inside {scope['path']}{' signed in' if scope.get('signed_in') else ''}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": words})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[Served]:
    with served(with_login(inside, Secret(TOKEN), clock)) as server:
        yield server


def sign_in(server: Served, token: str, where: str = "/store?sql=select+1") -> Any:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return server.ask("/login", method="POST", body=urlencode({"token": token, "next": where}), headers=headers)


def cookie_of(answer: Any) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


@pytest.mark.parametrize("path", ["/", "/metrics", "/ready", "/kpis.json", "/store", "/assets/explorer.css", "/login"])
def test_every_page_wants_the_token(server: Served, path: str) -> None:
    answer = server.ask(path)
    assert answer.status == 401
    assert "inside" not in answer.text
    assert "Authorization: Bearer <token>" in answer.json["error"]
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_health_is_open_to_whoever_restarts_it(server: Served) -> None:
    assert server.ask("/health").text == "inside /health"


@pytest.mark.parametrize("path", ["/health/", "/health/../metrics", "/%68ealth", "//health", "/health%2f..%2fmetrics"])
def test_what_only_looks_like_health_is_closed(server: Served, path: str) -> None:
    assert server.ask(path).status == 401


def test_a_program_shows_the_token(server: Served) -> None:
    assert server.ask("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).text == "inside /metrics"
    assert server.ask("/metrics", headers={"Authorization": f"bearer  {TOKEN}"}).status == 200


@pytest.mark.parametrize("wrong", ["", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "x", "\u00e9"])
def test_another_token_is_none(server: Served, wrong: str) -> None:
    assert server.ask("/metrics", headers={"authorization": f"Bearer {wrong}".encode().decode("latin-1")}).status == 401
    answer = sign_in(server, wrong)
    assert answer.status == 401
    assert "That is not the token." in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("compare", [login._is_token, login._is_cookie])
def test_secrets_are_compared_in_constant_time(compare: Callable[..., bool]) -> None:
    """What takes longer for a near miss is guessed letter by letter. A test has no clock that shows
    it, but the code does."""
    parts = list(ast.walk(ast.parse(inspect.getsource(compare))))
    assert any(isinstance(part, ast.Attribute) and part.attr == "compare_digest" for part in parts)
    assert not any(isinstance(part, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for part in parts)


def test_a_token_under_another_scheme_is_none(server: Served) -> None:
    assert server.ask("/metrics", headers={"authorization": f"Basic {TOKEN}"}).status == 401
    assert server.ask("/metrics", headers={"authorization": TOKEN}).status == 401
    assert server.ask(f"/metrics?token={TOKEN}").status == 401


def test_a_browser_gets_a_form_and_goes_on_to_its_page(server: Served) -> None:
    form = server.ask("/store?sql=select+%3Cb%3E&x=1", headers={"accept": "text/html,*/*"})
    assert form.status == 401
    [where] = re.findall(r'name="next" value="([^"]*)"', form.text)
    assert where == "/store?sql=select+%3Cb%3E&amp;x=1"
    assert "frame-ancestors 'none'" in form.headers["content-security-policy"]
    answer = sign_in(server, TOKEN, where.replace("&amp;", "&"))
    assert (answer.status, answer.headers["location"]) == (303, "/store?sql=select+%3Cb%3E&x=1")
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=lax" in answer.headers["set-cookie"]
    assert TOKEN not in answer.headers["set-cookie"]
    assert server.ask("/store", headers={"cookie": cookie_of(answer)}).text == "inside /store signed in"


def test_a_cookie_ends_and_another_token_ends_it(server: Served, clock: Clock) -> None:
    cookie = cookie_of(sign_in(server, TOKEN))
    clock.seconds += HOLDS_SECONDS - 1
    assert server.ask("/store", headers={"cookie": cookie}).status == 200
    with served(with_login(inside, Secret(TOKEN + "2"), clock)) as other:
        assert other.ask("/store", headers={"cookie": cookie}).status == 401
    clock.seconds += 2
    assert server.ask("/store", headers={"cookie": cookie}).status == 401


@pytest.mark.parametrize(
    "change", ["9999999999.{signature}", ".{signature}", "{until}.", "{until}", "x.x", "\u00e9.\u00e9"]
)
def test_a_cookie_that_was_changed_is_none(server: Served, change: str) -> None:
    until, _, signature = cookie_of(sign_in(server, TOKEN)).removeprefix(f"{COOKIE}=").partition(".")
    cookie = f"{COOKIE}={change.format(until=until, signature=signature)}"
    assert server.ask("/store", headers={"cookie": cookie}).status == 401


@pytest.mark.parametrize("cookie", ["", "a", "=", "trustlens", '"; ;', "a,b=[]; x", "trustlens=\x01"])
def test_any_cookie_header_can_be_read(server: Served, cookie: str) -> None:
    assert server.ask("/store", headers={"cookie": cookie}).status in (400, 401)  # 400: the server's own


def test_signing_out_takes_the_cookie_away(server: Served) -> None:
    answer = server.ask("/logout", method="POST", body="")
    assert answer.status == 303
    assert f'{COOKIE}=""' in answer.headers["set-cookie"]
    assert "Max-Age=0" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "where", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "x", "/a\r\nb"]
)
def test_the_form_never_leads_to_another_site(server: Served, where: str) -> None:
    assert sign_in(server, TOKEN, where).headers["location"] == "/"


def test_a_form_without_end_or_sense_is_no_crash(server: Served) -> None:
    assert server.ask("/login", method="POST", body="x" * 1_000_000).status == 401
    assert server.ask("/login", method="POST", body="\u00ff%00=&&&==").status == 401
    assert sign_in(server, TOKEN).status == 303


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9109", "127.0.0.1:9109", "127.8.8.8", "[::1]", "[::1]:9109"])
def test_without_a_token_this_machine_is_answered(host: str) -> None:
    with served(with_login(inside, Secret(""), Clock())) as server:
        assert server.ask("/store", headers={"host": host}).status == 200


@pytest.mark.parametrize(
    "host", ["elsewhere.example", "127.0.0.1.elsewhere.example", "10.0.0.7:9109", "", "localhost.x"]
)
def test_without_a_token_no_other_name_is_answered(host: str) -> None:
    with served(with_login(inside, Secret(""), Clock())) as server:
        answer = server.ask("/store", headers={"host": host})
    assert answer.status == 421
    assert "Set TRUSTLENS_REPORTER_TOKEN" in answer.text
