"""python -m trainer report: the same bundle again, folds that only look back, and words where it cannot be done."""

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.bundle import MANIFEST, read_bundle, sealed, version_of
from risk.clock import DAY
from tests.training_rows import made_matrix
from tests.trainings import QUICK, small_history
from trainer.__main__ import main
from trainer.families.parameters import read_parameters
from trainer.matrix import Matrix
from trainer.report_command import folds_at_random, folds_in_time, prequential_folds
from trainer.train_options import Plan

COSTS = (*QUICK, "--review-cost", "7", "--alerts-per-day", "12", "--seed", "3", "--label-delay", "5d")
PLAN = Plan(("logistic",), read_parameters(None), "none", 0, 5.0, 1.0, None, 1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small history and a logistic bundle of it, with other costs than the defaults."""
    folder = tmp_path_factory.mktemp("report")
    small_history(folder / "cards.parquet")
    arguments = ["train", str(folder / "cards.parquet"), *folders(folder), "--model", "logistic", *COSTS]
    assert main(arguments, {}) == EXIT_OK
    return folder


def folders(place: Path) -> list[str]:
    return ["--models", str(place / "models"), "--reports", str(place / "reports")]


def version_in(place: Path) -> str:
    return (place / "models" / "current").read_text().strip()


def test_the_report_is_made_again_with_folds(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Costs, seed and delay come from the bundle; all figures of the first report are the same. Of 110 days the bundle
    learned from the first 83 and the last 22 were its test: windows have 44, and tests a third of what is left."""
    version = version_in(place)
    path = place / "reports" / version / "metrics.json"
    before = json.loads(path.read_text())
    path.unlink()
    again = ["report", version, str(place / "cards.parquet"), *folders(place), "--folds", "3", "--prequential", *QUICK]
    assert main(again, {}) == EXIT_OK
    said = (
        "prequential 3 tests of 20 days; each model learns from 44 days that end 5 days before its test (the bundle: 83"
    )
    assert said in capsys.readouterr().out
    after = json.loads(path.read_text())
    assert [fold["name"][:10] for fold in after["folds"]] == ["2024-11-02", "2024-11-22", "2024-12-12"]
    assert after["folds"][-1]["learned_from"] == "2024-10-24 to 2024-12-06"
    assert "2024-10-24 to 2024-12-06" in path.with_name("report.html").read_text()
    assert after["resamples"] == 20
    assert not list(path.parent.glob("*.png"))
    assert "<svg" not in path.with_name("report.html").read_text()
    for figures in (before, after):
        for each in figures["models"]:
            del each["milliseconds_per_1000_rows"]
    assert {name: after[name] for name in before if name != "about"} == {
        name: value for name, value in before.items() if name != "about"
    }
    assert "trained again" in path.with_name("report.html").read_text()


@pytest.mark.proof
def test_draws_and_plots_are_as_asked_for_and_change_no_other_figure(place: Path) -> None:
    """The training that is remembered had 20 draws and no plots."""
    folder = place / "reports" / version_in(place)
    quick = json.loads((folder / "metrics.json").read_text())
    assert not list(folder.glob("*.png"))
    asked = ["--folds", "0", "--resamples", "30"]
    assert main(["report", folder.name, str(place / "cards.parquet"), *folders(place), *asked], {}) == EXIT_OK
    full = json.loads((folder / "metrics.json").read_text())
    assert (quick["resamples"], full["resamples"]) == (20, 30)
    assert full["costs"] == quick["costs"]
    was, now = (each["models"][0]["metrics"]["roc_auc"]["value"] for each in (quick, full))
    assert now == was
    assert len(list(folder.glob("*.png"))) == (folder / "report.html").read_text().count("<svg") > 5
    assert main(["report", "any", "any.csv", "--resamples", "7"], {}) == EXIT_FAILED


def test_another_file_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = place / "other.parquet"
    assert main(["generate", "cards", str(other), "--customers", "20", "--days", "30"], {}) == EXIT_OK
    assert main(["report", version_in(place), str(other), *folders(place)], {}) == EXIT_FAILED
    assert "expected" in (said := capsys.readouterr().err)
    assert "was trained on" in said
    assert main(["report", version_in(place), str(place / "none.csv"), *folders(place)], {}) == EXIT_FAILED
    assert "cannot be read" in capsys.readouterr().err


def test_what_comes_out_otherwise_today_is_refused_and_nothing_is_written(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A whole bundle that claims another balance than it was trained with: the model cannot be made again from it."""
    made = read_bundle(place / "models")
    training = msgspec.structs.replace(made.manifest.training, balance="undersample")
    libraries = {**made.manifest.libraries, "numpy": "1.0"}
    manifest = msgspec.structs.replace(made.manifest, training=training, libraries=libraries)
    manifest = sealed(msgspec.structs.replace(manifest, version=version_of(manifest, made.onnx)))
    folder = tmp_path / "models" / manifest.version
    shutil.copytree(made.folder, folder)
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    arguments = ["report", manifest.version, str(place / "cards.parquet"), *folders(tmp_path), "--folds", "0", *QUICK]
    assert main(arguments, {}) == EXIT_FAILED
    said = capsys.readouterr().err
    assert f"expected {manifest.version} (libraries: numpy 1.0 then and" in said
    assert not (tmp_path / "reports" / manifest.version).exists()


@pytest.mark.proof
def test_all_that_was_asked_of_the_training_is_asked_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Periods, short gap and all, balance, search, hyper-parameters, currency and a foreign file's map."""
    cards = tmp_path / "cards.parquet"
    assert main(["generate", "cards", str(cards), "--customers", "150", "--days", "110"], {}) == EXIT_OK
    table = pq.read_table(cards)
    foreign = {name: f"their {name}" for name in table.column_names}
    pq.write_table(table.rename_columns([foreign[name] for name in table.column_names]), tmp_path / "theirs.parquet")
    (tmp_path / "map.toml").write_text("\n".join(f'{name} = "{column}"' for name, column in foreign.items()))
    (tmp_path / "params.toml").write_text("[logistic]\nC = 0.5\n")
    options = ["--columns", str(tmp_path / "map.toml"), "--params", str(tmp_path / "params.toml"), "--search", "1",
               "--balance", "undersample", "--train", "2024-09-20..2024-12-06", "--test", "2024-12-11..2024-12-28",
               "--model", "logistic", "--currency", "EUR", *QUICK]  # fmt: skip
    file = str(tmp_path / "theirs.parquet")
    assert main(["train", file, *folders(tmp_path), *options], {}) == EXIT_OK
    assert "warning: got 5 days between validation and test, expected 7" in capsys.readouterr().err
    version = version_in(tmp_path)
    figures = tmp_path / "reports" / version / "metrics.json"
    before = json.loads(figures.read_text())
    assert main(["report", version, file, *folders(tmp_path), "--folds", "2", *QUICK], {}) == EXIT_OK
    after = json.loads(figures.read_text())
    assert len(after["folds"]) == 2
    assert after["about"]["periods"] == before["about"]["periods"]
    named_otherwise = ["report", version, file, *folders(tmp_path), "--columns", str(tmp_path / "map.toml")]
    assert main([*named_otherwise, "--folds", "0", *QUICK], {}) == EXIT_OK


def test_a_random_split_is_drawn_again(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "train",
        str(place / "cards.parquet"),
        *folders(tmp_path),
        "--model",
        "logistic",
        "--split",
        "random",
        *QUICK,
    ]
    assert main(arguments, {}) == EXIT_OK
    again = ["report", version_in(tmp_path), str(place / "cards.parquet"), *folders(tmp_path), "--folds", "2", *QUICK]
    assert main(again, {}) == EXIT_OK
    assert main([*again, "--prequential"], {}) == EXIT_FAILED
    assert "which was trained with --split random, expected a bundle of days" in capsys.readouterr().err


def test_a_past_that_slides_needs_folds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "any", "any.csv", "--folds", "0", "--prequential"], {}) == EXIT_FAILED
    assert "--prequential: got it with --folds 0, expected folds" in capsys.readouterr().err


@pytest.mark.parametrize("folds", ["1", "-2", "101"])
def test_a_number_of_folds_that_means_nothing_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str], folds: str
) -> None:
    assert main(["report", "any", "any.csv", *folders(place), f"--folds={folds}"], {}) == EXIT_FAILED
    assert f"--folds: got {folds}, expected 0" in capsys.readouterr().err


def matrix_of(days: int, per_day: int = 60, frauds_from: int = 0, frauds_until: int = 1000):
    """Every tenth transaction a fraud, with a large amount, reported at once."""
    times = np.sort(np.random.default_rng(1).integers(0, days * DAY, days * per_day)) + 19_000 * DAY
    is_within = (times >= (19_000 + frauds_from) * DAY) & (times < (19_000 + frauds_until) * DAY)
    is_fraud = ((np.arange(len(times)) % 10 == 0) & is_within).astype(np.int8)
    labelled = np.where(is_fraud == 1, times + 1000, -1)
    amounts = np.random.default_rng(2).random(len(times)) + 2 * is_fraud
    return made_matrix(times, is_fraud, labelled, amounts=amounts)


def test_folds_follow_each_other_in_time_and_cover_the_last_days() -> None:
    """60 % of the days, each once; a model that can see the answer is right in every fold."""
    found = folds_in_time(matrix_of(100), PLAN, 3, 4, "file")
    assert [fold.name[:10] for fold in found] == ["2022-02-17", "2022-03-04", "2022-03-19", "2022-04-03"]
    assert found[-1].name.endswith("2022-04-17")
    assert sum(fold.transactions for fold in found) == pytest.approx(60 * 60, rel=0.05)
    assert all(fold.average_precision == 1 and fold.roc_auc == 1 for fold in found)


def test_a_fold_whose_past_is_too_poor_says_so_and_the_others_go_on() -> None:
    found = folds_in_time(matrix_of(100, frauds_from=45), PLAN, 3, 4, "file")
    assert found[0].average_precision is None
    assert "frauds" in (found[0].note or "")
    assert found[-1].average_precision == 1


def test_a_fold_whose_past_the_library_refuses_says_so_and_the_others_go_on() -> None:
    """CatBoost takes no past in which nothing differs."""
    matrix = matrix_of(100)
    matrix.values[matrix.event_times < (19_000 + 45) * DAY, 0] = 1
    parameters = {"catboost": {**read_parameters(None, ["catboost"])["catboost"], "iterations": 5}}
    found = folds_in_time(matrix, PLAN._replace(kinds=("catboost",), parameters=parameters), 3, 4, "file")
    assert found[0].average_precision is None
    assert "which the library refuses" in (found[0].note or "")
    assert found[-1].average_precision == 1


def test_more_folds_than_days_are_as_many_as_days(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(folds_in_time(matrix_of(30), PLAN, 3, 60, "file")) == 18
    assert (
        "--folds: got 60, and 18 days to divide, expected at most a fold a day: 18 were made" in capsys.readouterr().err
    )


@pytest.mark.parametrize(("frauds_from", "is_trained"), [(24, True), (27, False)])
def test_a_fold_ends_its_past_the_label_delay_before_its_test(frauds_from: int, is_trained: bool) -> None:
    """Test from day 40, validation days 31 to 36, fit until day 27: four days of frauds are enough, one is not."""
    first = folds_in_time(matrix_of(100, frauds_from=frauds_from), PLAN, 3, 4, "file")[0]
    assert (first.average_precision is not None) == is_trained


def slid(matrix: Matrix, count: int, window: int, length: int) -> list[tuple[str, ...]]:
    """First and last days of what each fold learned from and was tested on, without the year; the label delay is 3."""
    found = prequential_folds(matrix, PLAN, 3, count, "file", window, length)
    return [
        tuple(each.replace("2022-", "").replace(" to ", "..") for each in (fold.learned_from or "", fold.name))
        for fold in found
    ]


def test_prequential_folds_have_the_lengths_of_the_bundle_and_slide_to_the_end() -> None:
    """The data ends on 2022-04-17."""
    assert slid(matrix_of(100), 3, window=20, length=7) == [
        ("03-05..03-24", "03-28..04-03"),
        ("03-12..03-31", "04-04..04-10"),
        ("03-19..04-07", "04-11..04-17"),
    ]


def test_where_there_is_no_room_for_so_much_windows_and_tests_are_shorter(capsys: pytest.CaptureFixture[str]) -> None:
    """40 of the 100 days, and a third of the 57 that the label delay leaves."""
    assert slid(matrix_of(100), 3, window=70, length=20) == [
        ("01-08..02-16", "02-20..03-10"),
        ("01-27..03-07", "03-11..03-29"),
        ("02-15..03-26", "03-30..04-17"),
    ]
    assert "(the bundle: 70 days, and 20 of test)" in capsys.readouterr().out


def test_a_prequential_fold_learns_from_nothing_before_its_window() -> None:
    """Frauds end on day 40: enough in the past, and none in the window."""
    matrix, plan = matrix_of(100, frauds_until=40), PLAN._replace(refit=True)
    (fold,) = prequential_folds(matrix, plan, 3, 1, "file", 20, 7)
    assert "got 0 known frauds" in (fold.note or "")
    assert folds_in_time(matrix, plan, 3, 2, "file")[-1].note is None


@pytest.mark.parametrize("is_refit", [True, False])
def test_a_fold_that_is_fitted_again_needs_no_frauds_in_validation(is_refit: bool) -> None:
    """The window is days 60 to 89, its last five are validation, and its frauds end before them."""
    plan = PLAN._replace(refit=is_refit)
    (fold,) = prequential_folds(matrix_of(100, frauds_until=84), plan, 3, 1, "file", 30, 7)
    assert (fold.note is None) == is_refit


@pytest.mark.parametrize(("days", "made"), [(20, 9), (5, 0)])
def test_fewer_prequential_folds_than_asked_for_are_said(
    days: int, made: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(prequential_folds(matrix_of(days), PLAN, 3, 12, "file", 60, 7)) == made
    said = capsys.readouterr().err
    assert f"--folds: got 12, and {made} days to test on" in said
    assert f"{made} were made" in said


def test_random_folds_test_every_row_once_with_the_frauds_spread() -> None:
    matrix = matrix_of(30)
    found = folds_at_random(matrix, PLAN, 7, "file")
    assert sum(fold.transactions for fold in found) == matrix.row_count
    assert sum(fold.frauds for fold in found) == 180
    assert {fold.frauds for fold in found} == {25, 26}
    assert all(fold.average_precision == 1 for fold in found)
