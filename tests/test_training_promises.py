"""What a training promises, seen from outside: each of these fails if the step that keeps the promise is left out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from lightgbm import LGBMClassifier
from threadpoolctl import threadpool_info

from console.start import EXIT_FAILED, EXIT_OK
from evaluation.ranking import areas
from evaluation.result import Evaluation
from risk.bundle import Bundle, read_bundle
from risk.catalogue import HISTORY_FEATURES, LEDGER_FEATURES, EngineTerms, FeatureSet
from risk.clock import DAY, date_ms
from risk.dataset import open_dataset
from tests.training_rows import made_matrix
from tests.trainings import QUICK, small_history
from trainer.__main__ import main
from trainer.evaluate import Sample, candidates_of, evaluate
from trainer.families import CLASS_WEIGHT, NONE, SMOTE, UNDERSAMPLE
from trainer.families.family import Rows, family_of
from trainer.families.parameters import read_parameters
from trainer.fit import Session, best, served
from trainer.matrix import Matrix, read_matrix
from trainer.preprocess import learn
from trainer.printing import Stages
from trainer.replay import Replay
from trainer.reproducible import one_thread
from trainer.splits import parts_by_time, split_days
from trainer.train_options import Plan

DELAY = 3


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small history, and LightGBM trained on it with few trees."""
    folder = tmp_path_factory.mktemp("promises")
    small_history(folder / "cards.parquet")
    (folder / "few.toml").write_text("[lightgbm]\nn_estimators = 15\n")
    assert train(folder, folder) == EXIT_OK
    return folder


def train(place: Path, into: Path, *more: str, file: str = "cards.parquet") -> int:
    command = ["train", str(place / file), "--models", str(into / "models"), "--reports", str(into / "reports"),
               "--model", "lightgbm", "--params", str(place / "few.toml"), *QUICK, *more]  # fmt: skip
    return main(command, {})


def champion_of(bundle: Bundle) -> dict[str, Any]:
    metrics = bundle.manifest.metrics
    found: dict[str, Any] = next(model for model in metrics["models"] if model["name"] == bundle.manifest.model)
    return found


def days_of(bundle: Bundle, part: str) -> tuple[int, int]:
    """The milliseconds in which a period begins and ends."""
    days = getattr(bundle.manifest.training, part)
    return date_ms(days.first), date_ms(days.until)


def matrix_of(path: Path) -> Matrix:
    return read_matrix(Replay(open_dataset(path), EngineTerms("EUR")))


def test_the_bundle_carries_the_proof_that_it_serves_what_was_trained(place: Path) -> None:
    """On the validation rows: the largest difference, and the batch sizes that gave the same bits."""
    metrics = read_bundle(place / "models").manifest.metrics
    proof = metrics["proof"]
    assert proof["rows"] == proof["batch_rows"] == metrics["validation"]["transactions"]
    assert 0 < proof["largest_difference"] <= 1e-6
    assert proof["batch_sizes"] == [1, 2, 3, 7, 64, 512, 1000]


def test_medians_clip_points_and_vocabularies_are_of_what_the_served_model_learned(place: Path) -> None:
    """From the first day of fit to the last of validation; nothing of the gap before the test, or of the test."""
    bundle, matrix = read_bundle(place / "models"), matrix_of(place / "cards.parquet")
    (first, _), (_, until) = days_of(bundle, "fit"), days_of(bundle, "validation")
    fit = np.flatnonzero((matrix.event_times >= first) & (matrix.event_times < until))
    found = learn(matrix, fit)
    assert bundle.manifest.features == found.learned
    assert bundle.manifest.drift == found.drift
    assert learn(matrix, np.arange(matrix.row_count)).learned != found.learned


def test_the_score_histogram_is_of_what_the_served_model_learned(place: Path) -> None:
    bundle, matrix = read_bundle(place / "models"), matrix_of(place / "cards.parquet")
    (first, _), (_, until) = days_of(bundle, "fit"), days_of(bundle, "validation")
    histogram = bundle.manifest.score_histogram
    assert sum(histogram.counts) == np.count_nonzero((matrix.event_times >= first) & (matrix.event_times < until))
    assert list(histogram.edges) == sorted(histogram.edges)
    assert histogram.counts[-1] == pytest.approx(sum(histogram.counts) / 10, rel=0.1)


def test_the_twelve_most_important_features_are_told(place: Path) -> None:
    losses = [loss for _, loss in champion_of(read_bundle(place / "models"))["importances"]]
    assert len(losses) == 12
    assert losses == sorted(losses, reverse=True)


def test_a_fraud_of_validation_that_is_not_reported_yet_counts_as_genuine_there(place: Path, tmp_path: Path) -> None:
    """Frauds reported once the test has begun choose no calibration and no threshold: as if they were none."""
    begin, _ = days_of(read_bundle(place / "models"), "test")
    table = pq.read_table(place / "cards.parquet")
    times, frauds = table["event_time"].cast(pa.int64()).to_numpy(), table["is_fraud"].to_numpy()
    first, until = days_of(read_bundle(place / "models"), "validation")
    some = (frauds == 1) & (times >= first) & (times < until) & (np.cumsum(frauds) % 4 == 0)
    assert some.sum() > 3
    labelled = table["labelled_at"].cast(pa.int64())
    moments = np.where(some, begin, labelled.fill_null(0).to_numpy())
    late = pa.array(moments, mask=~some & labelled.is_null().to_numpy()).cast(table["labelled_at"].type)
    files = {
        "late": table.set_column(table.schema.get_field_index("labelled_at"), "labelled_at", late),
        "genuine": table.set_column(
            table.schema.get_field_index("is_fraud"), "is_fraud", pa.array(np.where(some, 0, frauds))
        ),
    }
    made = {}
    for name, changed in files.items():
        pq.write_table(changed, place / f"{name}.parquet")
        assert train(place, tmp_path / name, file=f"{name}.parquet") == EXIT_OK
        made[name] = read_bundle(tmp_path / name / "models").manifest
    assert made["late"].calibration == made["genuine"].calibration
    assert made["late"].thresholds == made["genuine"].thresholds
    assert made["late"].calibration != read_bundle(place / "models").manifest.calibration


def test_labels_that_all_come_too_late_are_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The merchant ledger would see none of them, and its features would be learned as worthless."""
    table = pq.read_table(place / "cards.parquet")
    at = table.schema.get_field_index("labelled_at")
    late = pc.add(table["labelled_at"].cast(pa.int64()), 20 * DAY).cast(table.schema.field(at).type)
    pq.write_table(table.set_column(at, "labelled_at", late), place / "late_labels.parquet")
    assert train(place, tmp_path, file="late_labels.parquet") == EXIT_FAILED
    assert "100.0% of the reported frauds were labelled too late" in capsys.readouterr().err


def test_a_search_looks_further_than_what_was_asked_for(place: Path, tmp_path: Path) -> None:
    """Begun at a C that learns next to nothing, the best of five is another."""
    (tmp_path / "poor.toml").write_text("[logistic]\nC = 1e-9\n")
    more = ["--model", "logistic", "--params", str(tmp_path / "poor.toml"), "--search", "4"]
    command = ["train", str(place / "cards.parquet"), "--models", str(tmp_path / "models"),
               "--reports", str(tmp_path / "reports"), *QUICK, *more]  # fmt: skip
    assert main(command, {}) == EXIT_OK
    training = read_bundle(next((tmp_path / "models").glob("logistic-*"))).manifest.training
    assert training.parameters["logistic"]["C"] == 1e-9
    assert training.search == 4
    assert training.chosen["C"] > 1e-4


def test_the_best_possible_is_that_of_the_true_probabilities(tmp_path: Path) -> None:
    """Joined by transaction_id, on the rows of the test."""
    assert main(["generate", "trustlens", str(tmp_path / "t.parquet"), "--rows", "9000"], {}) == EXIT_OK
    command = ["train", str(tmp_path / "t.parquet"), "--models", str(tmp_path / "models"),
               "--reports", str(tmp_path / "reports"), "--model", "logistic", *QUICK]  # fmt: skip
    assert main(command, {}) == EXIT_OK
    (report,) = (tmp_path / "reports").iterdir()
    figures = json.loads((report / "metrics.json").read_text())
    table = pq.read_table(tmp_path / "t.parquet").to_pandas()
    truth = pq.read_table(tmp_path / "t.parquet.truth.parquet").to_pandas().set_index("transaction_id")["probability"]
    first, last = (pd.Timestamp(figures["test"][end]) for end in ("first", "last"))
    test = table[(table["event_time"] >= first) & (table["event_time"] <= last)]
    expected = areas(truth[test["transaction_id"]].to_numpy(), test["is_fraud"].to_numpy() == 1)
    assert len(test) == figures["test"]["transactions"]
    assert figures["best_possible"]["roc_auc"]["value"] == pytest.approx(expected.roc_auc)
    assert figures["best_possible"]["average_precision"]["value"] == pytest.approx(expected.average_precision)


# On matrices made by hand


WITH_PAST = FeatureSet(frozenset({"customer_id", "merchant_id"}))


def telling(name: str, lift: float = 3.0) -> Matrix:
    """Frauds that one feature tells, and nothing else."""
    dice = np.random.default_rng(3)
    times = np.sort(dice.integers(0, 60 * DAY, 6000))
    frauds = dice.random(6000) < 0.05
    matrix = made_matrix(times, frauds, times + DAY, feature_set=WITH_PAST, customers=dice.integers(0, 400, 6000))
    for column in range(matrix.values.shape[1]):
        matrix.values[:, column] = dice.random(6000)
    matrix.number(name)[:] += lift * frauds
    return matrix._replace(categories={})


def session_of(matrix: Matrix, **train_options: Any) -> Session:
    plan = Plan(("logistic",), read_parameters(None), "none", 0, 5.0, 1.0, None, 1)._replace(**train_options)
    parts = parts_by_time(matrix, split_days(*matrix.days, DELAY), DELAY)
    return Session(matrix, parts, learn(matrix, parts.fit.rows), plan, Stages())


def evaluation_on(matrix: Matrix) -> Evaluation:
    session = session_of(matrix)
    models = session.fit_all()
    champion = best(models)
    candidates = candidates_of(session, models, champion, served(session, champion))
    return evaluate(session, candidates, Sample(matrix, session.parts.test, None), with_measures=False).evaluation


def average_precisions(matrix: Matrix) -> list[float | None]:
    """Of the model, of the amount alone, and of the model without history and ledger."""
    return [model.metrics.average_precision.value for model in evaluation_on(matrix).models]


@pytest.mark.parametrize("name", [HISTORY_FEATURES[0].name, LEDGER_FEATURES[0].name, LEDGER_FEATURES[-1].name])
def test_the_baseline_without_history_and_ledger_knows_neither(name: str) -> None:
    whole, _, without = average_precisions(telling(name))
    assert whole > 0.9
    assert without < 0.2


def test_amount_alone_ranks_the_highest_amounts_first() -> None:
    whole, alone, without = average_precisions(telling("amount"))
    assert min(whole, alone, without) > 0.9


def test_each_balance_fits_another_model() -> None:
    """Few frauds, and a rate that every balance lifts."""
    matrix = telling("amount", lift=0.5)
    made = [
        session_of(matrix, balance=balance).fit_all()[0].fit.onnx
        for balance in (NONE, CLASS_WEIGHT, UNDERSAMPLE, SMOTE)
    ]
    assert len(set(made)) == 4


def test_lightgbm_is_told_to_give_the_same_bits_everywhere() -> None:
    dice = np.random.default_rng(1)
    values = dice.random((500, 2)).astype(np.float32)
    rows = Rows(values, dice.random(500) < 0.5, None, ())
    model = family_of("lightgbm").fit({"n_estimators": 2}, rows, 1)
    told = model.get_params()
    assert (told["deterministic"], told["force_col_wise"], told["n_jobs"]) == (True, True, 1)


def test_lightgbm_adds_up_by_columns_in_the_order_of_rows() -> None:
    """So the trees are those that it grows by rows, as it did once: only sooner."""
    dice = np.random.default_rng(1)
    values = np.round(dice.lognormal(1, 1, (4_000, 6)), 1).astype(np.float32)
    values[:, 4:] = dice.random((4_000, 2)) < 0.02  # nearly always 0: these two become one column
    rows = Rows(values, dice.random(4_000) < 0.02 + 0.3 * (values[:, 0] > 5) + 0.3 * values[:, 4], None, ())
    parameters = {"n_estimators": 10, "min_child_samples": 20, "colsample_bytree": 0.7}
    by_columns = family_of("lightgbm").fit(parameters, rows, 1)
    told = {**by_columns.get_params(), "force_col_wise": False, "force_row_wise": True}
    by_rows = LGBMClassifier(**told).fit(rows.values, rows.labels)
    one, other = (model.booster_.dump_model()["tree_info"] for model in (by_columns, by_rows))
    assert one == other


def test_matrix_products_have_one_thread() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    with one_thread():
        assert {library["num_threads"] for library in threadpool_info()} == {1}
