"""Alerts, cases and their precision go by the decision of model and rules, in whatever shows them: here a rule raises a
low score, another asks for a review, and a third allows what scores high."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from kpi_reporter.__main__ import main
from kpi_reporter.kpis.reading import KpiReader
from kpi_reporter.kpis.values import Day, DecidedCases, Kpis, Money
from risk.clock import DAY, HOUR
from risk.events import Label
from risk.store import FlagRow, open_store
from risk.store.sqlite.migrations import STEPS, migrate
from testing.stores import flag, store_flags, store_labels
from tests.cases import NEW_YEAR
from tests.explorers import REASONS, Served, exploring
from tests.kpi_stores import assert_as_by_sql, read, remember_bundles
from tests.test_reporter_metrics import scraped


def by_rule(row: FlagRow, decision: str, rule: str, action: str, mode: str = "on") -> FlagRow:
    fired = {"rule": rule, "action": action, "mode": mode, "sentence": f"why {rule}", "comparisons": []}
    return row._replace(decision=decision, rules_version="r1", rules=json.dumps([fired]))


def a_flag(offset: int, customer: str, when: int, level: str, amount: int = 1000) -> FlagRow:
    row = flag(offset, when, customer=customer, level=level, amount=amount)
    return row._replace(bundle_version="one", reasons=json.dumps(REASONS) if level == "high" else None)


SECOND_DAY, NOW = NEW_YEAR + DAY, NEW_YEAR + 20 * DAY
ROWS = (
    # As no rules were in force yet.
    a_flag(0, "ann", NEW_YEAR, "high"),
    a_flag(1, "bob", NEW_YEAR, "medium"),
    by_rule(a_flag(2, "cid", SECOND_DAY, "low", 40_000), "alert", "large", "alert"),
    by_rule(a_flag(3, "dan", SECOND_DAY, "medium"), "review", "odd", "review"),
    by_rule(a_flag(4, "eve", SECOND_DAY, "high", 30_000), "none", "known", "allow"),
    by_rule(a_flag(5, "fay", SECOND_DAY, "low"), "none", "tried", "alert", "shadow"),
    by_rule(a_flag(6, "gus", NOW - 2 * HOUR, "low"), "alert", "large", "alert"),
    by_rule(a_flag(7, "hal", NOW, "low"), "review", "odd", "review"),
)
LABELS = [
    Label(f"t{place}", customer, is_fraud, NEW_YEAR + 3 * DAY, "desk")
    for place, customer, is_fraud in ((0, "ann", False), (2, "cid", True), (3, "dan", False), (4, "eve", True))
]


def make_store(path: Path, rows: tuple[FlagRow, ...] = ROWS) -> None:
    with open_store(path) as store:
        remember_bundles(store)
        store_flags(store, rows)
        store_labels(store, LABELS)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("decisions") / "risk.db"
    make_store(made)
    return made


@pytest.fixture(scope="module")
def now(path: Path) -> Kpis:
    return read(KpiReader(path))


@pytest.fixture(scope="module")
def server(path: Path) -> Iterator[Served]:
    with exploring(path) as made:
        yield made


def rows_of(server: Served, query: str, **asked: str) -> list[dict[str, Any]]:
    arguments = "&".join(f"{name}={value}" for name, value in ({"_shape": "array"} | asked).items())
    answer = server.ask(f"/store/{query}.json?{arguments}")
    assert answer.status == 200, answer.text
    rows: list[dict[str, Any]] = answer.json
    return rows


def test_alerts_and_reviews_are_counted_by_the_decision_and_levels_by_the_model(now: Kpis, path: Path) -> None:
    assert_as_by_sql(now, path)
    assert now.by_level == {"low": 4, "medium": 2, "high": 2}
    assert (now.by_decision, now.alert_rate) == ({"none": 3, "review": 2, "alert": 3}, 3 / 8)
    assert (now.high_by_category, now.alerts_by_category) == ({"Grocery": 2}, {"Grocery": 3})
    assert (now.high_by_channel, now.alerts_by_channel) == ({"pos": 2}, {"pos": 3})
    assert (now.alerts_last_hour, now.alerts_last_day, now.reviews_last_hour, now.reviews_last_day) == (0, 1, 1, 1)
    first = NEW_YEAR // DAY
    assert [day for day in now.days if day.transactions] == [
        Day(first, 2, 1, 0), Day(first + 1, 4, 1, 1), Day(first + 19, 1, 1, 0), Day(first + 20, 1, 0, 1),
    ]  # fmt: skip


def test_a_review_opens_a_case_and_what_was_allowed_opens_none(now: Kpis) -> None:
    _, month = now.quality
    assert (month.alerts, month.alerts_with_fraud, month.alerts_unlabelled) == (3, 1, 0)
    assert (month.precision, month.recall, month.frauds_caught, month.frauds_missed) == (1 / 3, 1 / 2, 1, 1)
    assert month.with_alert == DecidedCases(2, 1, 1 / 2)
    assert month.reviews_alone == DecidedCases(1, 0, 0)
    assert month.money == (Money("EUR", saved=320.0, lost=240.0, review=15.0),)


def test_metrics_have_decisions_and_levels_apart(now: Kpis, path: Path) -> None:
    got = scraped(now, path)
    for name, labels, value in (
        ("transactions", {"level": "high"}, 2),
        ("high_ratio", {}, 2 / 8),
        ("decisions", {"decision": "alert"}, 3),
        ("decisions", {"decision": "review"}, 2),
        ("decisions", {"decision": "none"}, 3),
        ("alerts_last_day", {}, 1),
        ("reviews_last_hour", {}, 1),
        ("alerts_by_category", {"category": "Grocery"}, 3),
        ("high_by_category", {"category": "Grocery"}, 2),
        ("live_alerts", {"window": "30d"}, 3),
        ("live_precision_ratio", {"window": "30d"}, 1 / 3),
        ("live_decided_cases", {"window": "30d", "decision": "alert"}, 2),
        ("live_decided_precision_ratio", {"window": "30d", "decision": "alert"}, 1 / 2),
        ("live_decided_precision_ratio", {"window": "30d", "decision": "review"}, 0),
    ):
        assert got[name, tuple(sorted(labels.items()))] == value, name


def test_the_terminal_shows_them_with_the_rule_as_the_reason(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show"], {"TRUSTLENS_DB": str(path)}) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for line in (
        "transactions 8: 4 low, 2 medium, 2 high",
        "alerts 3, 37.50%; 0 in the hour up to the newest event, 1 in the day up to it",
        "reviews 2; 1 in that hour, 1 in that day",
        "cases, one a customer and day 0 3",
        "precision - 33.33%",
        "cases with an alert, their precision 0, - 2, 50.00%",
        "cases of reviews alone, their precision 0, - 1, 0.00%",
        "Grocery 8 3",
    ):
        assert line in lines
    assert lines[lines.index("Latest alerts and reviews") :] == [
        "Latest alerts and reviews",
        "when customer transaction amount score decision why",
        "2024-01-21T00:00:00Z hal t7 10.00 EUR 0.250 review odd: why odd",
        "2024-01-20T22:00:00Z gus t6 10.00 EUR 0.250 alert large: why large",
        "2024-01-02T00:00:00Z dan t3 10.00 EUR 0.250 review odd: why odd",
        "2024-01-02T00:00:00Z cid t2 400.00 EUR 0.250 alert large: why large",
        "2024-01-01T00:00:00Z ann t0 10.00 EUR 0.250 alert at 00:00 UTC",
    ]


def test_saved_queries_go_by_the_decision(server: Served) -> None:
    [row] = rows_of(server, "top_categories")
    assert (row["transactions"], row["alerts"], row["alerts_percent"], row["reviews"]) == (8, 3, 37.5, 2)
    assert row["alerts_amount"] == 10 + 400 + 10
    by_hour = rows_of(server, "risk_by_age_or_hour")
    assert {row["age_or_hour"][:5]: (row["alerts"], row["reviews"]) for row in by_hour} == {
        "00:00": (2, 2), "22:00": (1, 0),
    }  # fmt: skip
    assert {row["customer_id"]: (row["alerts"], row["reviews"]) for row in rows_of(server, "flagged_customers")} == {
        "ann": (1, 0), "cid": (1, 0), "dan": (0, 1), "gus": (1, 0), "hal": (0, 1),
    }  # fmt: skip
    alarms = rows_of(server, "worst_false_alarms")
    assert {row["customer_id"]: row["decision"] for row in alarms} == {"ann": "alert", "dan": "review"}
    newest = rows_of(server, "alerts_of_the_last_day")
    assert [(row["customer_id"], row["decision"], row["level"], row["why"]) for row in newest] == [
        ("hal", "review", "low", "odd: why odd"),
        ("gus", "alert", "low", "large: why large"),
    ]


def test_what_a_rule_allowed_is_a_miss_and_says_which_rule(server: Served) -> None:
    [miss] = rows_of(server, "worst_misses")
    assert (miss["customer_id"], miss["level"]) == ("eve", "high")
    assert miss["why"] == "at 00:00 UTC • amount <950> EUR • known: why known"
    [eve] = rows_of(server, "customer_history", customer_id="eve")
    assert (eve["decision"], eve["level"]) == ("none", "high")
    [fay] = rows_of(server, "customer_history", customer_id="fay")
    assert (fay["decision"], fay["why"]) == ("none", None)


def test_the_start_page_shows_them(server: Served) -> None:
    text = server.ask("/").text
    assert "<b>3</b><span>alerts</span><small>37.50 % of all</small>" in text
    assert "<b>1</b><span>alerts in the day up to the newest event</span><small>0 in the hour up to it</small>" in text
    assert "<b>2</b><span>reviews</span><small>1 in that day</small>" in text
    assert "<title>2024-01-02: 2 alerts and reviews</title>" in text
    assert "<b>50.0 %</b><span>precision of cases with alerts</span><small>1 of 2 cases right</small>" in text
    assert "<b>0.0 %</b><span>precision of reviews alone</span><small>0 of 1 cases right</small>" in text
    assert '<td class="muted">37.50 % alerts</td>' in text


def test_pages_of_rows_say_what_was_decided_and_by_which_rules(server: Served) -> None:
    text = server.ask("/store/readable_flags").text
    assert text.count('<span class="level medium">review</span>') == 2
    assert "<li>known: why known <em>allow</em></li>" in text
    assert "<li>tried: why tried <em>alert, in the shadow</em></li>" in text


def test_without_rules_all_is_by_the_level(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And says nothing of reviews."""
    path = tmp_path / "risk.db"
    make_store(path, tuple(row._replace(decision=None, rules_version=None, rules=None) for row in ROWS))
    now = read(KpiReader(path))
    assert now.by_decision == {"none": 6, "review": 0, "alert": 2}
    assert (now.alert_rate, now.alerts_by_category) == (now.high_rate, now.high_by_category)
    assert (now.quality[1].alerts, now.quality[1].with_alert) == (2, DecidedCases(2, 1, 1 / 2))
    assert main(["show"], {"TRUSTLENS_DB": str(path)}) == 0
    said = capsys.readouterr().out
    assert "Latest alerts\n" in said
    assert "review" not in said.replace("saved, less reviews", "")
    with exploring(path) as server:
        assert "<span>reviews</span>" not in server.ask("/").text
        assert {row["decision"] for row in rows_of(server, "worst_false_alarms")} == {"alert"}


def test_a_store_of_before_rules_has_the_same_figures(tmp_path: Path) -> None:
    """Its flags have no decision, and its index knew only what is high."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    rows = tuple(row._replace(decision=None, rules_version=None, rules=None) for row in ROWS)
    make_store(new, rows)
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        migrate(Database(connection), 0, STEPS[:8])
        for row in rows:
            connection.execute(f"insert into risk_flags values ({', '.join('?' * 19)})", row[:19])  # as there were then
        connection.execute("commit")
    with open_store(old) as store:
        remember_bundles(store)
        store_labels(store, LABELS)
    before, after = (read(KpiReader(path)) for path in (old, new))
    assert (before.by_decision, before.quality) == (after.by_decision, after.quality)
    with closing(sqlite3.connect(old)) as connection:
        asked = "select source_offset from readable_flags where decision <> 'none'"
        assert connection.execute(asked).fetchall() == [(0,), (4,)]
