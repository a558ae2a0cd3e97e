"""An isolation forest: a detector, fitted without labels. Trees that split at random part a strange row from the others
after few splits."""

from typing import Any

import numpy as np
import onnx
from sklearn.ensemble import IsolationForest as Forest

from risk.codes import Array
from trainer.families import NONE
from trainer.families.family import HUGE, TINY, Family, Parameter, Parameters, Rows, Searched
from trainer.onnx_model import WrittenTrees, tree_ensemble
from trainer.reproducible import rounded

# Log odds of a row that is parted as late as a random one are 0, and of one that is parted at once this. Only the order
# counts: the calibration makes probabilities of it. With 8 the raw scores of real rows lie between 0.05 and 0.95.
STEEPNESS = 8.0
LEAF_DIGITS = 12  # the last bits of a logarithm depend on the processor


class IsolationForest:
    name = "isolation-forest"
    # Tried as LightGBM's are, on small worlds: `python -m bench.defaults --model isolation-forest --rows-of-cards 30000
    # --rows-of-trustlens 20000`. In the mean on `cards`, 16, 64 and 256 rows a tree gave 0.076, 0.100 and 0.141, on
    # `trustlens` 0.039, 0.037 and 0.037. With 64, no tree has more than 64 leaves, and the compiled loop serves them.
    parameters: tuple[Parameter, ...] = (
        Parameter("n_estimators", 200, 1, 10_000, Searched(100, 400)),
        Parameter("max_samples", 64, 2, HUGE, Searched(16, 64, is_logarithmic=True)),  # rows that a tree is grown on
        Parameter("max_features", 1.0, TINY, 1, Searched(0.2, 1.0)),
    )
    balances: tuple[str, ...] = (NONE,)
    libraries: tuple[str, ...] = ("scikit-learn",)
    refusals: tuple[type[Exception], ...] = (ValueError,)

    def fit(self, parameters: Parameters, rows: Rows, seed: int) -> Forest:
        return Forest(
            **{**parameters, "max_samples": min(parameters["max_samples"], len(rows.values))}, random_state=seed
        ).fit(rows.values)

    def to_onnx(self, model: Any, width: int) -> onnx.ModelProto:
        """Each leaf takes off its depth and what its rows would still have taken to part, as a share of what random
        rows take in all trees."""
        trees = WrittenTrees()
        whole = _expected_splits(np.array([model.max_samples_]))[0] * len(model.estimators_)
        trees.leaf(0, 0, STEEPNESS)
        for number, (estimator, features) in enumerate(
            zip(model.estimators_, model.estimators_features_, strict=True), 1
        ):
            tree = estimator.tree_
            splits = tree.compute_node_depths() - 1 + _expected_splits(tree.n_node_samples)
            taken_off = rounded(-STEEPNESS * splits / whole, LEAF_DIGITS)
            rows = zip(tree.children_left.tolist(), tree.children_right.tolist(), tree.feature.tolist(),
                       tree.threshold.tolist(), taken_off.tolist(), strict=True)  # fmt: skip
            for node, (left, right, feature, threshold, leaf) in enumerate(rows):
                if left < 0:
                    trees.leaf(number, node, leaf)
                else:
                    trees.split(number, node, int(features[feature]), threshold, left, right)
        return tree_ensemble(trees, "LOGISTIC", width)

    def own_scores(self, model: Any, values: Array) -> Array:
        """The library's score is 2 to the power of minus that share."""
        share = -np.log2(-model.score_samples(values))
        return np.asarray(1 / (1 + np.exp(-STEEPNESS * (1 - share))))


FAMILY: Family = IsolationForest()


def _expected_splits(rows: Array) -> Array:
    """What it takes to part one of so many random rows from the others, in the mean (Liu and others, ICDM 2008)."""
    many = np.maximum(rows, 3)
    of_many = 2 * (np.log(many - 1.0) + np.euler_gamma) - 2 * (many - 1.0) / many
    return np.where(rows <= 1, 0.0, np.where(rows == 2, 1.0, of_many))
