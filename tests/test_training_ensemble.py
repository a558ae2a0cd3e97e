"""An ensemble: the weighted mean of models, from what is asked for to one graph."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from evaluation.ranking import areas
from risk.bundle import read_bundle
from risk.errors import EngineError, OptionError
from risk.model import quickest
from tests.test_training_onnx import WIDTH, rows, trained_as
from tests.trainings import QUICK
from trainer.__main__ import main
from trainer.bundle_writer import prove_served
from trainer.families import FAMILIES
from trainer.families.ensemble import FAMILY, are_chosen, read_members, settled, weights_of
from trainer.families.family import family_of
from trainer.onnx_model import serialized


def average_precision(raw: np.ndarray, is_fraud: np.ndarray) -> float:
    return areas(raw, is_fraud).average_precision


def test_members_with_weights_and_without() -> None:
    given, left_out = read_members("catboost=0.6, lightgbm=2"), read_members("catboost,lightgbm")
    assert given == {"catboost": 0.6, "lightgbm": 2.0}
    assert left_out == {"catboost": None, "lightgbm": None}
    assert (are_chosen(given), are_chosen(left_out)) == (False, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("catboost", "two members or more"),
        ("catboost,catboost", "at most once"),
        ("catboost,nearest", "each of lightgbm, logistic"),
        ("catboost,ensemble", "each of lightgbm, logistic"),
        ("catboost=0.5,lightgbm", "a weight for each member, or for none"),
        ("catboost=0,lightgbm=1", "weights from 1e-06"),
        ("catboost=nan,lightgbm=1", "weights from 1e-06"),
        ("catboost=,lightgbm=1", "weights from 1e-06"),
        ("catboost=1_0,lightgbm=1", "weights from 1e-06"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, expected: str) -> None:
    with pytest.raises(OptionError, match=f"--ensemble: got '{text}', expected .*{expected}"):
        read_members(text)


def test_weights_add_up_to_1_and_who_has_none_is_no_member() -> None:
    found = settled({"logistic": 3.0, "lightgbm": 1.0, "mlp": 0.0}, {kind: {"a": 1} for kind in FAMILIES})
    assert found["weights"] == {"logistic": 0.75, "lightgbm": 0.25}
    assert found["members"] == {"logistic": {"a": 1}, "lightgbm": {"a": 1}}


def test_validation_gives_weight_to_what_helps_and_none_to_what_does_not() -> None:
    """Two models that err each in its own way, and one that knows nothing."""
    dice = np.random.default_rng(3)
    is_fraud = np.arange(3000) % 20 == 0
    raws = {
        "logistic": dice.random(3000),
        "lightgbm": is_fraud + dice.normal(0, 0.7, 3000),
        "catboost": is_fraud + dice.normal(0, 0.7, 3000),
    }
    found = weights_of(dict.fromkeys(raws), raws, lambda raw: average_precision(raw, is_fraud))
    assert found["lightgbm"] > 0 < found["catboost"]
    assert found["logistic"] <= 0.1 * sum(found.values())
    alone = max(average_precision(raw, is_fraud) for raw in raws.values())
    assert average_precision(np.sum([found[kind] * raw for kind, raw in raws.items()], axis=0), is_fraud) > alone


def test_weights_that_are_given_are_not_chosen() -> None:
    asked = {"logistic": 0.9, "lightgbm": 0.1}
    assert weights_of(asked, {}, lambda _: 1 / 0) == asked


def test_a_mean_of_all_families_is_one_graph_with_the_same_bits_in_every_batch() -> None:
    values, _ = rows()
    model = {kind: (place / 100, trained_as(kind, 1500)) for place, kind in enumerate(FAMILIES, 5)}
    graph = serialized(FAMILY.to_onnx(model, WIDTH))
    served = quickest(graph, WIDTH, "ensemble")[1]
    raw = served.raw_scores(values[4000:])
    prove_served("ensemble", FAMILY.own_scores(model, values[4000:]), graph, served, values[4000:], raw)
    assert np.ptp(raw) > 0.1
    for size in (*range(1, 20), 1000):
        got = np.concatenate([served.raw_scores(values[first : first + size]) for first in range(4000, 4700, size)])
        assert np.array_equal(got, raw[: len(got)]), size


def test_a_member_whose_operators_mean_something_else_in_one_graph_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    family = family_of("lightgbm")
    truth = family.to_onnx

    def older(model: Any, width: int) -> onnx.ModelProto:
        graph = truth(model, width)
        next(opset for opset in graph.opset_import if opset.domain == "ai.onnx.ml").version = 1
        return graph

    monkeypatch.setattr(family, "to_onnx", older)
    model = {kind: (0.5, trained_as(kind, 500)) for kind in ("lightgbm", "xgboost")}
    with pytest.raises(EngineError, match=r"got TreeEnsembleClassifier of lightgbm in version 1, expected 3: .*Leave"):
        FAMILY.to_onnx(model, WIDTH)


@pytest.mark.proof
def test_an_ensemble_trains_beside_its_members_scores_and_is_reported_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cards.parquet"
    assert main(["generate", "cards", str(file), "--customers", "120", "--days", "110"], {}) == EXIT_OK
    (tmp_path / "few.toml").write_text("[lightgbm]\nn_estimators = 40\n[isolation-forest]\nn_estimators = 40\n")
    folders = ["--models", str(tmp_path / "models"), "--reports", str(tmp_path / "reports")]
    asked = ["--ensemble", "logistic,lightgbm,isolation-forest", "--params", str(tmp_path / "few.toml")]
    assert main(["train", str(file), *folders, *QUICK, *asked], {}) == EXIT_OK
    manifest = read_bundle(tmp_path / "models").manifest
    assert manifest.model == "ensemble"
    weights = ", ".join(f"{weight:.3g} of {kind}" for kind, weight in manifest.training.chosen["weights"].items())
    assert f"validation chose {weights}" in " ".join(capsys.readouterr().out.split())
    figures = json.loads((tmp_path / "reports" / manifest.version / "metrics.json").read_text())
    assert figures["about"]["hyper-parameters"]["ensemble"] == weights
    assert figures["about"]["hyper-parameters"]["lightgbm"].startswith("n_estimators = 40, ")
    assert manifest.training.models == ("logistic", "lightgbm", "isolation-forest", "ensemble")
    assert sum(manifest.training.chosen["weights"].values()) == pytest.approx(1)
    assert len(manifest.metrics["models"]) == 6  # with two baselines
    assert manifest.metrics["proof"]["largest_difference"] <= 1e-6
    again = ["--models", str(tmp_path / "models"), "--reports", str(tmp_path / "again")]
    assert main(["report", manifest.version, str(file), *again, *QUICK, "--folds", "2"], {}) == EXIT_OK
    said = capsys.readouterr().out
    assert "ensemble" in said
    assert "the weights of an ensemble, was chosen once" in " ".join(said.split())


def test_a_member_that_cannot_be_balanced_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--ensemble", "logistic,autoencoder", "--balance", "smote"]
    assert main(["train", str(tmp_path / "none.csv"), *asked], {}) == EXIT_FAILED
    assert "--balance smote: autoencoder cannot be fitted so" in capsys.readouterr().err
