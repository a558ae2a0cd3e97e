"""The pages for operations name what there is, and the page of metrics names all of it."""

import re

import pytest

from ops.metrics_page import exposed, of_reporter, of_worker, page
from tests.containers import COMMANDS, commands_of, services
from tests.operations import ROOT, unknown

DOCS = ROOT / "docs"
METRICS = (DOCS / "operations-metrics.md").read_text()
WATCHING = (DOCS / "watching.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
RUNBOOK = (DOCS / "runbook.md").read_text()


def test_the_page_of_metrics_is_what_make_docs_writes() -> None:
    assert page() == METRICS, "run `make docs`"


def test_every_metric_begins_with_our_name_and_says_what_it_means() -> None:
    for metric in [*of_worker(), *of_reporter()]:
        assert metric.name.startswith("trustlens_")
        assert metric.meaning.endswith("."), metric.name
        assert f"| {metric.meaning} |" in METRICS


def test_no_metric_of_the_reporter_is_one_of_the_worker() -> None:
    """One name for two things could not be told apart in a query."""
    assert {metric.name for metric in of_worker()} & {metric.name for metric in of_reporter()} == set()


@pytest.mark.parametrize("text", [WATCHING, RUNBOOK], ids=["watching", "runbook"])
def test_every_metric_of_a_page_exists(text: str) -> None:
    assert unknown(text, exposed()) == set()


@pytest.mark.parametrize("text", [WATCHING, RUNBOOK], ids=["watching", "runbook"])
def test_every_command_of_a_page_exists(text: str) -> None:
    named = re.findall(r"python -m (\w+)\s+(\w+)", text)
    assert named
    assert [(program, command) for program, command in named if command not in commands_of(program)] == []


def test_compose_is_told_of_services_that_there_are() -> None:
    said = r"docker compose (?:exec|logs|run --rm --no-deps(?: --volume \S+)?) ([\w-]+)"
    named = set(re.findall(said, WATCHING + RUNBOOK))
    assert {"demo-train", "demo-replay", "reporter"} <= named
    assert named <= set(services())


def test_the_addresses_are_those_that_compose_opens() -> None:
    opened = {port.rsplit(":", 1)[0] for service in services().values() for port in service.get("ports", [])}
    assert set(re.findall(r"http://(127\.0\.0\.1:\d+)", WATCHING)) == opened


def test_every_path_of_a_page_is_there() -> None:
    named = set(re.findall(r"\bops/[\w./@*-]*\w", WATCHING + RUNBOOK))
    assert named
    assert [place for place in named if not list(ROOT.glob(place))] == []


def test_the_programs_whose_commands_are_checked_are_all_there_are() -> None:
    assert {path.parent.name for path in ROOT.glob("*/commands.py")} - {"console"} == set(COMMANDS)


def test_every_tool_that_tests_ask_for_is_one_that_make_packages_installs() -> None:
    """A package has the command that it is listed for, and the one of its own name."""
    listed = MAKEFILE.split("COMMANDS := ")[1].split("\n\n")[0]
    installed = {name for pair in re.findall(r"([\w-]+):([\w-]+)", listed) for name in pair}
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").glob("*.py"))
    asked = set(re.findall(r'\btool\("([\w-]+)"\)', tests))
    assert {"promtool", "amtool", "systemd-analyze"} <= asked
    assert asked - installed == set()
