"""The served form of each model: the same scores as the trained one, the same bits at every batch size."""

from typing import Any

import lightgbm
import numpy as np
import pytest

from risk.errors import BundleError, EngineError
from risk.model import Model, quickest
from risk.trees import Trees
from trainer.families import FAMILIES
from trainer.families.family import Rows, family_of, fitted
from trainer.families.lightgbm import trees_of
from trainer.families.parameters import read_parameters
from trainer.training.onnx_model import largest_float32_not_above, serialized
from trainer.training.proof import prove, prove_agreement, prove_batches

ROWS, WIDTH = 6_000, 8
CODES = 6  # the column that holds category codes
BOOSTED = ("lightgbm",)  # scored by the compiled loop
SMALL: dict[str, dict[str, Any]] = {
    "random-forest": {"n_estimators": 30, "max_samples": 2_000},
    "lightgbm": {"n_estimators": 60, "min_child_samples": 20},
}


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers, shares, large sums and codes, as features are."""
    dice = np.random.default_rng(5)
    values = dice.normal(size=(ROWS, WIDTH)).astype(np.float32)
    values[:, 1] = dice.poisson(2, ROWS)
    values[:, 2] = np.exp(dice.normal(9, 2, ROWS))
    values[:, CODES] = dice.integers(0, 9, ROWS)
    odds = values[:, 0] * 1.5 + values[:, 1] * 0.7 + (values[:, CODES] == 3) - 4
    return values, dice.random(ROWS) < 1 / (1 + np.exp(-odds))


@pytest.fixture(scope="module")
def trained() -> dict[str, Any]:
    return {kind: trained_as(kind) for kind in FAMILIES}


def trained_as(kind: str, count: int = 4000, **other: Any) -> Any:
    """On the first rows."""
    values, is_fraud = rows()
    parameters = {**read_parameters(None, [kind])[kind], **SMALL.get(kind, {}), **other}
    return fitted(family_of(kind), parameters, Rows(values[:count], is_fraud[:count], None, [CODES]), 1)


def onnx_of(kind: str, estimator: Any) -> bytes:
    return serialized(family_of(kind).to_onnx(estimator, WIDTH))


def served(kind: str, estimator: Any) -> Model:
    """As a new bundle is."""
    return quickest(onnx_of(kind, estimator), WIDTH, kind)[1]


@pytest.mark.parametrize("kind", FAMILIES)
def test_each_model_is_served_as_it_was_trained(kind: str, trained: dict[str, Any]) -> None:
    """Within 1e-6 on rows it has not seen, and to the bit in batches of 1, 2, 3, 64 and 512."""
    values, _ = rows()
    model = served(kind, trained[kind])
    raw = model.raw_scores(values[4000:])
    assert np.ptp(raw) > 0.5
    assert isinstance(model, Trees) == (kind in BOOSTED)
    own = family_of(kind).own_scores(trained[kind], values[4000:])
    prove(kind, own, onnx_of(kind, trained[kind]), model, values[4000:], raw)
    assert np.array_equal(model.raw_scores(values[4000:4001]), raw[:1])


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_same_training_gives_the_same_bytes(kind: str, trained: dict[str, Any]) -> None:
    assert onnx_of(kind, trained_as(kind)) == onnx_of(kind, trained[kind])


def test_what_depends_on_the_processor_is_rounded_away_from_the_coefficients(trained: dict[str, Any]) -> None:
    """Six digits; the trained model has them too, so nothing is lost in its translation."""
    regression = trained["logistic"][-1]
    numbers = [*regression.coef_[0].tolist(), *regression.intercept_.tolist()]
    assert numbers == [float(f"{number:.5e}") for number in numbers]


@pytest.mark.parametrize("kind", ["random-forest", *BOOSTED])
def test_rows_on_a_threshold_and_a_step_beside_it_go_the_way_they_went_in_training(
    kind: str, trained: dict[str, Any]
) -> None:
    """Every threshold of the first feature, rounded to float32, and one float32 below and above."""
    values, _ = rows()
    thresholds = np.array(_thresholds(kind, trained[kind]), np.float32)
    assert len(thresholds) > 50
    steps = np.concatenate(
        [np.nextafter(thresholds, np.float32(-np.inf)), thresholds, np.nextafter(thresholds, np.float32(np.inf))]
    )
    edge = np.repeat(values[:20], len(steps), axis=0)
    edge[:, 0] = np.tile(steps, 20)
    raw = served(kind, trained[kind]).raw_scores(edge)
    assert np.abs(raw - family_of(kind).own_scores(trained[kind], edge)).max() < 1e-7


def _thresholds(kind: str, estimator: Any) -> list[float]:
    if kind == "lightgbm":
        frame = estimator.booster_.trees_to_dataframe()
        return frame.loc[frame["split_feature"] == "Column_0", "threshold"].tolist()  # type: ignore[no-any-return]
    trees = [each.tree_ for each in estimator.estimators_]
    return [threshold for tree in trees for threshold in tree.threshold[tree.feature == 0].tolist()]


@pytest.mark.parametrize("threshold", [0.1, 1 / 3, -0.1, 1e-30, 2.5, 0.0, 16_777_217.0])
def test_a_threshold_is_lowered_and_never_raised(threshold: float) -> None:
    """The largest float32 not above it: the next one would be above."""
    lowered = largest_float32_not_above(threshold)
    assert float(np.float32(lowered)) == lowered <= threshold
    assert float(np.nextafter(np.float32(lowered), np.float32(np.inf))) > threshold


def test_a_model_that_found_no_split_is_a_constant() -> None:
    """200 rows with leaves of at least 100: LightGBM gives one leaf, and so does its translation."""
    values, is_fraud = rows()
    raw = served("lightgbm", trained_as("lightgbm", 150, n_estimators=5, min_child_samples=100)).raw_scores(values)
    assert np.unique(raw) == pytest.approx([is_fraud[:150].mean()], abs=1e-6)


def test_another_objective_is_refused_by_the_translation() -> None:
    values, is_fraud = rows()
    other = lightgbm.LGBMClassifier(objective="cross_entropy", n_estimators=2, verbose=-1).fit(values, is_fraud)
    with pytest.raises(EngineError, match="objective: got 'cross_entropy"):
        trees_of(other.booster_.dump_model())


def test_a_served_model_that_differs_is_refused_with_the_row_and_both_scores() -> None:
    own = np.array([0.1, 0.2, 0.3])
    prove_agreement("logistic", own, own + 9e-7)
    with pytest.raises(BundleError, match=r"0\.25.* for validation row 1 and the trained one .*0\.2"):
        prove_agreement("logistic", own, np.array([0.1, 0.25, 0.3]))
    with pytest.raises(BundleError, match="nan"):
        prove_agreement("logistic", own, np.array([0.1, 0.2, np.nan]))


def test_scores_that_depend_on_the_batch_are_refused_with_its_size(trained: dict[str, Any]) -> None:
    values, _ = rows()
    model = served("lightgbm", trained["lightgbm"])
    raw = model.raw_scores(values[:100])
    prove_batches("lightgbm", model, values[:100], raw)
    raw[70] = np.nextafter(raw[70], 1)
    with pytest.raises(BundleError, match=r"in batches of 1 .* for validation row 70"):
        prove_batches("lightgbm", model, values[:100], raw)
