"""Trees as the parallel lists that ONNX's TreeEnsembleClassifier is made of, out of LightGBM and of a forest."""

from collections import defaultdict
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from risk.errors import EngineError


def largest_float32_not_above(threshold: float) -> float:
    narrow = np.float32(threshold)
    if float(narrow) > threshold:
        narrow = np.nextafter(narrow, np.float32(-np.inf))
    return float(narrow)


class Trees:
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


def boosted_trees(dump: dict[str, Any]) -> Trees:
    """LightGBM's own description of a binary model: leaves add up to log odds."""
    objective = dump["objective"].split()
    if objective[0] != "binary" or "sigmoid:1" not in objective or dump.get("average_output"):
        raise EngineError(
            f"objective: got {dump['objective']!r}, expected 'binary sigmoid:1', boosted and not averaged"
        )
    trees = Trees()
    for number, tree in enumerate(dump["tree_info"]):
        _add_boosted(trees, number, tree["tree_structure"])
    return trees


def _add_boosted(trees: Trees, tree: int, root: dict[str, Any]) -> None:
    """Every pair of children takes the next two numbers."""
    waiting: list[tuple[dict[str, Any], int]] = [(root, 0)]
    count = 1
    while waiting:
        node, number = waiting.pop()
        if "leaf_value" in node:
            trees.leaf(tree, number, node["leaf_value"])
            continue
        if node["decision_type"] != "<=" or node["missing_type"] == "Zero":
            raise EngineError(f"tree {tree}: got a split {node['decision_type']!r} with missing type "
                              f"{node['missing_type']!r}, expected '<=' on numbers")  # fmt: skip
        left, right, count = count, count + 1, count + 2
        trees.split(tree, number, node["split_feature"], node["threshold"], left, right)
        waiting += [(node["right_child"], right), (node["left_child"], left)]


def forest_trees(forest: RandomForestClassifier) -> Trees:
    """Each tree's leaves hold shares of frauds; the forest's answer is their mean."""
    trees = Trees()
    for number, estimator in enumerate(forest.estimators_):
        tree = estimator.tree_
        of_class = tree.value[:, 0, :]
        shares = of_class[:, 1] / of_class.sum(axis=1) / len(forest.estimators_)
        rows = zip(tree.children_left.tolist(), tree.children_right.tolist(), tree.feature.tolist(),
                   tree.threshold.tolist(), shares.tolist(), strict=True)  # fmt: skip
        for node, (left, right, feature, threshold, share) in enumerate(rows):
            if left < 0:
                trees.leaf(number, node, share)
            else:
                trees.split(number, node, feature, threshold, left, right)
    return trees
