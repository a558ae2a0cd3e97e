"""The served form of each model: the same scores as the trained one, the same bits at every batch size."""

from typing import Any

import lightgbm
import numpy as np
import onnx
import onnxruntime
import pytest

from risk.errors import BundleError, EngineError
from risk.model import Model, OnnxModel, quickest
from risk.trees import Trees
from trainer.bundle_writer import prove_agreement, prove_batches, prove_served
from trainer.families import CLASS_WEIGHT, DETECTORS, FAMILIES, NONE, SMOTE, UNDERSAMPLE
from trainer.families.catboost import trees_of as tables_of
from trainer.families.family import Rows, family_of, fitted
from trainer.families.lightgbm import trees_of
from trainer.families.parameters import read_parameters
from trainer.fit import balanced
from trainer.onnx_model import INPUT, largest_float32_not_above, serialized, tree_ensemble

ROWS, WIDTH = 5_000, 8
CODES = 6  # the column that holds category codes
BOOSTED = ("lightgbm", "xgboost", "catboost")
BY_THE_LOOP = (*BOOSTED, "isolation-forest")
WITHOUT_TREES = ("logistic", "mlp", "one-class-svm", "autoencoder")
SMALL: dict[str, dict[str, Any]] = {
    "random-forest": {"n_estimators": 20, "max_samples": 2_000},
    "lightgbm": {"n_estimators": 40, "min_child_samples": 20},
    "xgboost": {"n_estimators": 40},
    "catboost": {"iterations": 60},
    "mlp": {"max_iter": 5},
    "isolation-forest": {"n_estimators": 40},
    "autoencoder": {"max_iter": 5},
}
ONE_LEAF: dict[str, dict[str, Any]] = {
    "lightgbm": {"min_child_samples": 300},
    "xgboost": {"gamma": 1e6},
    "catboost": {},
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
    """Within 1e-6 on rows it has not seen, and to the bit in batches of 1 to 1,000."""
    values, _ = rows()
    model = served(kind, trained[kind])
    raw = model.raw_scores(values[4000:])
    assert np.ptp(raw) > 0.5
    assert isinstance(model, Trees) == (kind in BY_THE_LOOP)
    own = family_of(kind).own_scores(trained[kind], values[4000:])
    prove_served(kind, own, onnx_of(kind, trained[kind]), model, values[4000:], raw)
    assert np.array_equal(model.raw_scores(values[4000:4001]), raw[:1])


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_same_training_gives_the_same_bytes(kind: str, trained: dict[str, Any]) -> None:
    assert onnx_of(kind, trained_as(kind)) == onnx_of(kind, trained[kind])


def test_what_depends_on_the_processor_is_rounded_away_from_the_coefficients(trained: dict[str, Any]) -> None:
    """Six digits; the trained model has them too, so nothing is lost in its translation."""
    regression = trained["logistic"][-1]
    numbers = [*regression.coef_[0].tolist(), *regression.intercept_.tolist()]
    assert numbers == [float(f"{number:.5e}") for number in numbers]


@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in WITHOUT_TREES])
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
    if kind == "catboost":
        return estimator.get_borders()[0]  # type: ignore[no-any-return]
    if kind == "xgboost":
        frame = estimator.get_booster().trees_to_dataframe()
        return frame.loc[frame["Feature"] == "f0", "Split"].tolist()  # type: ignore[no-any-return]
    if kind == "lightgbm":
        frame = estimator.booster_.trees_to_dataframe()
        return frame.loc[frame["split_feature"] == "Column_0", "threshold"].tolist()  # type: ignore[no-any-return]
    trees = [each.tree_ for each in estimator.estimators_]  # an isolation forest's have all columns, in their order
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


@pytest.mark.parametrize("kind", BOOSTED)
def test_rows_of_one_kind_get_the_share_of_frauds(kind: str) -> None:
    """Nothing to split by: what is left is what boosting begins with, and leaves that add nothing."""
    values, is_fraud = np.zeros((400, WIDTH), np.float32), np.arange(400) % 20 == 0
    values[0] = 1  # CatBoost does not take constants
    parameters = {**read_parameters(None, [kind])[kind], **SMALL[kind], **ONE_LEAF[kind]}
    estimator = fitted(family_of(kind), parameters, Rows(values, is_fraud, None, [CODES]), 1)
    assert served(kind, estimator).raw_scores(values[1:]) == pytest.approx(19 / 399, abs=0.003)


@pytest.mark.parametrize("kind", BOOSTED)
def test_weights_are_learned_from_and_served(kind: str) -> None:
    """With frauds that count tenfold, scores are higher, and the proof holds."""
    values, is_fraud = rows()
    weighted = Rows(values[:4000], is_fraud[:4000], np.where(is_fraud[:4000], 10.0, 1.0), [CODES])
    parameters = {**read_parameters(None, [kind])[kind], **SMALL[kind]}
    estimator = fitted(family_of(kind), parameters, weighted, 1)
    raw = served(kind, estimator).raw_scores(values[4000:])
    prove_agreement(kind, family_of(kind).own_scores(estimator, values[4000:]), raw)
    assert raw.mean() > 1.5 * served(kind, trained_as(kind)).raw_scores(values[4000:]).mean()


@pytest.mark.parametrize("balance", [CLASS_WEIGHT, UNDERSAMPLE, SMOTE])
@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in DETECTORS])
def test_each_balance_raises_the_scores_and_is_served(kind: str, balance: str) -> None:
    """Rare frauds, as genuine rows drown them."""
    values, is_fraud = rows()
    rare = Rows(values[:4000], is_fraud[:4000] & (np.arange(4000) % 8 == 0), None, [CODES])
    small = {**SMALL, "mlp": {}}.get(kind, {})  # after few passes, a network has hardly begun
    family, parameters = family_of(kind), {**read_parameters(None, [kind])[kind], **small}
    assert balance in family.balances
    plain = served(kind, fitted(family, parameters, rare, 1)).raw_scores(values[4000:])
    estimator = fitted(family, parameters, balanced(balance, rare, 1), 1)
    raw = served(kind, estimator).raw_scores(values[4000:])
    prove_agreement(kind, family.own_scores(estimator, values[4000:]), raw)
    assert raw.mean() > 1.3 * plain.mean()


@pytest.mark.parametrize("kind", DETECTORS)
def test_a_detector_can_only_be_left_unbalanced(kind: str) -> None:
    assert family_of(kind).balances == (NONE,)


@pytest.mark.parametrize(("kind", "deep"), [("xgboost", {"max_depth": 7}), ("catboost", {"depth": 7})])
def test_trees_of_more_than_64_leaves_are_onnx_runtime_s(kind: str, deep: dict[str, int]) -> None:
    values, _ = rows()
    estimator = trained_as(kind, 4000, **deep, **({"min_child_weight": 0.0} if kind == "xgboost" else {}))
    model = served(kind, estimator)
    assert isinstance(model, OnnxModel)
    raw = model.raw_scores(values[4000:])
    prove_served(
        kind, family_of(kind).own_scores(estimator, values[4000:]), onnx_of(kind, estimator), model, values[4000:], raw
    )


def test_a_table_of_leaves_becomes_a_tree_whose_first_split_is_the_lowest_bit() -> None:
    """CatBoost's own form, by hand: with a scale and a bias, and a tree that is one leaf."""
    splits = [{"float_feature_index": 0, "border": 0.5}, {"float_feature_index": 1, "border": 2.0}]
    trees = tables_of(
        {
            "scale_and_bias": [0.5, [-1.0]],
            "oblivious_trees": [
                {"splits": None, "leaf_values": [3.0]},
                {"splits": splits, "leaf_values": [0.0, 1.0, 2.0, 4.0]},
            ],
        }
    )
    values = np.zeros((4, WIDTH), np.float32)
    values[:, :2] = [(0.5, 2.0), (0.75, 2.0), (0.5, 2.25), (0.75, 2.25)]
    model = quickest(serialized(tree_ensemble(trees, "LOGISTIC", WIDTH)), WIDTH, "by hand")[1]
    assert model.raw_scores(values) == pytest.approx([1 / (1 + np.exp(-odds)) for odds in (0.5, 1.0, 1.5, 2.5)])


@pytest.mark.parametrize("kind", ["mlp", "one-class-svm", "autoencoder"])
def test_products_of_matrices_give_the_same_bits_in_batches_of_every_size(kind: str, trained: dict[str, Any]) -> None:
    """They go by blocks of rows, so that every remainder is tried."""
    values, _ = rows()
    model = served(kind, trained[kind])
    raw = model.raw_scores(values)
    for size in [*range(1, 70), 127, 128, 129, 1000]:
        got = np.concatenate([model.raw_scores(values[first : first + size]) for first in range(0, 700, size)])
        assert np.array_equal(got, raw[: len(got)]), size


def test_the_exponentials_of_a_machine_are_the_same_bits_in_batches_of_every_size() -> None:
    """In float64, of a number of landmarks that fills no vector: what is rounded to float32 hides a bit until it does
    not."""
    values, _ = rows()
    graph = family_of("one-class-svm").to_onnx(trained_as("one-class-svm", n_components=37), WIDTH)
    [taken] = [node.output[0] for node in graph.graph.node if node.op_type == "Exp"]
    graph.graph.output.append(onnx.helper.make_tensor_value_info(taken, onnx.TensorProto.DOUBLE, None))
    runtime = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    some = values[:690]  # no batch of one row is left over, which is a kernel of its own
    [whole] = runtime.run([taken], {INPUT: some})
    for size in (2, 3, 5, 7, 64):
        batches = [some[first : first + size] for first in range(0, len(some), size)]
        got = np.concatenate([runtime.run([taken], {INPUT: batch})[0] for batch in batches])
        assert np.array_equal(got, whole), size


@pytest.mark.parametrize("kind", DETECTORS)
def test_a_detector_never_sees_a_label(kind: str, trained: dict[str, Any]) -> None:
    values, is_fraud = rows()
    parameters = {**read_parameters(None, [kind])[kind], **SMALL.get(kind, {})}
    other = fitted(family_of(kind), parameters, Rows(values[:4000], ~is_fraud[:4000], None, [CODES]), 1)
    assert onnx_of(kind, other) == onnx_of(kind, trained[kind])


@pytest.mark.parametrize("kind", DETECTORS)
def test_a_detector_finds_rows_that_are_unlike_all_others(kind: str, trained: dict[str, Any]) -> None:
    """Far out in several columns at once."""
    values, _ = rows()
    strange = values[:200].copy()
    strange[:, [0, 3, 4, 5, 7]] = 7.0
    raw = served(kind, trained[kind]).raw_scores(np.concatenate([values[4000:], strange]))
    assert np.quantile(raw[-200:], 0.1) > np.quantile(raw[:-200], 0.9)


def test_a_detector_of_few_rows_and_of_one_column_is_served() -> None:
    """Fewer rows than a tree or a kernel would take."""
    values = np.arange(12, dtype=np.float32)[:, None]
    for kind in DETECTORS:
        family = family_of(kind)
        estimator = fitted(family, read_parameters(None, [kind])[kind], Rows(values, np.zeros(12, bool), None, []), 1)
        model = quickest(serialized(family.to_onnx(estimator, 1)), 1, kind)[1]
        prove_agreement(kind, family.own_scores(estimator, values), model.raw_scores(values))


@pytest.mark.parametrize("categories", [[], list(range(WIDTH))])
def test_a_network_learns_from_numbers_alone_and_from_categories_alone(categories: list[int]) -> None:
    """And a code that was not there when it was fitted is none of those that were."""
    values, is_fraud = rows()
    values = np.clip(np.round(np.abs(values)), 0, 5)
    parameters = {**read_parameters(None, ["mlp"])["mlp"], **SMALL["mlp"]}
    estimator = fitted(family_of("mlp"), parameters, Rows(values, is_fraud, None, categories), 1)
    values[:20] = 9
    raw = served("mlp", estimator).raw_scores(values)
    prove_agreement("mlp", family_of("mlp").own_scores(estimator, values), raw)


@pytest.mark.parametrize("kind", ["xgboost", "catboost"])
def test_boosters_fit_in_one_thread(kind: str, trained: dict[str, Any]) -> None:
    told = trained[kind].get_params()
    assert told.get("n_jobs", told.get("thread_count")) == 1


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
