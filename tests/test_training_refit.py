"""The champion is fitted again on fit and validation together, and what is served is what the test judges."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from console.start import EXIT_OK
from evaluation.refit import has_drifted, refit_of
from risk.bundle import Bundle, read_bundle
from risk.clock import DAY, date_ms, to_text
from tests.evidence_cases import evaluation_of, thrown
from tests.test_training_parts import DELAY, history, in_time
from tests.trainings import QUICK, small_history
from trainer.__main__ import main
from trainer.splits import parts_at_random, refit_part


def test_a_refit_learns_all_days_until_the_end_of_validation_as_they_are_known_when_the_test_begins() -> None:
    """The gap's days among them: their labels have come by now. The last day's came a day too late."""
    matrix = history(labelled_after=3 * DAY)
    parts = in_time(matrix)
    late = matrix.labelled_at.copy()
    last = matrix.event_times // DAY == 88
    late[last] = 96 * DAY
    both = refit_part(matrix._replace(labelled_at=late), parts)
    days = matrix.event_times[both.rows] // DAY
    assert sorted(set(days.tolist())) == list(range(89))
    assert (both.period.first, both.period.until, both.days) == (0, 89, 89)
    assert np.array_equal(both.is_fraud, (matrix.is_fraud[both.rows] == 1) & (days != 88))
    assert not set(both.rows.tolist()) & set(parts.test.rows.tolist())
    assert DELAY == 7


def test_a_refit_of_drawn_rows_learns_all_but_the_test() -> None:
    matrix = history()
    parts = parts_at_random(matrix, 7)
    both = refit_part(matrix, parts)
    assert np.array_equal(np.sort(np.concatenate([both.rows, parts.test.rows])), np.arange(matrix.row_count))
    assert both.period is None


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history, and two bundles of it: `again` with its refit, `once` without."""
    folder = tmp_path_factory.mktemp("refit")
    small_history(folder / "cards.parquet")
    for name, more in (("again", []), ("once", ["--no-refit"])):
        command = [
            "train",
            str(folder / "cards.parquet"),
            *folders(folder / name),
            "--model",
            "logistic",
            *QUICK,
            *more,
        ]
        assert main(command, {}) == EXIT_OK
    return folder


def folders(models: Path) -> list[str]:
    return ["--models", str(models), "--reports", str(models / "reports")]


def bundle_in(models: Path) -> Bundle:
    return read_bundle(models)


def figures_in(models: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(
        (models / "reports" / bundle_in(models).folder.name / "metrics.json").read_text()
    )
    return figures


@pytest.mark.proof
def test_the_served_model_is_the_one_that_is_judged_and_its_first_fit_stands_beside_it(place: Path) -> None:
    served, first = bundle_in(place / "again"), bundle_in(place / "once")
    assert (served.manifest.training.refit, first.manifest.training.refit) == (True, False)
    assert served.onnx != first.onnx
    for carried in ("calibration", "thresholds"):
        assert getattr(served.manifest, carried) == getattr(first.manifest, carried)

    figures, alone = figures_in(place / "again"), figures_in(place / "once")
    model, own = figures["models"][0], alone["models"][0]
    beside = figures["refit"]["first_fit"]
    assert (model["name"], beside["name"]) == ("logistic", "logistic, first fit")
    assert beside["metrics"] == own["metrics"]
    assert model["metrics"]["average_precision"] != own["metrics"]["average_precision"]
    assert "refit" not in alone
    assert (model["on_validation"], beside["on_validation"]) == (None, own["on_validation"])
    page = (place / "again" / "reports" / served.folder.name / "report.html").read_text()
    assert page.count("<th scope=row>logistic, first fit") == 3  # by cases, by transaction, and on validation
    assert "was fitted again on the fit period" in page


@pytest.mark.proof
def test_a_bundle_without_a_refit_is_called_as_before_there_was_one(place: Path) -> None:
    """The field is left out, so the version of a training is what it was."""
    manifest = json.loads((bundle_in(place / "once").folder / "manifest.json").read_text())
    assert "refit" not in manifest["training"]
    assert "refit" not in manifest["metrics"]


@pytest.mark.proof
def test_medians_and_the_histogram_are_of_the_rows_that_the_served_model_learned(place: Path) -> None:
    again, once = (bundle_in(place / name).manifest for name in ("again", "once"))
    medians = [{each.name: getattr(each, "median", None) for each in one.features} for one in (again, once)]
    assert medians[0] != medians[1]
    assert sum(again.score_histogram.counts) > sum(once.score_histogram.counts)


@pytest.mark.proof
@pytest.mark.parametrize("name", ["again", "once"])
def test_the_report_makes_each_of_them_again(place: Path, tmp_path: Path, name: str) -> None:
    bundle, before = bundle_in(place / name), figures_in(place / name)
    command = ["report", bundle.folder.name, str(place / "cards.parquet"), "--models", str(place / name),
               "--reports", str(tmp_path), "--folds", "2", *QUICK]  # fmt: skip
    assert main(command, {}) == EXIT_OK
    after = json.loads((tmp_path / bundle.folder.name / "metrics.json").read_text())
    for figures in (before, after):
        for each in figures["models"]:
            del each["milliseconds_per_1000_rows"]
    assert after["models"] == before["models"]
    assert after.get("refit") == before.get("refit")


def test_the_summary_has_the_first_fit_and_says_what_is_served(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", str(place / "cards.parquet"), *folders(tmp_path), "--model", "logistic", *QUICK, "--no-promote"]
    assert main(command, {}) == EXIT_OK
    said = capsys.readouterr().out
    assert "\nlogistic, first fit" in said
    assert "\nserved      as fitted again" in said
    assert main(["models", "--models", str(tmp_path)], {}) == EXIT_OK
    validation = bundle_in(place / "again").manifest.training.validation
    last = to_text(date_ms(validation.until) - DAY)[:10]
    assert f" to {last} " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("found", "wanted", "is_drift"),
    [(100, 100, False), (126, 100, True), (125, 100, False), (79, 100, True), (6, 4, False), (0, 4, False),
     (0, 5, True), (20, 0, True)],
)  # fmt: skip
def test_drift_is_more_than_a_quarter_and_more_than_luck(found: float, wanted: float, is_drift: bool) -> None:
    assert has_drifted(found, wanted) == is_drift


def test_one_customers_burst_is_no_drift() -> None:
    """40 frauds where 20 were promised are a drift if they are of 40 customers, and not if they are of one."""
    alone = thrown(1, rows=4000, customers=4000)
    few = alone._replace(
        scores=np.full(4000, 0.005), is_fraud=np.arange(4000) < 40, customers=np.arange(4000, dtype=np.int64)
    )
    model = evaluation_of("m", 0.5).winner
    assert refit_of(few, model, few, model).drifted
    burst = few._replace(customers=np.maximum(few.customers, 40))
    assert not refit_of(burst, model, burst, model).drifted


def test_scores_that_promise_twice_the_frauds_are_said_to_have_drifted() -> None:
    first = thrown(1, rows=4000)
    doubled = first._replace(scores=np.minimum(first.scores * 9, 1.0))
    model = evaluation_of("m", 0.5).winner
    found = refit_of(doubled, model, first, model)
    (sentence,) = found.drifted
    assert sentence.startswith("calibration: the served scores promise ")
    assert f"and there were {int(first.is_fraud.sum()):,}" in sentence
