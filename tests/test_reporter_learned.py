"""Days that a bundle was trained on flatter it, and whoever sees the figures is told."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kpi_reporter.__main__ import main
from kpi_reporter.kpis.reading import KpiReader
from kpi_reporter.kpis.terms import Terms, terms_of
from risk.clock import DAY
from risk.store import open_store
from testing.stores import flag, store_flags
from tests.cases import NEW_YEAR
from tests.explorers import exploring
from tests.kpi_stores import manifest, read

FIRST = NEW_YEAR // DAY
FIT = {"first": "2024-01-01", "until": "2024-01-03"}
VALIDATION = {"first": "2024-01-03", "until": "2024-01-05"}
AFTER_A_GAP = {"first": "2024-01-05", "until": "2024-01-07"}
DRAWN = {"training": {"fit": None, "validation": None, "test": None},
         "training_data": {"first_event": NEW_YEAR + 1, "last_event": NEW_YEAR + 2 * DAY}}  # fmt: skip


def said(**more: Any) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(manifest(1, "EUR", 5.0, 0.8)) | more)


def trained(fit: Mapping[str, str] = FIT, validation: Mapping[str, str] = VALIDATION, **more: bool) -> dict[str, Any]:
    return {"training": {"fit": fit, "validation": validation, "test": None, **more}}


@pytest.mark.parametrize(
    ("more", "days"),
    [
        (trained(), [0, 1, 2, 3]),
        (trained(validation=AFTER_A_GAP), [0, 1, 4, 5]),
        (trained(validation=AFTER_A_GAP, refit=True), [0, 1, 2, 3, 4, 5]),
        (trained(fit=AFTER_A_GAP, validation=FIT, refit=True), [0, 1, 2, 3, 4, 5]),
        (DRAWN, [0, 1, 2]),
        ({}, []),
    ],
    ids=["by time", "with a gap", "fitted again", "validation first", "rows drawn at random", "nothing said"],
)
def test_a_manifest_tells_the_days_that_were_learned_from(more: dict[str, Any], days: list[int]) -> None:
    terms = terms_of(said(**more))
    assert isinstance(terms, Terms)
    assert [day for day in range(-2, 8) if terms.has_learned(FIRST + day)] == days


def make(path: Path, days: int) -> None:
    """A flag a day by a bundle that learned from the first four; a label is due after a day."""
    with open_store(path) as store:
        store.remember_bundle("one", said(**trained()).decode())
        store_flags(store, [flag(n, NEW_YEAR + n * DAY)._replace(bundle_version="one") for n in range(days)])


def test_the_days_that_were_learned_from_are_counted(tmp_path: Path) -> None:
    make(tmp_path / "risk.db", 8)
    week, month = read(KpiReader(tmp_path / "risk.db")).quality
    assert (week.days_due, week.days_learned) == (6, 4)
    assert (month.days_due, month.days_learned) == (6, 4)


def test_overview_and_terminal_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "risk.db"
    make(path, 8)
    words = "4 of these 6 days are days that the bundle was trained or its thresholds chosen on"
    with exploring(path) as server:
        assert server.ask("/").text.count(words) == 2
    assert main(["show"], {"TRUSTLENS_DB": str(path)}) == 0
    shown = capsys.readouterr().out
    assert f"last 7 days: {words}" in shown
    assert "6 of 7 days" in shown


def test_days_that_are_new_to_the_bundle_need_no_words(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"
    make(path, 3)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("update bundles set manifest = ?", (said().decode(),))
    with exploring(path) as server:
        assert "chosen on" not in server.ask("/").text
