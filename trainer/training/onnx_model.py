"""A trained model as ONNX: the form in which it is judged and served.

Logistic regression goes through skl2onnx. Trees are translated here into the one operator that holds them, with
float64 thresholds and leaves, the float32 features being widened before it. Thresholds rounded to float32 send rows the
other way (up to 4e-5), and hundreds of leaves summed in float32 were off by 1.1e-6; so they are off by 9e-8, and it
costs about a third of the model's time. Each threshold is lowered to the largest float32 not above it all the same:
for float32 features that changes nothing, and so nothing depends on how a runtime compares.
"""

from typing import Any

import numpy as np
import onnx
from lightgbm import LGBMClassifier
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier

from trainer.training.onnx_trees import Trees, boosted_trees, forest_trees

GRAPH_NAME = "trustlens"  # a name drawn at random would give the same model another version each time
INPUT = "features"
OPSET, TREES_OPSET, IR_VERSION = 17, 3, 8
TREES_DOMAIN = "ai.onnx.ml"


def as_onnx(estimator: ClassifierMixin, width: int) -> bytes:
    """Features in, label and both probabilities out."""
    if isinstance(estimator, LGBMClassifier):
        model = _ensemble(boosted_trees(estimator.booster_.dump_model()), "LOGISTIC", width)
    elif isinstance(estimator, RandomForestClassifier):
        model = _ensemble(forest_trees(estimator), "NONE", width)
    else:
        model = to_onnx(
            estimator,
            np.zeros((1, width), np.float32),
            name=GRAPH_NAME,
            options={"zipmap": False},
            target_opset={"": OPSET, TREES_DOMAIN: TREES_OPSET},
        )
    # skl2onnx keeps them in a set, whose order is another in every process.
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    return bytes(model.SerializeToString(deterministic=True))


def _ensemble(trees: Trees, post_transform: str, width: int) -> onnx.ModelProto:
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
    graph = helper.make_graph(
        [widen, ensemble],
        GRAPH_NAME,
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, width])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
        ],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(TREES_DOMAIN, TREES_OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="trustlens")


def _doubles(name: str, values: list[Any]) -> onnx.TensorProto:
    return helper.make_tensor(name, TensorProto.DOUBLE, [len(values)], values)
