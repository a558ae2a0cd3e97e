"""The rules are right by promtool, each is tested by a fault and by the nearest thing to it, and each has its page."""

import re
from pathlib import Path

import pytest

from ops.metrics_page import exposed
from tests.operations import PROMETHEUS, ROOT, RULES, Rule, alerts, read_yaml, recorded, said, tool, unknown

TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()

WANTED = {
    "WorkerDown", "LagGrowing", "NothingCommitted", "RejectsHigh", "NoAlerts", "AlertFlood", "PrecisionLow",
    "EventsStale", "LedgerDayOverdue", "BundlesDiffer", "StoreNotReadable", "DiskLow", "ReporterDown", "NoFigures",
    "BrokerAway", "LabelsOverdue", "FieldMissing", "BundleRefused", "RulesRefused", "Drift",
    "ChallengerRefused", "RetrainingFailed", "RetrainingOverdue",
}  # fmt: skip


def by_name(rule: Rule) -> str:
    return rule.name


def test_every_fault_that_we_watch_for_has_an_alert() -> None:
    assert {alert.name for alert in alerts()} == {f"TrustLens{name}" for name in WANTED}


@pytest.mark.parametrize("path", sorted(RULES.glob("*.yml")), ids=lambda path: path.name)
def test_promtool_takes_the_rules(path: Path) -> None:
    assert "SUCCESS" in said(tool("promtool"), "check", "rules", path)


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=pytest.mark.proof) if path.name == "risk.yml" else path for path in TESTS],  # it has days
    ids=[path.name for path in TESTS],
)
def test_the_rules_fire_when_they_should_and_only_then(path: Path) -> None:
    assert "SUCCESS" in said(tool("promtool"), "test", "rules", path)


@pytest.mark.parametrize("alert", alerts(), ids=by_name)
def test_every_alert_is_tested_by_a_fault_and_by_none(alert: Rule) -> None:
    cases = [
        case
        for path in TESTS
        for test in read_yaml(path)["tests"]
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == alert.name
    ]
    assert {bool(case["exp_alerts"]) for case in cases} == {True, False}


@pytest.mark.parametrize("rule", recorded(), ids=by_name)
def test_every_recording_rule_is_tested(rule: Rule) -> None:
    tests = read_yaml(PROMETHEUS / "tests" / "recording.yml")["tests"]
    asked = [case["expr"] for test in tests for case in test["promql_expr_test"]]
    assert any(rule.name in expr for expr in asked)


@pytest.mark.parametrize("rule", [*alerts(), *recorded()], ids=by_name)
def test_every_metric_of_a_rule_exists(rule: Rule) -> None:
    assert unknown(rule.expr, exposed()) == set()


def test_the_series_of_the_tests_exist() -> None:
    """A rule that is tested by a metric nobody exposes would never fire."""
    series = [given["series"] for path in TESTS for test in read_yaml(path)["tests"] for given in test["input_series"]]
    assert unknown("\n".join(series), exposed()) == set()


@pytest.mark.parametrize("alert", alerts(), ids=by_name)
def test_every_alert_says_how_bad_it_is_and_where_to_read_on(alert: Rule) -> None:
    assert alert.whole["labels"]["severity"] in {"critical", "warning"}
    notes = alert.whole["annotations"]
    assert set(notes) == {"summary", "runbook"}
    assert notes["summary"]
    assert notes["runbook"] == f"docs/runbook.md#{alert.name.lower()}"
    assert f"## {alert.name}\n" in RUNBOOK


def test_the_runbook_speaks_of_no_alert_that_is_not_there() -> None:
    assert set(re.findall(r"^## (TrustLens\w+)$", RUNBOOK, re.MULTILINE)) == {alert.name for alert in alerts()}


@pytest.mark.parametrize(
    "section", re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)[1:], ids=lambda text: text.split()[0]
)
def test_every_section_of_the_runbook_says_what_it_means_how_to_see_and_what_to_do(section: str) -> None:
    for part in ("**Means.** ", "**See.** ", "**Do.** "):
        assert section.count(part) == 1, part


def test_every_metric_of_the_runbook_exists() -> None:
    assert unknown(RUNBOOK, exposed()) == set()
