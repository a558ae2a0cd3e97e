"""The compiled loop over trees beside a walk down each of them, to the bit, and beside ONNX Runtime."""

import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import helper

from risk.errors import BundleError
from risk.model import OnnxModel, model_of, quickest
from risk.onnx_graph import read_graph
from risk.trees import MOST_LEAVES, PIECE, Trees, _exponential
from trainer.onnx_model import WrittenTrees, tree_ensemble

WIDTH = 4
Tree = float | tuple[int, float, Any, Any]  # a leaf, or a feature, a threshold, what is at or below it, what is above


def some_tree(dice: np.random.Generator, leaves: int) -> Tree:
    """Few features and thresholds, so that many splits are equal."""
    if leaves == 1:
        return float(dice.normal())
    left = int(dice.integers(1, leaves))
    threshold = float(np.float32(dice.integers(-20, 20) / 3))
    return int(dice.integers(WIDTH)), threshold, some_tree(dice, left), some_tree(dice, leaves - left)


def written(trees: list[Tree]) -> bytes:
    made = WrittenTrees()
    for number, tree in enumerate(trees):
        count = 1
        waiting = [(tree, 0)]
        while waiting:
            node, place = waiting.pop()
            if isinstance(node, float):
                made.leaf(number, place, node)
                continue
            feature, threshold, left, right = node
            made.split(number, place, feature, threshold, count, count + 1)
            waiting += [(right, count + 1), (left, count)]
            count += 2
    return bytes(tree_ensemble(made, "LOGISTIC", WIDTH).SerializeToString())


def loop_over(onnx: bytes) -> Trees:
    return Trees(read_graph(onnx, "model.onnx"), WIDTH, "model.onnx")


def by_walking(trees: list[Tree], row: list[float]) -> float:
    total = 0.0
    for tree in trees:
        while not isinstance(tree, float):
            feature, threshold, left, right = tree
            tree = left if row[feature] <= threshold else right
        total += tree
    return 1.0 / (1.0 + exponential(-total))


def exponential(x: float) -> float:
    """The same formula, run by Python."""
    plain: Any = _exponential
    return float(plain.py_func(x))


@given(st.integers(0, 2**32), st.lists(st.integers(1, MOST_LEAVES), min_size=1, max_size=12), st.integers(1, 40))
def test_every_row_gets_what_a_walk_down_the_trees_adds_up(seed: int, sizes: list[int], rows: int) -> None:
    """On thresholds, a step beside them, and far away; of features with several pieces of thresholds, and with none."""
    dice = np.random.default_rng(seed)
    trees = [some_tree(dice, leaves) for leaves in sizes]
    values = (dice.integers(-25, 25, (rows, WIDTH)) / 3).astype(np.float32)
    values[dice.random(values.shape) < 0.2] = np.inf
    values[dice.random(values.shape) < 0.2] = -np.inf
    values = np.where(dice.random(values.shape) < 0.3, np.nextafter(values, np.float32(0)), values)
    onnx = written(trees)
    scores = loop_over(onnx).raw_scores(values)
    assert scores.tolist() == [by_walking(trees, row) for row in values.tolist()]
    assert np.abs(scores - OnnxModel(onnx, WIDTH, "trees").raw_scores(values)).max() < 1e-6


def test_features_with_many_thresholds_fill_several_pieces() -> None:
    """So that the property above is one of pieces, too."""
    dice = np.random.default_rng(1)
    trees = [some_tree(dice, MOST_LEAVES) for _ in range(12)]
    assert 12 * (MOST_LEAVES - 1) / WIDTH > 5 * PIECE
    values = (dice.integers(-25, 25, (500, WIDTH)) / 3).astype(np.float32)
    scores = loop_over(written(trees)).raw_scores(values)
    assert scores.tolist() == [by_walking(trees, row) for row in values.tolist()]
    assert len(set(scores.tolist())) > 100


def test_a_row_scores_the_same_in_every_batch() -> None:
    dice = np.random.default_rng(2)
    values = (dice.integers(-25, 25, (64, WIDTH)) / 3).astype(np.float32)
    model = loop_over(written([some_tree(dice, 20) for _ in range(5)]))
    alone = [model.raw_scores(values[row : row + 1])[0] for row in range(64)]
    assert model.raw_scores(values).tolist() == alone
    assert model.raw_scores(values[:0]).tolist() == []


@given(st.floats(-800, 800))
@example(0.3465)
@example(-0.3465)
def test_the_exponential_is_right_and_the_same_compiled_or_not(x: float) -> None:
    found = exponential(x)
    assert struct.pack("d", _exponential(x)) == struct.pack("d", found)
    assert found == pytest.approx(math.exp(min(max(x, -700), 700)), rel=1e-15, abs=0)


def test_what_is_no_small_boosted_tree_is_left_to_onnx_runtime() -> None:
    dice = np.random.default_rng(3)
    small, large = (written([some_tree(dice, leaves)]) for leaves in (MOST_LEAVES, MOST_LEAVES + 1))
    assert [quickest(onnx, WIDTH, "m")[0] for onnx in (small, large)] == ["trees", "onnxruntime"]
    assert isinstance(quickest(small, WIDTH, "m")[1], Trees)
    assert isinstance(model_of(large, WIDTH, "m", "onnxruntime"), OnnxModel)
    assert isinstance(model_of(small, WIDTH, "m", "trees"), Trees)


@given(st.integers(0, 2**32), st.lists(st.integers(1, MOST_LEAVES), min_size=1, max_size=12), st.integers(1, 300))
def test_a_bundle_that_names_onnx_runtime_gets_its_bits(seed: int, sizes: list[int], rows: int) -> None:
    """Also where all leaves are positive, which ONNX Runtime takes for probabilities."""
    dice = np.random.default_rng(seed)
    trees = [some_tree(dice, leaves) for leaves in sizes]
    values = (dice.integers(-25, 25, (rows, WIDTH)) / 3).astype(np.float32)
    onnx = written(trees)
    found = model_of(onnx, WIDTH, "m", "onnxruntime").raw_scores(values)
    assert found.tolist() == OnnxModel(onnx, WIDTH, "m").raw_scores(values).tolist()


def test_onnx_runtime_scores_where_the_loop_has_other_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exponential of another machine could have some."""
    dice = np.random.default_rng(6)
    onnx = written([some_tree(dice, 20) for _ in range(5)])
    assert isinstance(model_of(onnx, WIDTH, "m", "onnxruntime"), Trees)

    class Otherwise(Trees):
        def raw_scores(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            scores = super().raw_scores(values)
            scores[-1:] = np.nextafter(scores[-1:], 0)
            return scores

    monkeypatch.setattr("risk.model.Trees", Otherwise)
    assert isinstance(model_of(onnx, WIDTH, "m", "onnxruntime"), OnnxModel)


def test_what_is_tried_lies_on_every_threshold_and_beside_it() -> None:
    dice = np.random.default_rng(7)
    trees = [some_tree(dice, 20) for _ in range(5)]
    tried = loop_over(written(trees)).edges(4_096)
    for feature in range(WIDTH):
        thresholds = {t for tree in trees for f, t in splits_of(tree) if f == feature}
        beside = {float(np.nextafter(np.float32(t), np.float32(np.inf))) for t in thresholds}
        assert set(tried[:, feature].tolist()) == thresholds | beside


def splits_of(tree: Tree) -> list[tuple[int, float]]:
    if isinstance(tree, float):
        return []
    feature, threshold, left, right = tree
    return [(feature, threshold), *splits_of(left), *splits_of(right)]


def test_so_many_trees_that_no_cache_holds_them_are_left_to_onnx_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = np.random.default_rng(4)
    onnx = written([some_tree(dice, 20) for _ in range(30)])
    masks = 30 * 19 // PIECE + WIDTH
    monkeypatch.setattr("risk.trees.MOST_MASK_BYTES", masks * 30 * 8)
    assert quickest(onnx, WIDTH, "m")[0] == "trees"
    monkeypatch.setattr("risk.trees.MOST_MASK_BYTES", (masks - WIDTH) * 30 * 8 - 1)
    assert quickest(onnx, WIDTH, "m")[0] == "onnxruntime"


def test_rows_of_another_kind_are_refused_in_words() -> None:
    """The compiled loop would look anywhere in memory."""
    model = loop_over(written([some_tree(np.random.default_rng(5), 9)]))
    for values in (np.zeros((2, WIDTH + 1), np.float32), np.zeros((2, WIDTH)), np.zeros(WIDTH, np.float32)):
        with pytest.raises(ValueError, match=f"expected float32 rows of {WIDTH}"):
            model.raw_scores(values)


Change = Callable[[onnx.ModelProto], object]


def attribute(model: onnx.ModelProto, name: str) -> onnx.AttributeProto:
    return next(each for each in model.graph.node[1].attribute if each.name == name)


def with_integers(name: str, *numbers: int) -> Change:
    def change(model: onnx.ModelProto) -> None:
        del attribute(model, name).ints[:]
        attribute(model, name).ints.extend(numbers)

    return change


def with_attribute(name: str, value: Any) -> Change:
    return lambda model: model.graph.node[1].attribute.append(helper.make_attribute(name, value))


def with_numbers(name: str, *numbers: float) -> Change:
    tensor = helper.make_tensor("other", onnx.TensorProto.DOUBLE, [len(numbers)], numbers)
    return lambda model: attribute(model, name).t.CopyFrom(tensor)


# Of one split of feature 1 at 0.5, with -1 on its left and 1 on its right.
CHANGES: dict[str, Change] = {
    "a loop": with_integers("nodes_truenodeids", 0, 0, 0),
    "a leaf that is not there": with_integers("nodes_falsenodeids", 7, 0, 0),
    "a feature too many": with_integers("nodes_featureids", WIDTH, 0, 0),
    "a negative feature": with_integers("nodes_featureids", -1, 0, 0),
    "columns of different lengths": with_integers("nodes_featureids", 1, 0, 0, 0),
    "a node that no tree comes to": with_integers("nodes_treeids", 0, 0, 1),
    "two weights of a leaf": with_integers("class_nodeids", 1, 1),
    "another class": with_integers("class_ids", 0, 1),
    "other labels": with_integers("classlabels_int64s", 1, 0),
    "another way for what is missing": with_integers("nodes_missing_value_tracks_true", 1, 0, 0),
    "another comparison": lambda model: attribute(model, "nodes_modes").strings.__setitem__(0, b"BRANCH_LT"),
    "no logistic": lambda model: setattr(attribute(model, "post_transform"), "s", b"NONE"),
    "a start other than 0": with_attribute("base_values", [2.0]),
    "an attribute twice": with_attribute("post_transform", "LOGISTIC"),
    "no attribute": lambda model: model.graph.node[1].attribute.remove(attribute(model, "class_ids")),
    "a threshold that is no float32": with_numbers("nodes_values_as_tensor", 0.49999999999, 0.0, 0.0),
    "a threshold that is no number": with_numbers("nodes_values_as_tensor", math.nan, 0.0, 0.0),
    "a leaf that is no number": with_numbers("class_weights_as_tensor", math.inf, 1.0),
    "half a number": lambda model: attribute(model, "class_weights_as_tensor").t.__setattr__("raw_data", b"x" * 17),
    "whole numbers": lambda model: setattr(model.graph.node[0].attribute[0], "i", onnx.TensorProto.INT64),
    "what was not widened": lambda model: model.graph.node[1].input.__setitem__(0, "features"),
    "the label for a score": lambda model: model.graph.output.pop(),
    "another width": lambda model: setattr(
        model.graph.input[0].type.tensor_type.shape.dim[1], "dim_value", WIDTH + 1
    ),
    "another operator": lambda model: setattr(model.graph.node[0], "op_type", "Identity"),
}  # fmt: skip


def changed(change: Change) -> bytes:
    made = WrittenTrees()
    made.split(0, 0, 1, 0.5, 1, 2)
    made.leaf(0, 1, -1.0)
    made.leaf(0, 2, 1.0)
    model = tree_ensemble(made, "LOGISTIC", WIDTH)
    change(model)
    return bytes(model.SerializeToString())


def test_the_trees_that_are_changed_below_are_whole() -> None:
    assert loop_over(changed(lambda _: None)).raw_scores(np.zeros((1, WIDTH), np.float32)) == [1 / (1 + math.e)]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_onnx_runtime_would_score_otherwise_or_not_at_all_is_refused(change: Change) -> None:
    with pytest.raises(BundleError, match=r"model\.onnx: .*expected"):
        loop_over(changed(change))
