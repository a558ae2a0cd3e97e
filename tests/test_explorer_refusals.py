"""What the explorer refuses: writes, endless queries, other addresses, nonsense. Each in words, and nothing changes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from datasette import hookimpl
from datasette.app import Datasette
from datasette.plugins import pm

from kpi_reporter.explorer.store_database import MOST_BYTES
from tests.explorers import ENDLESS, Served, exploring, make_store


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explorer") / "risk.db"
    make_store(path)
    return path


@pytest.fixture(scope="module")
def server(path: Path) -> Iterator[Served]:
    with exploring(path) as server:
        yield server


@pytest.mark.parametrize(
    "sql",
    [
        "delete from labels",
        "update risk_flags set level = 'low'",
        "drop table labels",
        "create table mine (x)",
        "attach database '/etc/passwd' as other",
        "vacuum into '/tmp/copy.db'",
        "pragma query_only = off",
        "with a as (select 1) delete from labels",
        "with a as (select 1) insert into labels select * from labels",
        "select 1; delete from labels",
        "/* select */ delete from labels",
        "explain delete from labels",
        "select load_extension('mine')",
        "select * from pragma_query_only",
    ],
)
def test_what_would_write_is_refused_and_nothing_changes(server: Served, path: Path, sql: str) -> None:
    before = path.read_bytes()
    answer = server.sql(sql)
    assert answer.status == 400
    assert answer.json["error"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "MINE"])
def test_only_reading_is_answered(server: Served, method: str) -> None:
    answer = server.ask("/store/labels", method=method)
    assert answer.status == 405
    assert "the explorer only reads" in answer.text


def test_a_function_that_is_slow_on_long_values_gets_none(server: Served) -> None:
    answer = server.sql("select instr(hex(zeroblob(2000000)), hex(zeroblob(1000000)) || '1')")
    assert answer.status == 400
    assert "too big" in answer.json["error"]


def test_an_endless_query_is_stopped_with_what_to_do(server: Served) -> None:
    answer = server.sql(ENDLESS)
    assert answer.status == 400
    assert answer.json["error"].startswith("It took longer than 1 s and was stopped. Ask for fewer days")


class NoTime:
    """A machine so busy that whatever is asked takes too long."""

    __name__ = "no-time"

    @hookimpl
    def prepare_connection(self, datasette: Datasette) -> None:
        datasette.sql_time_limit_ms = 0


@pytest.mark.parametrize("ending", ["", ".json"])
def test_a_ready_query_that_takes_too_long_asks_to_come_again(path: Path, ending: str) -> None:
    """Nothing is wrong with what was asked, as there is with a query of one's own."""
    no_time = NoTime()
    with exploring(path) as server:
        pm.register(no_time, NoTime.__name__)
        try:
            answer, own = server.ask(f"/store/top_categories{ending}?days=&until="), server.sql(ENDLESS)
        finally:
            pm.unregister(no_time)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert "This query is quick otherwise: try again in a moment" in answer.text
    assert own.status == 400


def test_who_asks_for_more_time_gets_none(server: Served) -> None:
    """Datasette lets an address name its own limit; ours holds."""
    long = ENDLESS.replace("from c)", "from c limit 100000000)")
    assert long != ENDLESS
    assert server.sql(long, _timelimit="1000000000").status == 400


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("select nobody", "no such column: nobody"),
        ("selec 1", "expected one select, got 'selec' at the beginning"),
        ("Delete from labels", "The explorer only reads: ask by one select."),
        ("select ?", "Binding 1 has no name"),
        ("select 'a\0b'", "null"),
        ("select zeroblob(1000000000)", "too big"),
        ("select hex(zeroblob(149000)) from risk_flags", f"the answer is larger than {MOST_BYTES:,} bytes"),
        ("select 'a' like hex(zeroblob(200))", "LIKE or GLOB pattern too complex"),
        ("select corrupt(", "incomplete input"),
    ],
)
def test_sql_that_cannot_be_asked_says_why(server: Served, sql: str, words: str) -> None:
    answer = server.sql(sql)
    assert answer.status == 400
    assert words in answer.json["error"]


def test_a_long_answer_is_cut_and_says_so(server: Served) -> None:
    answer = server.sql("select a.source_offset from risk_flags as a, risk_flags as b")
    assert len(answer.json["rows"]) == 1000
    assert answer.json["truncated"] is True


@pytest.mark.parametrize(
    "address",
    [
        "/store.db",
        "/_internal",
        "/_memory",
        "/-/plugins",
        "/-/versions.json",
        "/-/metadata",
        "/-/settings",
        "/-/threads",
        "/-/databases",
        "/-/permissions",
        "/-/auth-token",
        "/-/messages",
        "/-/allow-debug",
        "/-/logout",
        "/-/patterns",
        "/-/static/../app.py",
        "/-/static/..%2fapp.py",
        "/-/static/%2e%2e/app.py",
        "/assets/../queries.py",
        "/assets/..%2fqueries.py",
        "/assets/%2e%2e%2f%2e%2e%2f__main__.py",
        "/assets/",
        "/assets",
        "//etc/passwd",
        "/store//risk_flags",
        "/store/",
        "/store/sqlite_master",
        "/store/risk_flags.db",
        "/store/risk_flags/0,1.blob",
        "/store/risk_flags/..",
        "/store%2frisk_flags",
        "/store/risk_flags%00",
        "/store/risk_flags\\..",
        "/store/~2E~2E~2Fetc~2Fpasswd",
        "/STORE",
    ],
)
def test_no_other_address_leads_anywhere(server: Served, address: str) -> None:
    answer = server.ask(address)
    assert answer.status == 404
    assert "There is no page at this address" in answer.text


@pytest.mark.parametrize(
    "address",
    [
        "/store/risk_flags?_size=abc",
        "/store/risk_flags?_size=-1",
        "/store/risk_flags?_size=1001",
        "/store/risk_flags?_timelimit=abc",
        "/store/risk_flags?_sort=nothing",
        "/store/risk_flags?_col=nothing",
        "/store/risk_flags?_where=nothing",
        "/store/risk_flags?_where=%00",
        "/store/risk_flags?_facet=nothing",
        "/store/risk_flags?_through=1",
        "/store/readable_flags?_next=abc",
        "/store/readable_flags?_next=99999999999999999999",
        "/store/risk_flags.csv?_stream=1",
        "/store?sql=%ff",
    ],
)
def test_an_address_with_nonsense_in_it_is_refused_in_words(server: Served, address: str) -> None:
    answer = server.ask(address)
    assert answer.status == 400, answer.text
    assert "Traceback" not in answer.text


def test_what_is_asked_does_not_become_part_of_the_page(server: Served) -> None:
    answer = server.ask("/store?sql=select+%27%3Cscript%3Ealert(1)%3C/script%3E%27+as+%22%3Cimg%3E%22")
    assert "<script>alert" not in answer.text
    assert "<img>" not in answer.text
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert server.ask("/store/risk_flags?%3Cscript%3E=1").text.count("<script>") == 0


def test_answers_are_kept_by_no_one(server: Served) -> None:
    assert server.ask("/store").headers["cache-control"] == "no-store"
    assert server.ask("/").headers["x-content-type-options"] == "nosniff"
    assert server.ask("/assets/explorer.css").headers["cache-control"] == "max-age=3600"


def test_a_foreign_plugin_has_no_say(tmp_path: Path) -> None:
    class Foreign:
        __name__ = "foreign"

        @hookimpl
        def extra_body_script(self) -> str:
            return "foreign()"

    foreign = Foreign()
    pm.register(foreign, "foreign")
    make_store(tmp_path / "risk.db", rows=3)
    with exploring(tmp_path / "risk.db"):
        assert not pm.is_registered(foreign)


@pytest.mark.parametrize("header", ["cookie", "authorization", "accept", "x-forwarded-for", "if-none-match", "range"])
def test_no_header_is_a_crash(server: Served, header: str) -> None:
    for value in ("", "a,b=[]; ;=", "ds_actor=x; ds_messages=y", "\x01\xff", "x" * 5000):
        assert server.ask("/store", headers={header: value}).status == 200
