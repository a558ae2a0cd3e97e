"""The report of a retraining: all that it did, in its order, and nothing of what it did not come to."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from console.start import EXIT_FAILED, EXIT_OK
from evaluation.drift import DriftFigures
from evaluation.drifting import Drifting, FeatureDrift
from evaluation.result import InUse
from risk.bundle import Days, Training
from risk.clock import DAY, date_ms
from risk.store import open_store
from trainer.__main__ import main
from trainer.retrain.record import SHADOW, Done, Learned

FIT, TEST = Days("2024-09-13", "2024-11-01"), Days("2024-12-01", "2024-12-24")
TRAINING = Training("time", FIT, None, TEST, ("logistic",), "none", 0, {}, {}, None)
WEEK = DriftFigures(rows=1_400, psi=0.31, ks=0.2, missing=0.0, unseen=None)


def test_it_tells_all_that_was_done_in_its_order() -> None:
    day = date_ms("2024-12-08") // DAY
    amount = FeatureDrift("amount", 0.03, 0.0, None, WEEK, ())
    same = FeatureDrift("channel", 0.03, 0.0, None, DriftFigures(1_400, 0.001, 0.0, 0.0, None), ())
    done = Done(
        7,
        "v1",
        SHADOW,
        "v2",
        "v2 scores in the shadow of v1",
        Drifting("v1", day, day + 6, 7, 1_400, None, same, (amount, same)),
        Learned("2024-09-13", "2024-12-23", 30_000, 210, 25_000, ("labels came late",)),
        TRAINING,
        InUse("v1", 0.05, None, "it is of other terms"),
        "reports/v2",
    )
    told = done.told("EUR")
    places = [
        told.index(text)
        for text in (
            "# Retraining 7: shadow\n\nv2 scores in the shadow of v1.",
            "In use when it began: v1.",
            "Of 1,400 samples of 2024-12-08 to 2024-12-14, beside what v1 learned from",
            "amount 0.310.",
            "2024-09-13 to 2024-12-23: 30,000 transactions, 25,000 of them with a label, 210 frauds.\n",
            "- labels came late.",
            "logistic; fit 2024-09-13 until 2024-11-01; test 2024-12-01 until 2024-12-24.",
            "[report.html](report.html)",
            "v1, which was in use, could not be compared: it is of other terms.",
        )
    ]
    assert places == sorted(places)
    assert "channel" not in told


def test_what_it_did_not_come_to_is_not_told() -> None:
    told = Done(3, "v1", why="nothing has drifted").told("EUR")
    assert told == "# Retraining 3: left\n\nnothing has drifted.\n\nIn use when it began: v1.\n"


def test_the_status_names_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_store(tmp_path / "risk.db") as store:
        for done in (Done(1, "v1", SHADOW, "v2", "as good", report="reports/v2"), Done(2, "v1", why="no drift")):
            number = store.begin_retraining("a:1", "", 5_000, lambda _: False)
            store.end_retraining(number, 9_000, done.end())
    assert main(["retrain", "--status"], {"TRUSTLENS_DB": str(tmp_path / "risk.db")}) == EXIT_OK
    _, second, first = capsys.readouterr().out.splitlines()
    assert "v2      reports/v2/retrain-1.md  as good" in first
    assert "reports" not in second


@pytest.mark.parametrize("words", [(), ("--json",)])
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("begun_at = 9000000000000000000", "got 9000000000000000000 as begun_at, expected ms from 1970 until 2200"),
        ("details = '7'", "details of number 1: Expected `object`, got `int`, expected what a retraining did"),
    ],
)
def test_what_no_retraining_wrote_is_said(
    tmp_path: Path, change: str, why: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "risk.db"
    with open_store(path) as store:
        store.begin_retraining("a:1", "", 5_000, lambda _: False)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"update retrainings set {change}")
    assert main(["retrain", "--status", *words], {"TRUSTLENS_DB": str(path)}) == EXIT_FAILED
    assert f"error: retrainings: {why}" in capsys.readouterr().err
