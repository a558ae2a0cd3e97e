"""--hybrid: what detectors say as features of another family, from the options to one graph."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.bundle import read_bundle
from risk.errors import BundleError
from risk.model import quickest
from tests.test_training_onnx import CODES, SMALL, WIDTH, rows
from tests.trained_prints import DELAY, history
from tests.trainings import QUICK, small_history
from trainer.__main__ import main
from trainer.bundle_writer import prove, prove_served
from trainer.families import DETECTORS, FAMILIES, HYBRID, SMOTE
from trainer.families.family import Rows, family_of, fitted
from trainer.families.hybrid import HybridModel, joined, with_detectors
from trainer.families.parameters import read_parameters
from trainer.families.search import draws
from trainer.fit import Session, balanced
from trainer.onnx_model import serialized
from trainer.preprocess import learn
from trainer.printing import Stages
from trainer.splits import parts_by_time, split_days
from trainer.train_options import Plan

FEW: dict[str, dict[str, Any]] = {
    **SMALL,
    "isolation-forest": {"n_estimators": 20},
    "one-class-svm": {"n_components": 21},
    "autoencoder": {"hidden": 3, "max_iter": 2},
}
MEMBERS = [kind for kind in FAMILIES if kind not in DETECTORS]


def small(kind: str) -> dict[str, Any]:
    return {**read_parameters(None, [kind])[kind], **FEW.get(kind, {})}


@pytest.fixture(scope="module")
def seen() -> Rows:
    """The first rows, with what detectors say."""
    values, is_fraud = rows()
    parameters = {kind: small(kind) for kind in DETECTORS}
    return with_detectors(Rows(values[:3000], is_fraud[:3000], None, [CODES]), parameters, 1)


@pytest.mark.parametrize("kind", MEMBERS)
def test_a_hybrid_is_one_graph_with_the_same_bits_in_batches_of_every_size(kind: str, seen: Rows) -> None:
    """And those of the family alone, on rows to which the detectors' columns were joined beforehand."""
    values, _ = rows()
    later = values[4000:]
    hybrid = family_of(HYBRID + kind)
    estimator = fitted(hybrid, small(kind), seen, 1)
    onnx = serialized(hybrid.to_onnx(estimator, WIDTH))
    model = quickest(onnx, WIDTH, kind)[1]
    raw = model.raw_scores(later)
    assert np.ptp(raw) > 0.2
    prove_served(kind, hybrid.own_scores(estimator, later), onnx, model, later, raw)
    for size in range(1, 20):
        got = np.concatenate([model.raw_scores(later[first : first + size]) for first in range(0, 200, size)])
        assert np.array_equal(got, raw[: len(got)]), size
    alone = family_of(kind).to_onnx(estimator.member, WIDTH + len(DETECTORS))
    apart = quickest(serialized(alone), WIDTH + len(DETECTORS), kind)[1].raw_scores(joined(estimator.detectors, later))
    assert np.abs(apart - raw).max() < 1e-6


def test_what_detectors_say_are_columns_behind_the_features(seen: Rows) -> None:
    values, _ = rows()
    assert np.array_equal(seen.values[:, :WIDTH], values[:3000])
    assert seen.detectors is not None
    for kind, column in zip(DETECTORS, seen.values.T[WIDTH:], strict=True):
        own = family_of(kind).own_scores(seen.detectors[kind], values[:3000])
        assert np.abs(own - column).max() < 1e-6
        assert np.ptp(column) > 0.05


def test_detectors_know_neither_labels_nor_balance(seen: Rows) -> None:
    """They are fitted before rows are dropped or made, and made rows have their columns, too."""
    values, is_fraud = rows()
    other = with_detectors(
        Rows(values[:3000], ~is_fraud[:3000], None, [CODES]), {kind: small(kind) for kind in DETECTORS}, 1
    )
    assert np.array_equal(other.values, seen.values)
    rare = seen._replace(is_fraud=seen.is_fraud & (np.arange(3000) % 8 == 0))
    more = balanced(SMOTE, rare, 1)
    assert len(more.values) > 3000
    assert more.values.shape[1] == WIDTH + len(DETECTORS)
    assert more.detectors is rare.detectors


def test_a_detector_that_is_served_otherwise_than_it_was_fitted_is_no_hybrid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    matrix = history()
    parts = parts_by_time(matrix, split_days(*matrix.days, DELAY), DELAY)
    parameters = {kind: small(kind) for kind in (*DETECTORS, "logistic")}
    parameters[HYBRID + "logistic"] = parameters["logistic"]
    plan = Plan((HYBRID + "logistic",), parameters, "none", 2, 5.0, 1.0, None, 1)
    stages = Stages()
    session = Session(matrix, parts, learn(matrix, parts.fit.rows), plan, stages)
    (model,) = session.fit_all()
    assert isinstance(model.fit.estimator, HybridModel)
    prove(model.fit, session.validation)
    family = family_of("autoencoder")
    truth = family.own_scores
    monkeypatch.setattr(family, "own_scores", lambda *asked: truth(*asked) + 1e-5)
    with pytest.raises(BundleError, match="autoencoder: the served model gives"):
        prove(model.fit, session.validation)


def test_a_search_draws_for_a_hybrid_what_it_draws_for_its_family() -> None:
    asked = small("lightgbm")
    plain, hybrid = (list(draws(family_of(kind), asked, 3, 7)) for kind in ("lightgbm", HYBRID + "lightgbm"))
    assert plain == hybrid


@pytest.mark.proof
def test_a_hybrid_trains_beside_its_family_is_backtested_and_reported_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cards.parquet"
    small_history(file)
    few = "".join(
        f"[{kind}]\n" + "".join(f"{name} = {value}\n" for name, value in FEW[kind].items()) for kind in DETECTORS
    )
    (tmp_path / "few.toml").write_text(few + "[logistic]\nC = 0.01\n")
    folders = ["--models", str(tmp_path / "models"), "--reports", str(tmp_path / "reports")]
    asked = ["--model", "logistic", "--hybrid", "--params", str(tmp_path / "few.toml")]
    assert main(["train", str(file), *folders, *QUICK, *asked], {}) == EXIT_OK
    # Once more for the baseline without history, and once for the model that is served.
    assert capsys.readouterr().err.count("fit detectors") == 3
    manifest = read_bundle(tmp_path / "models").manifest
    assert manifest.model == "hybrid-logistic"
    assert manifest.training.models == ("logistic", "hybrid-logistic")
    assert manifest.training.parameters["one-class-svm"]["n_components"] == 21
    figures = json.loads((tmp_path / "reports" / manifest.version / "metrics.json").read_text())
    assert figures["about"]["hyper-parameters"]["hybrid-logistic"].startswith("C = 0.01, ")
    assert "n_components = 21" in figures["about"]["hyper-parameters"]["one-class-svm, as a feature"]
    folder = str(tmp_path / "models" / manifest.version)
    assert main(["backtest", str(file), "--bundle", folder, "--from", "2024-12-08"], {}) == EXIT_OK
    again = ["--models", str(tmp_path / "models"), "--reports", str(tmp_path / "again")]
    assert main(["report", manifest.version, str(file), *again, *QUICK, "--folds", "2"], {}) == EXIT_OK


def test_detectors_alone_have_nobody_to_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(tmp_path / "none.csv"), "--model", "autoencoder", "--hybrid"], {}) == EXIT_FAILED
    assert "--hybrid: got no model but autoencoder, expected one that is no detector" in capsys.readouterr().err
