"""LightGBM: boosted trees, grown leaf by leaf."""

from typing import Any

import numpy as np
import onnx
from lightgbm import LGBMClassifier
from lightgbm.basic import LightGBMError

from risk.codes import Array
from risk.errors import EngineError
from trainer.families import BALANCES
from trainer.families.family import HUGE, TINY, Family, Parameter, Parameters, Rows, Searched
from trainer.onnx_model import WrittenTrees, tree_ensemble


class LightGBM:
    name = "lightgbm"
    # Its own defaults and its is_unbalance diverge on rare fraud: small steps and large leaves do not. First tried on
    # one world, then 15 settings held against each other by average precision on VALIDATION alone: `cards` with 300,000
    # rows (seeds 11, 12, 13) and `trustlens` with 200,000 (11, 12). All of it is printed by `python -m bench.defaults`.
    # A share of the columns for each tree and some shrinking of leaves (0.6 and 5), because many features say nearly
    # the same (a count of 7 and of 30 days): 0.695, 0.694, 0.609 on `cards`, and 0.670, 0.686, 0.608 with all columns
    # and no shrinking; on `trustlens` 0.058, 0.056 and 0.058, 0.052. Half the step with twice the trees gave 0.683,
    # 0.705, 0.618 on `cards`: no more than chance may do, for twice the time of every score.
    parameters: tuple[Parameter, ...] = (
        Parameter("n_estimators", 200, 1, 10_000, Searched(100, 400)),
        Parameter("learning_rate", 0.05, TINY, 10, Searched(0.02, 0.1, is_logarithmic=True)),
        Parameter("num_leaves", 31, 2, 131_072, Searched(7, 63, is_logarithmic=True)),
        Parameter("min_child_samples", 100, 0, HUGE, Searched(20, 500, is_logarithmic=True), is_of_rows=True),
        Parameter("max_depth", -1, -1, 1000),
        Parameter("colsample_bytree", 0.6, TINY, 1, Searched(0.4, 1.0)),
        Parameter("subsample", 1.0, TINY, 1),
        Parameter("subsample_freq", 0, 0, HUGE),
        Parameter("reg_alpha", 0.0, 0, HUGE),
        Parameter("reg_lambda", 5.0, 0, HUGE, Searched(1e-3, 10.0, is_logarithmic=True)),
        Parameter("min_split_gain", 0.0, 0, HUGE),
    )
    balances: tuple[str, ...] = BALANCES
    libraries: tuple[str, ...] = ("lightgbm",)
    refusals: tuple[type[Exception], ...] = (ValueError, LightGBMError)

    def fit(self, parameters: Parameters, rows: Rows, seed: int) -> LGBMClassifier:
        """With one thread and by columns, for the sake of its bits: it would try which way is faster. By rows it adds
        up in the same order, and took a fifth longer for the same trees, of 140,000 rows as of 540,000."""
        model = LGBMClassifier(
            **parameters, random_state=seed, n_jobs=1, deterministic=True, force_col_wise=True, verbose=-1
        )
        return model.fit(rows.values, rows.labels, rows.weights)

    def to_onnx(self, model: Any, width: int) -> onnx.ModelProto:
        return tree_ensemble(trees_of(model.booster_.dump_model()), "LOGISTIC", width)

    def own_scores(self, model: Any, values: Array) -> Array:
        return np.asarray(model.booster_.predict(values, num_threads=1))

    def contributions(self, model: Any, values: Array) -> Array:
        return np.asarray(model.booster_.predict(values, pred_contrib=True, num_threads=1))[:, :-1]


FAMILY: Family = LightGBM()


def trees_of(dump: dict[str, Any]) -> WrittenTrees:
    """LightGBM's own description of a binary model: leaves add up to log odds."""
    objective = dump["objective"].split()
    if objective[0] != "binary" or "sigmoid:1" not in objective or dump.get("average_output"):
        raise EngineError(
            f"objective: got {dump['objective']!r}, expected 'binary sigmoid:1', boosted and not averaged"
        )
    trees = WrittenTrees()
    for number, tree in enumerate(dump["tree_info"]):
        _add(trees, number, tree["tree_structure"])
    return trees


def _add(trees: WrittenTrees, tree: int, root: dict[str, Any]) -> None:
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
