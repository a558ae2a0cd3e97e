"""What the explorer refuses: writes, endless queries, other addresses, nonsense. Each in words, and nothing changes."""

import csv
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import StringIO
from pathlib import Path
from urllib.parse import urlencode

import pytest
from datasette import hookimpl
from datasette.app import Datasette
from datasette.plugins import pm
from hypothesis import example, given
from hypothesis import strategies as st

from kpi_reporter.explorer.datasette_of import datasette_of
from kpi_reporter.explorer.described import NAME
from kpi_reporter.explorer.store_database import MOST_BYTES, Linear
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
def test_a_saved_query_that_takes_too_long_asks_to_come_again(path: Path, ending: str) -> None:
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
        ("select hex(zeroblob(49000)) from risk_flags, labels", f"the answer is larger than {MOST_BYTES:,} bytes"),
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
        "/store/risk_flags?_next=zzz",
        "/store/readable_flags?_next=99999999999999999999",
        "/store/risk_flags.csv?_stream=1",
        "/store?sql=%ff",
    ],
)
def test_an_address_with_nonsense_in_it_is_refused_in_words(server: Served, address: str) -> None:
    answer = server.ask(address)
    assert answer.status == 400, answer.text
    assert "Traceback" not in answer.text


def test_a_next_page_that_there_is_not_is_no_fault_of_an_sql_that_nobody_wrote(server: Served) -> None:
    said = server.ask("/store/risk_flags.json?_next=zzz").json["error"]
    assert said == "got _next=zzz, expected what the link to the next page has; without it, the first page is shown"


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


@contextmanager
def _prepared(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as connection, datasette_of(path, {}) as datasette:
        datasette.databases[NAME]._prepare(connection)
        yield connection


def test_what_takes_the_product_of_two_lengths_is_ours(path: Path) -> None:
    """SQLite looks at the clock between rows only: sixty instr in one row went on for half a minute."""
    with _prepared(path) as connection:
        ours = connection.execute(
            "select distinct name from pragma_function_list where not builtin and (name, narg) in "
            "(values ('instr', 2), ('replace', 3), ('trim', 2), ('ltrim', 2), ('rtrim', 2))"
        ).fetchall()
    assert len(ours) == 5


VALUES = st.one_of(
    st.none(),
    st.integers(-99, 99),
    st.floats(allow_nan=False),
    st.sampled_from([0.1 + 0.2, 1e20, 1e15, 1e16, -0.0, 5e-324, 123456.0]),
    st.text("ab1é.\n", max_size=8),
)


@given(first=VALUES, second=VALUES, third=VALUES)
@example(first="aXbXc", second="", third="y")
@example(first="", second="", third="")
def test_what_is_ours_answers_as_sqlite_does(first: str | None, second: str | None, third: str | None) -> None:
    asked = "select instr(:a, :b), replace(:a, :b, :c), trim(:a, :b), ltrim(:a, :b), rtrim(:a, :b)"
    with (
        closing(sqlite3.connect(":memory:")) as theirs,
        closing(sqlite3.connect(":memory:")) as ours,
        closing(Linear()) as linear,
    ):
        for name, arguments, function in linear.functions():
            ours.create_function(name, arguments, function)
        values = {"a": first, "b": second, "c": third}
        assert ours.execute(asked, values).fetchall() == theirs.execute(asked, values).fetchall()


def test_like_in_a_text_is_no_pattern(server: Served) -> None:
    assert server.sql("select " + ", ".join(["'I like it'"] * 20) + " -- like like").status == 200


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("select fts3_tokenizer('simple')", "not authorized to use function: fts3_tokenizer"),
        ("select json_patch('{}', '{}')", "not authorized to use function: json_patch"),
        ("select load_extension('mine')", "not authorized to use function: load_extension"),
        ("select " + " or ".join(["'a' like 'a'"] * 11), "got more than 10 like and glob"),
        ("select :x('), " + " or ".join(["1 like 1"] * 11) + ", :x(')", "got more than 10 like and glob"),
        ("select 'a' like '" + "%a" * 60 + "'", "LIKE or GLOB pattern too complex"),
        ("select " + ", ".join(["1234"] * 2_000), "query string is too large"),
        ("select length(replace(hex(zeroblob(40000)), '0', hex(zeroblob(40000))))", "string or blob too big"),
    ],
)
def test_what_could_take_long_within_a_row_is_refused(server: Served, sql: str, words: str) -> None:
    answer = server.sql(sql)
    assert (answer.status, words in answer.json["error"]) == (400, True), answer.text


def _doubling(names: int, first: str = "select 1 as x", how: str = "as", quoted: str = "{}") -> str:
    """Each asks twice for the one before."""
    name = [quoted.format(f"a{place}") for place in range(names + 1)]
    parts = [
        f"{name[place]}(x) {how} (select p.x from {name[place - 1]} p, {name[place - 1]} q)"
        for place in range(1, names + 1)
    ]
    return f"with {name[0]} as ({first}), {', '.join(parts)} select x from {name[names]} limit 1"


@pytest.mark.parametrize(
    "sql",
    [
        _doubling(16),
        _doubling(16).upper(),
        _doubling(16, how="as materialized"),
        _doubling(16, how="as /* ( */ not materialized --)\n"),
        _doubling(16, quoted='"{}"'),
        _doubling(16, quoted='"(){}"""'),
        _doubling(16, quoted="[{})]"),
        _doubling(16, quoted="`{}`"),
        _doubling(16, quoted="'{}'"),
        _doubling(16, quoted="\u00a0{}"),
        _doubling(16, how="\ufeffas"),
        _doubling(16, "select :x(/*) as x"),
        _doubling(16, "select $x(') as x"),
        _doubling(9, "select 1 as x from " + ", ".join(["readable_flags"] * 50)),
    ],
)
def test_names_that_double_are_refused_before_sqlite_copies_them(server: Served, sql: str) -> None:
    """SQLite looks at no clock while it does: thirty took all memory."""
    answer = server.sql(sql)
    assert (answer.status, "ask for each other too often" in answer.json["error"]) == (400, True), answer.text


def test_names_that_are_asked_for_often_are_answered(server: Served) -> None:
    assert server.sql(_doubling(5)).status == 200
    assert server.sql("with a as (select 1 as x) select 'a a a', (select x from a), (select x from a)").status == 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("_facet=level&" * 11, "got 11 facets, expected at most 10"),
        ("_facet=level&_facet_array=reasons&_facet_date=event_time&" * 4, "got 12 facets, expected at most 10"),
        ("level__not=high&" * 101, "got 101 arguments, expected at most 100"),
    ],
)
def test_one_page_is_not_asked_for_a_thousand_things(server: Served, arguments: str, words: str) -> None:
    """Each facet is a query of its own, and each link has every argument."""
    answer = server.ask(f"/store/risk_flags.json?{arguments}")
    assert (answer.status, words in answer.json["error"]) == (400, True), answer.text


@pytest.mark.parametrize("download", ["", "&_dl=1"])
def test_a_text_is_no_formula_in_a_csv(server: Served, download: str) -> None:
    """Customers and merchants choose texts, and whoever investigates opens the answer in a spreadsheet."""
    sql = "select '=1+1' as a, '@x' as b, '-1+1' as c, -1.5 as d, 'a,\"=\"\n=1' as '=e', null as f"
    answer = server.ask("/store.csv?" + urlencode({"sql": sql}) + download)
    assert list(csv.reader(StringIO(answer.text, newline=""))) == [
        ["a", "b", "c", "d", "'=e", "f"],
        ["'=1+1", "'@x", "'-1+1", "-1.5", 'a,"="\n=1', ""],
    ]
    assert server.ask("/store.csv?sql=delete+from+labels").json["status"] == 400
