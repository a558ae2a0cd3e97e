"""A random forest: many deep trees on samples of the rows, and the mean of what they say."""

from typing import Any

import numpy as np
import onnx
from sklearn.ensemble import RandomForestClassifier

from risk.codes import Array
from trainer.families import BALANCES
from trainer.families.family import HUGE, TINY, Family, Parameter, Parameters, Rows, Searched
from trainer.onnx_model import WrittenTrees, tree_ensemble

THREADS = 2  # its trees are the same whichever thread grows them


class RandomForest:
    name = "random-forest"
    # Held against others as LightGBM's are (trainer/families/lightgbm.py): least leaves of 1, 5 and 50 gave 0.626,
    # 0.627 and 0.586 in the mean on `cards`, 0.054, 0.054 and 0.056 on `trustlens`. 5 is as good as 1 where it matters,
    # in fewer nodes.
    parameters: tuple[Parameter, ...] = (
        # All trees are drawn alike, so a search compares settings by a quarter of them: with all, forests took
        # most of the time of a search of the usual families.
        Parameter("n_estimators", 200, 1, 10_000, enough_to_compare=50),
        Parameter("max_depth", 8, 1, 1000, Searched(5, 12)),
        Parameter("min_samples_leaf", 5, 1, HUGE, Searched(1, 50, is_logarithmic=True), is_of_rows=True),
        Parameter("max_features", "sqrt", TINY, 1, Searched(0.1, 0.3), words=("sqrt", "log2")),
        Parameter("max_samples", 100_000, 1, HUGE),  # rows a tree sees at most: more take minutes and change little
    )
    balances: tuple[str, ...] = BALANCES
    libraries: tuple[str, ...] = ("scikit-learn",)
    refusals: tuple[type[Exception], ...] = (ValueError,)

    def fit(self, parameters: Parameters, rows: Rows, seed: int) -> RandomForestClassifier:
        most = parameters["max_samples"]
        forest = RandomForestClassifier(
            **{**parameters, "max_samples": None if most >= len(rows.values) else most},
            random_state=seed,
            n_jobs=THREADS,
        )
        return forest.fit(rows.values, rows.labels, rows.weights)

    def to_onnx(self, model: Any, width: int) -> onnx.ModelProto:
        """Each tree's leaves hold shares of frauds; the forest's answer is their mean."""
        trees = WrittenTrees()
        for number, estimator in enumerate(model.estimators_):
            tree = estimator.tree_
            of_class = tree.value[:, 0, :]
            shares = of_class[:, 1] / of_class.sum(axis=1) / len(model.estimators_)
            rows = zip(tree.children_left.tolist(), tree.children_right.tolist(), tree.feature.tolist(),
                       tree.threshold.tolist(), shares.tolist(), strict=True)  # fmt: skip
            for node, (left, right, feature, threshold, share) in enumerate(rows):
                if left < 0:
                    trees.leaf(number, node, share)
                else:
                    trees.split(number, node, feature, threshold, left, right)
        return tree_ensemble(trees, "NONE", width)

    def own_scores(self, model: Any, values: Array) -> Array:
        return np.asarray(model.predict_proba(values)[:, 1])


FAMILY: Family = RandomForest()
