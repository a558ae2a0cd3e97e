"""XGBoost: boosted trees, grown level by level."""

import json
from typing import Any

import numpy as np
import onnx
from xgboost import DMatrix, XGBClassifier
from xgboost.core import XGBoostError

from risk.codes import Array
from trainer.families import BALANCES
from trainer.families.family import HUGE, TINY, Family, Parameter, Parameters, Rows, Searched
from trainer.onnx_model import WrittenTrees, tree_ensemble
from trainer.reproducible import rounded

BASE_DIGITS = 12  # the last bits of a logarithm depend on the processor
BLOCK = 25  # trees


class XGBoost:
    name = "xgboost"
    # Chosen as LightGBM's are, on smaller worlds: `python -m bench.defaults --model xgboost --rows-of-cards 60000
    # --rows-of-trustlens 40000`. A share of the columns, leaves of some weight and some shrinking (0.6, 5, 5) gave
    # 0.477, 0.577, 0.483 on `cards`; all columns with XGBoost's own 1 and 1 gave 0.437, 0.580, 0.405, a weight of 20
    # gave 0.397, 0.403, 0.350. On `trustlens` 0.049, 0.055; 0.052, 0.052; 0.049, 0.057. Half the step with twice the
    # trees: 0.471, 0.599, 0.477, no more than chance may do, for twice the time. 6 levels have no more than 64 leaves.
    parameters: tuple[Parameter, ...] = (
        Parameter("n_estimators", 200, 1, 10_000, Searched(100, 400)),
        Parameter("learning_rate", 0.05, TINY, 10, Searched(0.02, 0.1, is_logarithmic=True)),
        Parameter("max_depth", 6, 1, 30, Searched(3, 6)),
        Parameter("min_child_weight", 5.0, 0, HUGE, Searched(0.5, 50, is_logarithmic=True), is_of_rows=True),
        Parameter("colsample_bytree", 0.6, TINY, 1, Searched(0.4, 1.0)),
        Parameter("subsample", 1.0, TINY, 1),
        Parameter("reg_alpha", 0.0, 0, HUGE),
        Parameter("reg_lambda", 5.0, 0, HUGE, Searched(1e-3, 10.0, is_logarithmic=True)),
        Parameter("gamma", 0.0, 0, HUGE),
    )
    balances: tuple[str, ...] = BALANCES
    libraries: tuple[str, ...] = ("xgboost-cpu",)
    refusals: tuple[type[Exception], ...] = (ValueError, XGBoostError)

    def fit(self, parameters: Parameters, rows: Rows, seed: int) -> XGBClassifier:
        """With one thread: several add up their own parts of the rows, and the last bits are of the parts."""
        model = XGBClassifier(
            **parameters, objective="binary:logistic", tree_method="hist", random_state=seed, n_jobs=1, verbosity=0
        )
        return model.fit(rows.values, rows.labels, sample_weight=rows.weights)

    def to_onnx(self, model: Any, width: int) -> onnx.ModelProto:
        return tree_ensemble(trees_of(json.loads(model.get_booster().save_raw("json"))), "LOGISTIC", width)

    def own_scores(self, model: Any, values: Array) -> Array:
        """Block by block: XGBoost adds leaves up in float32, and 800 trees were off by 1e-6 for that alone."""
        booster = model.get_booster()
        rounds, nothing = booster.num_boosted_rounds(), np.zeros(len(values), np.float32)
        odds = np.full(len(values), _log_odds(float(model.intercept_[0])))
        for first in range(0, rounds, BLOCK):
            which = first, min(first + BLOCK, rounds)
            odds += booster.inplace_predict(values, iteration_range=which, predict_type="margin", base_margin=nothing)
        return np.asarray(1 / (1 + np.exp(-odds)))

    def contributions(self, model: Any, values: Array) -> Array:
        return np.asarray(model.get_booster().predict(DMatrix(values, nthread=1), pred_contribs=True))[:, :-1]


FAMILY: Family = XGBoost()


def trees_of(saved: dict[str, Any]) -> WrittenTrees:
    """XGBoost's own description of a model. It begins with the log odds of a base score, here a tree of one leaf, and
    adds the leaves up in float32. A row goes left where its value is below the threshold: at or below the float32
    before it."""
    learner = saved["learner"]
    trees = WrittenTrees()
    trees.leaf(0, 0, _log_odds(float(learner["learner_model_param"]["base_score"].strip("[]"))))
    for number, tree in enumerate(learner["gradient_booster"]["model"]["trees"], 1):
        lefts, rights, features = tree["left_children"], tree["right_children"], tree["split_indices"]
        numbers = np.array(tree["split_conditions"], np.float32)  # thresholds, and what the leaves are worth
        waiting = [0]
        while waiting:  # from the root: what was pruned is still in the lists
            node = waiting.pop()
            if lefts[node] < 0:
                trees.leaf(number, node, float(numbers[node]))
                continue
            below = float(np.nextafter(numbers[node], np.float32(-np.inf)))
            trees.split(number, node, features[node], below, lefts[node], rights[node])
            waiting += [rights[node], lefts[node]]
    return trees


def _log_odds(share: float) -> float:
    return float(rounded(np.log([share / (1 - share)]), BASE_DIGITS)[0])
