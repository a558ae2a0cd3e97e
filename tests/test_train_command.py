"""python -m trainer train: from a file to a bundle, the same everywhere, and words where it cannot be done."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.bundle import read_bundle
from risk.clock import DAY, date_ms
from risk.dataset import open_dataset
from risk.ledger import SeenDays
from risk.pipeline import Pipeline
from tests.trainings import QUICK, small_history
from trainer.__main__ import main

ROOT = Path(__file__).parent.parent
FEW_TREES = "[lightgbm]\nn_estimators = 15\n[random-forest]\nn_estimators = 8\nmax_samples = 5000\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small history and quick hyper-parameters."""
    folder = tmp_path_factory.mktemp("training")
    small_history(folder / "cards.parquet")
    (folder / "few.toml").write_text(FEW_TREES)
    return folder


def arguments(file: Path, into: Path, few: Path, *more: str) -> list[str]:
    return ["train", str(file), "--models", str(into / "models"), "--reports", str(into / "reports"),
            "--params", str(few), *QUICK, *more]  # fmt: skip


def train(place: Path, into: Path, *more: str, file: str = "cards.parquet") -> int:
    return main(arguments(place / file, into, place / "few.toml", *more), {})


@pytest.fixture(scope="module")
def trained(place: Path) -> Path:
    """All three models, trained once."""
    assert train(place, place) == EXIT_OK
    return place


def current(into: Path) -> str:
    return (into / "models" / "current").read_text().strip()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def changed(place: Path, into: Path, column: str, values: Any) -> str:
    """The history with one column replaced; the name of the new file, beside the old."""
    table = pq.read_table(place / "cards.parquet")
    at = table.schema.get_field_index(column)
    name = f"{into.name}.parquet"
    pq.write_table(table.set_column(at, column, values(table)), place / name)
    return name


# What it leaves behind


def test_the_bundle_says_what_it_is_and_where_it_comes_from(trained: Path) -> None:
    manifest = read_bundle(trained / "models").manifest
    rows = pq.read_metadata(trained / "cards.parquet").num_rows
    assert manifest.version == current(trained)
    assert manifest.version.startswith(manifest.metrics["champion"])
    assert manifest.training_data.transactions == rows
    assert manifest.currency == "EUR"
    assert [model["name"] for model in manifest.metrics["models"]][:3] == ["logistic", "random-forest", "lightgbm"]
    assert len(manifest.drift) == len(manifest.features)
    assert sum(manifest.score_histogram.counts) > 0
    assert len(manifest.score_histogram.counts) == len(manifest.score_histogram.edges) + 1
    assert 0 < manifest.thresholds.medium < manifest.thresholds.high
    assert set(manifest.files) == {"model.onnx", "model.joblib"}


def test_the_report_stands_under_the_version_and_names_the_same_champion(trained: Path) -> None:
    version = current(trained)
    figures = json.loads((trained / "reports" / version / "metrics.json").read_text())
    assert figures["champion"] == read_bundle(trained / "models").manifest.model
    assert (trained / "reports" / version / "report.html").stat().st_size > 10_000


def test_the_worker_s_pipeline_gives_the_scores_that_were_judged(trained: Path) -> None:
    """The bundle, read back and run over the whole history, has the alerts that the manifest says of the test."""
    bundle = read_bundle(trained / "models")
    manifest = bundle.manifest
    days = SeenDays(manifest.terms.ledger_terms)
    pipeline = Pipeline(bundle, days)
    test = manifest.metrics["test"]
    alerts: set[tuple[str, int]] = set()
    count = 0
    for rows in open_dataset(trained / "cards.parquet").rows():
        days.learn(rows.labels())
        scored = pipeline.score(rows.block)
        for row, score in zip(scored.rows, scored.scores, strict=True):
            transaction = rows.block[row]
            if test["first"] <= transaction.event_time <= test["last"]:
                count += 1
                if score >= manifest.thresholds.high:
                    alerts.add((transaction.customer_id, transaction.event_time // DAY))
    champion = next(model for model in manifest.metrics["models"] if model["name"] == manifest.model)
    assert count == test["transactions"]
    assert len(alerts) == champion["money"]["alerts"] > 0


def test_a_second_training_finds_its_bundle_there(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And says the same figures, money with its currency."""
    before = (trained / "models" / current(trained) / "manifest.json").read_bytes()
    assert train(trained, trained) == EXIT_OK
    said = capsys.readouterr().out
    assert "was there already, checked and left as it is" in said
    assert re.search(r"^model .* cases/day .* EUR saved less reviews$", said, re.MULTILINE)
    assert "a case is all alerts of a customer on one UTC day; " in said
    assert (trained / "models" / current(trained) / "manifest.json").read_bytes() == before


@pytest.mark.proof
def test_the_version_does_not_depend_on_threads_chunks_or_the_process(trained: Path, tmp_path: Path) -> None:
    """In a process of its own with one thread for everything, and in small chunks: the same bundle."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TRUSTLENS_CHUNK_ROWS": "5000"}
    command = [sys.executable, "-m", "trainer", *arguments(trained / "cards.parquet", tmp_path, trained / "few.toml")]
    subprocess.run(command, check=True, cwd=ROOT, env=environment, capture_output=True)
    assert current(tmp_path) == current(trained)


def test_what_decides_the_scores_decides_the_version(trained: Path, tmp_path: Path) -> None:
    """Another cost of a review, and so other thresholds: another version, though the model is the same."""
    changes = [[], ["--review-cost", "9"]]
    versions = set()
    for change in changes:
        assert train(trained, tmp_path, "--model", "logistic", *change) == EXIT_OK
        versions.add(current(tmp_path))
    assert len(versions) == len(changes)


# What is learned from


def test_what_becomes_known_during_the_test_changes_no_model(trained: Path, tmp_path: Path) -> None:
    """Frauds of fit and validation that are reported after the test began might as well not be there."""
    begin = _test_begin(trained)

    def reported_late(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        labelled, times = (table[name].cast(pa.int64()).fill_null(0) for name in ("labelled_at", "event_time"))
        labelled, times = labelled.to_numpy(), times.to_numpy()
        frauds = table["is_fraud"].to_numpy() == 1
        some = frauds & (times < begin - 20 * DAY) & (np.arange(len(times)) % 7 == 0)
        assert some.sum() > 5
        return some, np.where(some, begin, labelled)

    def as_late(table: pa.Table) -> pa.Array:
        some, labelled = reported_late(table)
        known = pa.array(labelled, mask=~some & table["labelled_at"].is_null().to_numpy())
        return known.cast(table.schema.field("labelled_at").type)

    def as_never(table: pa.Table) -> pa.Array:
        some, _ = reported_late(table)
        return pc.if_else(pa.array(some), None, table["labelled_at"].combine_chunks())

    folders = []
    for name, values in (("late", as_late), ("never", as_never)):
        folder = tmp_path / name
        folder.mkdir()
        assert train(trained, folder, "--model", "lightgbm", file=changed(trained, folder, "labelled_at", values)) == 0
        folders.append(read_bundle(folder / "models"))
    late, never = folders
    assert late.onnx == never.onnx
    assert late.manifest.calibration == never.manifest.calibration
    assert late.manifest.thresholds == never.manifest.thresholds


def _test_begin(trained: Path) -> int:
    first = int(read_bundle(trained / "models").manifest.metrics["test"]["first"])
    return first // DAY * DAY


def test_given_periods_are_what_is_trained_and_tested(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    periods = ["--train", "2024-09-20..2024-12-07", "--test", "2024-12-14..2024-12-24"]
    assert train(place, tmp_path, "--model", "lightgbm", *periods) == EXIT_OK
    said = capsys.readouterr().out
    assert "fit         2024-09-20 to 2024-11-17 (59 days)" in said
    assert "validation  2024-11-25 to 2024-12-06 (12 days)" in said
    assert "test        2024-12-14 to 2024-12-23 (10 days)" in said
    tested = read_bundle(tmp_path / "models").manifest.metrics["test"]
    assert date_ms("2024-12-14") <= tested["first"] < tested["last"] < date_ms("2024-12-24")


def test_a_random_split_drops_what_needs_a_clock_and_says_so(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(place, tmp_path, "--split", "random", "--model", "logistic") == EXIT_OK
    assert "history and ledger features are left out" in capsys.readouterr().err
    manifest = read_bundle(tmp_path / "models").manifest
    assert not [one.name for one in manifest.features if one.name.startswith(("customer_", "merchant_r", "new_"))]
    assert {"customer_id", "merchant_id"}.isdisjoint(manifest.fields)


def test_a_team_that_can_work_no_alert_gets_none_and_is_told_why(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even of a score that is higher than any that validation saw; and none of the medium level either."""
    assert train(place, tmp_path, "--model", "logistic", "--alerts-per-day", "0") == EXIT_OK
    assert "thresholds  none: this model flags nothing, because on the validation period" in capsys.readouterr().out
    manifest = read_bundle(tmp_path / "models").manifest
    assert min(manifest.thresholds.medium, manifest.thresholds.high) > 1
    assert manifest.metrics["flags_nothing"] == "cap"
    assert [level["alerts"] for level in manifest.metrics["levels"]] == [0, 0]
    page = (tmp_path / "reports" / manifest.version / "report.html").read_text()
    assert "flags nothing: on the validation period" in page
    assert "more cases than the cap allows" in page


def test_what_is_going_on_is_said_where_there_is_no_terminal(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line on standard error when a stage begins; and on standard output what is neither learned nor judged."""
    assert train(place, tmp_path, "--model", "logistic") == EXIT_OK
    said = capsys.readouterr()
    stages = re.findall(r"^\[ *\d+ s\] (.+)$", said.err, re.MULTILINE)
    assert stages[:8] == ["open", "features", "learn", "prepare", "fit logistic",
                          "prepare", "fit logistic again", "proof"]  # fmt: skip
    assert stages[-2:] == ["judge", "report"]
    assert re.search(r"^gaps +[1-9][\d,]* transactions between the periods are history only", said.out, re.MULTILINE)
    assert re.search(r"^refit +[1-9][\d,]* of them have their labels when the test begins", said.out, re.MULTILINE)
    assert "too good to be true" not in said.err


def test_a_model_that_knows_the_future_is_printed_with_a_caution(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a warning at the end, which names the feature."""

    def label(table: pa.Table) -> pa.Array:
        return pa.array(np.where(table["is_fraud"].to_numpy() == 1, "disputed", "settled"))

    name = changed(place, tmp_path, "merchant_category", label)
    assert train(place, tmp_path, "--model", "logistic", file=name) == EXIT_OK
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("warning: too good to be true: a ROC-AUC of 1.000, most of it from merchant_category. ")
    assert "Check that merchant_category is known at the moment of the transaction, not only afterwards" in last


@pytest.mark.proof
def test_a_search_and_made_frauds_lead_to_a_bundle(place: Path, tmp_path: Path) -> None:
    more = ["--balance", "smote", "--search", "1", "--model", "logistic"]
    assert train(place, tmp_path, *more) == EXIT_OK
    training = read_bundle(tmp_path / "models").manifest.training
    assert (training.models, training.balance, training.search) == (("logistic",), "smote", 1)


def test_a_column_without_a_value_is_dropped_with_a_notice(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Amounts, categories and devices can be missing altogether; what is left is learned from."""
    table = pq.read_table(place / "cards.parquet")
    for column in ("amount", "channel"):
        at = table.schema.get_field_index(column)
        table = table.set_column(at, column, pa.nulls(len(table), table.schema.field(column).type))
    pq.write_table(table, place / "empty.parquet")
    assert train(place, tmp_path, "--model", "logistic", file="empty.parquet") == EXIT_OK
    said = capsys.readouterr().err
    (line,) = (line for line in said.splitlines() if "every value is missing in the fit period" in line)
    assert line.startswith("warning: features dropped, because every value is missing in the fit period: amount, ")
    assert "channel" in line
    (report,) = (tmp_path / "reports").iterdir()
    assert "There is no baseline by amount alone" in (report / "report.html").read_text()


# What cannot be done


def refused(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], *more: str, file: str) -> str:
    """The words of a training that fails and leaves nothing behind."""
    assert train(place, tmp_path, "--model", "logistic", *more, file=file) == EXIT_FAILED
    for folder in ("models", "reports"):
        assert not (tmp_path / folder).exists() or names(tmp_path / folder) == []
    return capsys.readouterr().err


def _no_labels(table: pa.Table) -> pa.Array:
    return pa.nulls(len(table), pa.int64())


def _one_class(table: pa.Table) -> pa.Array:
    return pa.array(np.zeros(len(table), np.int64))


def _few_frauds(table: pa.Table) -> pa.Array:
    return pa.array((np.cumsum(table["is_fraud"].to_numpy()) <= 15) * table["is_fraud"].to_numpy())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (_no_labels, "got no label in"),
        (_one_class, "got no fraud among"),
        (_few_frauds, "known frauds among"),
    ],
)
def test_labels_that_teach_nothing_are_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], values: Any, words: str
) -> None:
    assert words in refused(place, tmp_path, capsys, file=changed(place, tmp_path, "is_fraud", values))


def test_a_test_without_fraud_is_a_warning_and_the_bundle_is_written(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def none_late(table: pa.Table) -> pa.Array:
        late = table["event_time"].cast(pa.int64()).to_numpy() >= date_ms("2024-12-09")
        return pa.array(np.where(late, 0, table["is_fraud"].to_numpy()))

    name = changed(place, tmp_path, "is_fraud", none_late)
    assert train(place, tmp_path, "--model", "logistic", file=name) == EXIT_OK
    assert "warning: there is no fraud in the test" in capsys.readouterr().err
    assert read_bundle(tmp_path / "models").manifest.model == "logistic"


def test_200_rows_are_refused(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(pq.read_table(place / "cards.parquet").slice(0, 200), place / "short.parquet")
    said = refused(place, tmp_path, capsys, file="short.parquet")
    assert "short.parquet: got 200 transactions, expected at least 1,000" in said


def test_a_history_of_a_week_is_refused_with_its_days(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", "cards", str(place / "week.parquet"), "--customers", "120", "--days", "7"], {}) == EXIT_OK
    capsys.readouterr()
    said = refused(place, tmp_path, capsys, file="week.parquet")
    assert "too few days to split" in said
    assert "at least 13 days" in said


def test_an_empty_file_and_a_file_without_a_label_column_are_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pq.read_table(place / "cards.parquet")
    pq.write_table(table.slice(0, 0), place / "none.parquet")
    assert "got no rows" in refused(place, tmp_path, capsys, file="none.parquet")
    pq.write_table(table.drop_columns(["is_fraud", "labelled_at", "fraud_kind"]), place / "unlabelled.parquet")
    assert "got no label column" in refused(place, tmp_path, capsys, file="unlabelled.parquet")


def test_a_missing_column_is_named(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(pq.read_table(place / "cards.parquet").drop_columns(["event_time"]), place / "timeless.parquet")
    assert "event_time" in refused(place, tmp_path, capsys, file="timeless.parquet")
