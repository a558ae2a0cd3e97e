"""A model as ONNX: the form in which it is judged and served.

Trees become the one operator that holds them, with float64 thresholds and leaves, the float32 features being widened
before it. Thresholds rounded to float32 send rows the other way (up to 4e-5), and hundreds of leaves summed in float32
were off by 1.1e-6; so they are off by 9e-8, and it costs about a third of the model's time. Each threshold is lowered
to the largest float32 not above it all the same: for float32 features that changes nothing, and so nothing depends on
how a runtime compares.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

GRAPH_NAME = "trustlens"  # a name drawn at random would give the same model another version each time
INPUT = "features"
OPSET, TREES_OPSET, IR_VERSION = 17, 3, 8
TREES_DOMAIN = "ai.onnx.ml"


class WrittenTrees:
    """An entry for each node, and one for each leaf. Node 0 of a tree is its root."""

    def __init__(self) -> None:
        self.attributes: defaultdict[str, Any] = defaultdict(list)
        self.thresholds: list[float] = []
        self.leaves: list[float] = []

    def leaf(self, tree: int, number: int, weight: float) -> None:
        self._node(tree, number, "LEAF", 0, 0.0, 0, 0)
        for name, value in (("treeids", tree), ("nodeids", number), ("ids", 0)):
            self.attributes[f"class_{name}"].append(value)
        self.leaves.append(weight)

    def split(self, tree: int, number: int, feature: int, threshold: float, left: int, right: int) -> None:
        """Left where the feature is at or below the threshold."""
        self._node(tree, number, "BRANCH_LEQ", feature, largest_float32_not_above(threshold), left, right)

    def _node(
        self, tree: int, number: int, mode: str, feature: int, threshold: float, left: int, right: int
    ) -> None:  # fmt: skip
        self.thresholds.append(threshold)
        row = {"treeids": tree, "nodeids": number, "modes": mode, "featureids": feature, "truenodeids": left,
               "falsenodeids": right, "missing_value_tracks_true": 0}  # fmt: skip
        for name, entry in row.items():
            self.attributes[f"nodes_{name}"].append(entry)


def largest_float32_not_above(threshold: float) -> float:
    narrow = np.float32(threshold)
    if float(narrow) > threshold:
        narrow = np.nextafter(narrow, np.float32(-np.inf))
    return float(narrow)


def tree_ensemble(trees: WrittenTrees, post_transform: str, width: int) -> onnx.ModelProto:
    """The leaves of a row added up; with LOGISTIC they are log odds, with NONE shares."""
    widen = helper.make_node("Cast", [INPUT], ["wide"], name="widen", to=TensorProto.DOUBLE)
    ensemble = helper.make_node(
        "TreeEnsembleClassifier",
        ["wide"],
        ["label", "probabilities"],
        name="trees",
        domain=TREES_DOMAIN,
        classlabels_int64s=[0, 1],
        post_transform=post_transform,
        nodes_values_as_tensor=_doubles("thresholds", trees.thresholds),
        class_weights_as_tensor=_doubles("leaves", trees.leaves),
        **trees.attributes,
    )
    return graph_of([widen, ensemble], width)


def graph_of(
    nodes: Sequence[onnx.NodeProto], width: int, constants: Sequence[onnx.TensorProto] = ()
) -> onnx.ModelProto:
    """From rows of so many features (INPUT) to what the last node calls "label" and "probabilities"."""
    graph = helper.make_graph(
        nodes,
        GRAPH_NAME,
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, width])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
        ],
        constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(TREES_DOMAIN, TREES_OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="trustlens")


def serialized(model: onnx.ModelProto) -> bytes:
    """The same bytes for the same model."""
    # skl2onnx keeps them in a set, whose order is another in every process.
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    return bytes(model.SerializeToString(deterministic=True))


def _doubles(name: str, values: list[Any]) -> onnx.TensorProto:
    return helper.make_tensor(name, TensorProto.DOUBLE, [len(values)], values)
