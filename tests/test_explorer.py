"""The explorer by HTTP: the pages, and the saved queries."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kpi_reporter.collector import Collector
from kpi_reporter.explorer.described import metadata, pages
from kpi_reporter.explorer.queries import MOST_ALERTS, MOST_ROWS, QUERIES, Query
from kpi_reporter.kpis.reading import KpiReader
from risk.clock import DAY
from risk.store import open_store
from risk.store.sqlite.tables import TABLES
from risk.store.sqlite.views import VIEWS
from testing.stores import flag, store_flags
from tests.cases import NEW_YEAR
from tests.explorers import Served, exploring, make_store
from tests.kpi_stores import remember_bundles


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explorer") / "risk store?#%.db"
    make_store(path)
    return path


@pytest.fixture(scope="module")
def server(path: Path) -> Iterator[Served]:
    with exploring(path) as server:
        yield server


# What there is to see


@pytest.mark.parametrize("page", ["/", "/store", *(f"/store/{name}" for name in sorted(pages()))])
def test_every_page_is_there_and_fetches_nothing_from_elsewhere(server: Served, page: str) -> None:
    answer = server.ask(page)
    assert answer.status == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert re.findall(r"""["'(](?:https?:)?//[^"')]*""", answer.text) == []
    for file in re.findall(r'(?:src|href)="(/(?:assets|-)/[^"]*)"', answer.text):
        assert server.ask(file).status == 200, file


def test_the_start_page_shows_the_figures(server: Served) -> None:
    text = server.ask("/").text
    assert "<b>120</b><span>transactions scored</span>" in text
    assert "<b>40</b><span>alerts</span><small>33.33 % of all</small>" in text
    assert "<b>60</b><span>labels received</span><small>30 say fraud</small>" in text
    assert text.count("<svg class=") == 3  # two by day, and the scores


def test_the_start_page_says_until_when_it_warms_up_and_that_labels_do_not_come(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"
    with open_store(path) as store:
        remember_bundles(store)
        rows = [flag(0), flag(1, NEW_YEAR + 5 * DAY)]
        store_flags(store, [row._replace(bundle_version="one") for row in rows])
    with exploring(path) as server:
        text = server.ask("/").text
    assert '<p class="note" role="note">Warming up until 2024-01-12: 4 of 10 days.</p>' in text
    assert '<p class="note" role="note">Labels overdue: no label has come yet' in text
    samples = {
        sample.name: sample.value
        for family in Collector(KpiReader(path).read(), path).collect()
        for sample in family.samples
    }
    assert samples["trustlens_kpi_warming_up_seconds"] == 6 * DAY / 1000
    assert samples["trustlens_kpi_labels_overdue_seconds"] == 5 * DAY / 1000


def test_the_charts_say_what_their_heights_are(server: Served) -> None:
    """In words for who has drawn none."""
    text = server.ask("/").text
    assert text.count("<span>most in a day: ") == 2
    assert "<span>transactions in the tallest: " in text
    assert "small columns are drawn taller" in text


def test_tables_are_described_with_their_units(server: Served) -> None:
    text = server.ask("/store/risk_flags").text
    assert "One row for each scored transaction" in text
    assert "when it happened, ms since 1970 UTC" in text
    described = metadata()["databases"]["store"]["tables"]
    assert set(described) == {table.name for table in (*TABLES, *VIEWS)}


def test_a_table_shows_times_amounts_and_reasons_for_people_newest_first(server: Served) -> None:
    text = server.ask("/store/risk_flags").text
    newest, next_one = text.index("2024-01-05 23:00:00"), text.index("2024-01-05 22:00:00")
    assert newest < next_one
    assert '<span title="1119 in minor units">11.19</span>' in text
    assert "<li>amount &lt;950&gt; EUR <em" in text
    assert "<950>" not in text


def test_sql_shows_stored_amounts_as_they_are_stored_and_says_so(server: Served) -> None:
    stored = server.ask("/store?sql=select+currency,amount+from+risk_flags+where+source_offset=7").text
    assert '<td data-name="amount" class="number">1007</td>' in stored
    assert "in minor units" in stored
    readable = server.ask("/store?sql=select+currency,amount+from+readable_flags+where+source_offset=7").text
    assert '<td data-name="amount" class="number">10.07</td>' in readable
    assert "in minor units" not in readable


def test_a_table_can_be_narrowed_by_its_facets(server: Served) -> None:
    [link] = re.findall(
        r'<a href="([^"]*level=high[^"]*)">high</a> <span>40</span>', server.ask("/store/risk_flags").text
    )
    assert "40 rows" in server.ask(link.replace("&amp;", "&")).text


def test_the_next_page_is_reached_by_its_link(server: Served) -> None:
    [link] = re.findall(r'<a class="button" href="([^"]*)">Next page', server.ask("/store/risk_flags").text)
    assert link.startswith("/store/risk_flags?")
    assert "2024-01-03 21:00:00" in server.ask(link.replace("&amp;", "&")).text


def test_a_row_has_a_page_with_what_each_column_means(server: Served) -> None:
    text = server.ask("/store/risk_flags/0,2").text
    assert "at 00:00 UTC" in text
    assert "offset in that partition" in text
    assert '<span title="1002 in minor units">10.02</span> <em>stored as 1002</em>' in text
    assert "2024-01-01 02:00:00</time> <em>stored as 1704074400000</em>" in text


def test_the_editor_gets_what_it_needs_from_here(server: Served) -> None:
    text = server.ask("/store").text
    assert "codemirror" in text
    assert '<textarea id="sql-editor" name="sql"' in text


def test_a_store_without_a_transaction_has_pages_too(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"
    open_store(path).close()
    with exploring(path) as server:
        assert "<b>0</b><span>transactions scored</span>" in server.ask("/").text
        assert "No rows" in server.ask("/store/risk_flags").text
        for query in QUERIES:
            if query.name != "customer_history":
                assert "No rows" in server.ask(f"/store/{query.name}").text


@pytest.mark.parametrize(
    ("page", "tab", "title"),
    [
        ("/", "Overview", "Overview"),
        ("/store", "Explore", "Explore"),
        ("/store/labels", "Explore", "labels"),
        ("/store/risk_flags", "Transactions", "Transactions"),
        ("/store/alerts_of_the_last_day", "Alerts", "Alerts of the last day"),
        ("/store/worst_misses", "Explore", "Worst misses"),
    ],
)
def test_the_page_that_is_open_is_marked_and_named(server: Served, page: str, tab: str, title: str) -> None:
    text = server.ask(page).text
    assert re.findall(r' aria-current="page">(.*?)</a>', text) == [tab]
    assert f"<h1>{title}</h1>" in text
    assert f"<title>{title} · TrustLens</title>" in text


def test_a_table_as_sql_asks_for_as_many_rows_as_it_shows(server: Served) -> None:
    [link] = re.findall(r'href="(/store\?sql=[^"]*)">Edit as SQL', server.ask("/store/risk_flags").text)
    assert link.endswith(("limit+50", "limit%2050"))
    assert "50 rows" in server.ask(link.replace("&amp;", "&")).text


# The saved queries


def rows_of(server: Served, query: str, **asked: str) -> list[dict[str, object]]:
    pairs = "&".join(f"{name}={value}" for name, value in {"_shape": "array", **asked}.items())
    answer = server.ask(f"/store/{query}.json?{pairs}")
    assert answer.status == 200, answer.text
    return answer.json


def test_the_riskiest_categories_over_all_days_and_over_one(server: Served) -> None:
    [row] = rows_of(server, "top_categories")
    assert (row["merchant_category"], row["transactions"], row["alerts"]) == ("Grocery", 120, 40)
    [row] = rows_of(server, "top_categories", days="1")
    assert (row["transactions"], row["alerts"], row["alerts_percent"]) == (24, 8, 33.33)
    [row] = rows_of(server, "top_categories", days="1", until="2024-01-01")
    assert row["alerts_amount"] == sum(1000 + place for place in range(24) if place % 3 == 2) / 100


def test_the_volume_of_a_month_counts_every_transaction(server: Served) -> None:
    rows = rows_of(server, "monthly_volume")
    assert {(row["month"], row["level"], row["transactions"]) for row in rows} == {
        ("2024-01", level, 40) for level in ("low", "medium", "high")
    }
    assert sum(row["amount"] for row in rows) == pytest.approx(sum(1000 + place for place in range(120)) / 100)


def test_risk_is_by_hour_where_no_age_is_known_and_by_age_where_it_is(server: Served, tmp_path: Path) -> None:
    rows = rows_of(server, "risk_by_age_or_hour")
    assert [row["age_or_hour"] for row in rows] == [f"{hour:02}:00 to {hour:02}:59 UTC" for hour in range(24)]
    aged = tmp_path / "aged.db"
    make_store(aged, rows=6)
    with closing(sqlite3.connect(aged)) as connection, connection:
        connection.execute("""update risk_flags set attributes = '{"age":44.0}' where source_offset < 3""")
        connection.execute("""update risk_flags set attributes = '{"customer_age":51}' where source_offset = 3""")
    with exploring(aged) as server:
        rows = rows_of(server, "risk_by_age_or_hour")
    assert [(row["age_or_hour"], row["transactions"]) for row in rows] == [
        ("age 40 to 49", 3),
        ("age 50 to 59", 1),
        ("04:00 to 04:59 UTC", 1),
        ("05:00 to 05:59 UTC", 1),
    ]


def test_customers_with_the_most_money_at_risk(server: Served) -> None:
    rows = rows_of(server, "flagged_customers")
    assert len(rows) == 5
    assert [row["amount_at_risk"] for row in rows] == sorted((row["amount_at_risk"] for row in rows), reverse=True)
    assert {(row["alerts"], row["reviews"]) for row in rows} == {(8, 0)}
    assert sum(int(row["labelled"]) for row in rows) == 20


def test_the_history_of_one_customer_with_reasons_in_words(server: Served) -> None:
    rows = rows_of(server, "customer_history", customer_id="c1")
    assert len(rows) == 24
    assert rows[0]["event_time"] == "2024-01-05T20:00:00Z"
    whys = {row["level"]: row["why"] for row in rows}
    assert whys["high"] == "at 00:00 UTC • amount <950> EUR"
    assert whys["low"] is None
    assert rows_of(server, "customer_history") == []


def test_misses_are_known_frauds_that_were_no_alerts_and_false_alarms_the_contrary(server: Served) -> None:
    misses = rows_of(server, "worst_misses")
    assert {(row["is_fraud"], row["level"]) for row in misses} == {(1, "low"), (1, "medium")}
    assert misses[0]["amount"] == 10.58
    alarms = rows_of(server, "worst_false_alarms")
    assert {(row["is_fraud"], row["level"]) for row in alarms} == {(0, "high")}
    assert len(misses) == len([p for p in range(60) if p % 2 == 0 and p % 3 != 2])
    assert len(alarms) == len([p for p in range(60) if p % 2 == 1 and p % 3 == 2])


def test_a_function_of_ours_that_is_asked_for_nonsense_answers_null_like_those_of_sqlite(server: Served) -> None:
    """It raised, which left a traceback in the log."""
    answer = server.sql("select worst_misses('a', 1) as a, worst_misses(1, x'00') as b, worst_misses(null, 1e300) as c")
    assert answer.status == 200, answer.text
    assert answer.json["rows"] == [[None, None, None]]


def test_a_history_says_nothing_before_a_customer_is_named(server: Served) -> None:
    text = server.ask("/store/customer_history").text
    assert "Name first: Customer" in text
    assert "0 rows" not in text
    assert "0 rows" in server.ask("/store/customer_history?customer_id=nobody").text


def test_a_query_that_ends_by_itself_says_so(tmp_path: Path) -> None:
    many = tmp_path / "many.db"
    make_store(many, rows=1600)
    with closing(sqlite3.connect(many)) as connection, connection:
        connection.execute("update risk_flags set customer_id = 'c' || source_offset, level = 'high'")
    with exploring(many, query_seconds=60) as server:
        text = server.ask("/store/flagged_customers?days=90").text
        assert "the first 100 rows" in text
        assert "No more than 100 rows are asked for" in text
        assert "looked at:" not in text
        assert "the first 24 rows" not in server.ask("/store/alerts_of_the_last_day").text


def copied(path: Path, count: int, level: str) -> None:
    """So many copies of a flag behind it, a millisecond apart."""
    with closing(sqlite3.connect(path)) as connection, connection:
        names = [name for _, name, *_ in connection.execute("pragma table_info(risk_flags)")]
        changed = {"source_offset": "1000 + n", "event_time": "event_time + n", "level": f"'{level}'"}
        connection.execute(
            f"with recursive c(n) as (select 1 union all select n + 1 from c where n < {count}) "
            f"insert into risk_flags select {', '.join(changed.get(name, name) for name in names)} "
            "from c, risk_flags where source_offset = (select max(source_offset) from risk_flags)"
        )
        connection.execute("update partitions set newest_event_time = (select max(event_time) from risk_flags)")


def test_days_with_more_transactions_than_are_looked_at_are_told(tmp_path: Path) -> None:
    many = tmp_path / "many.db"
    make_store(many, rows=2)
    copied(many, MOST_ROWS, "low")
    with exploring(many, query_seconds=60) as server:
        text = server.ask("/store/top_categories").text
        assert "Not all of these days are looked at, only what happened since 2024-01-01T01:00:00.001Z." in text
        assert "Not all of these" not in server.ask("/store/top_categories?until=2023-12-31").text


@pytest.mark.proof
def test_alerts_are_found_among_any_number_of_others(tmp_path: Path) -> None:
    """At 2,000 transactions a second the newest 100,000 were those of 50 seconds."""
    many = tmp_path / "many.db"
    make_store(many)
    before = {}
    with exploring(many, query_seconds=60) as server:
        for name in ("worst_misses", "worst_false_alarms", "flagged_customers", "alerts_of_the_last_day"):
            before[name] = rows_of(server, name)
    copied(many, MOST_ROWS, "low")
    with exploring(many, query_seconds=60) as server:
        for name, rows in before.items():
            assert rows_of(server, name) == rows
            assert "Not all of these" not in server.ask(f"/store/{name}").text


def test_more_alerts_than_are_looked_at_are_told(tmp_path: Path) -> None:
    many = tmp_path / "many.db"
    make_store(many)
    copied(many, MOST_ALERTS, "high")
    with exploring(many, query_seconds=60) as server:
        for name in ("worst_false_alarms", "flagged_customers"):
            assert "only what happened since 2024-01-05T23:00:00.001Z." in server.ask(f"/store/{name}").text
        assert "No more than 500 rows are asked for" in server.ask("/store/alerts_of_the_last_day").text


def test_misses_from_before_what_the_reporter_keeps_are_told(server: Served) -> None:
    assert "Not all of these" not in server.ask("/store/worst_misses?days=5").text
    assert "only what happened since 2023-" in server.ask("/store/worst_misses?days=300").text


def test_the_alerts_of_the_last_day_of_event_time(server: Served) -> None:
    rows = rows_of(server, "alerts_of_the_last_day")
    assert [row["event_time"][:13] for row in rows] == [
        *(f"2024-01-05T{hour:02}" for hour in range(23, -1, -3)),
    ]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_a_saved_query_can_be_edited(server: Served, query: Query) -> None:
    text = server.ask(f"/store/{query.name}").text
    [link] = re.findall(r'href="(/store\?[^"]*)">Edit SQL', text)
    answer = server.ask(link.replace("&amp;", "&"))
    assert answer.status == 200, answer.text


def test_sql_can_ask_the_figures_of_the_overview(server: Served) -> None:
    assert server.sql("select kpis() ->> '$.transactions', kpis() ->> '$.by_level.high'").json["rows"] == [[120, 40]]
