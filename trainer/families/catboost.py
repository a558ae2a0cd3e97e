"""CatBoost: boosted trees that ask the same of all rows on a level, so that each is a table of its leaves."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from catboost import CatBoostClassifier, CatBoostError, Pool

from risk.codes import Array
from trainer.families import BALANCES
from trainer.families.family import HUGE, TINY, Family, Parameter, Parameters, Rows, Searched
from trainer.onnx_model import WrittenTrees, tree_ensemble


class CatBoost:
    name = "catboost"
    # Chosen as LightGBM's are, on smaller worlds: `python -m bench.defaults --model catboost --rows-of-cards 60000
    # --rows-of-trustlens 40000`. A third of the columns for each split gave 0.494, 0.634, 0.519 on `cards`, all of them
    # 0.473, 0.620, 0.510, in twice the time; on `trustlens` 0.050, 0.052 and 0.048, 0.058. With 4 levels it was 0.486,
    # 0.617, 0.486 and 0.053, 0.065. 6 levels have no more than 64 leaves.
    parameters: tuple[Parameter, ...] = (
        Parameter("iterations", 300, 1, 10_000, Searched(200, 600)),
        Parameter("learning_rate", 0.05, TINY, 1, Searched(0.02, 0.1, is_logarithmic=True)),
        Parameter("depth", 6, 1, 16, Searched(4, 6)),
        Parameter("l2_leaf_reg", 3.0, 0, HUGE, Searched(1, 30, is_logarithmic=True)),
        Parameter("rsm", 0.3, TINY, 1, Searched(0.2, 1.0)),
        Parameter("random_strength", 1.0, 0, HUGE, Searched(0.1, 10, is_logarithmic=True)),
        Parameter("bagging_temperature", 1.0, 0, HUGE),
        Parameter("border_count", 254, 1, 65_535),
    )
    balances: tuple[str, ...] = BALANCES
    libraries: tuple[str, ...] = ("catboost",)
    refusals: tuple[type[Exception], ...] = (ValueError, CatBoostError)

    def fit(self, parameters: Parameters, rows: Rows, seed: int) -> CatBoostClassifier:
        """With one thread, for the sake of its bits. Codes are numbers to it, as to the others: what it makes of
        categories itself could not be served as plain trees."""
        model = CatBoostClassifier(
            **parameters,
            loss_function="Logloss",
            boosting_type="Plain",
            bootstrap_type="Bayesian",
            boost_from_average=True,
            random_seed=seed,
            thread_count=1,
            allow_writing_files=False,
            verbose=False,
        )
        return model.fit(rows.values, rows.labels, sample_weight=rows.weights)

    def to_onnx(self, model: Any, width: int) -> onnx.ModelProto:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.json"
            model.save_model(str(path), format="json")
            saved = json.loads(path.read_text())
        return tree_ensemble(trees_of(saved), "LOGISTIC", width)

    def own_scores(self, model: Any, values: Array) -> Array:
        return np.asarray(model.predict_proba(values, thread_count=1)[:, 1])

    def contributions(self, model: Any, values: Array) -> Array:
        return np.asarray(model.get_feature_importance(Pool(values), type="ShapValues", thread_count=1))[:, :-1]


FAMILY: Family = CatBoost()


def trees_of(saved: dict[str, Any]) -> WrittenTrees:
    """CatBoost's own description of a model. A row's leaf is a number of as many bits as there are splits, the first
    being the lowest; a bit is set where the value is above the border. So the last split stands at the root. Leaves add
    up to log odds, once they are scaled and the bias is added, here a tree of one leaf."""
    trees = WrittenTrees()
    scale, (bias,) = saved["scale_and_bias"]
    trees.leaf(0, 0, bias)
    for number, tree in enumerate(saved["oblivious_trees"], 1):
        splits = (tree["splits"] or [])[::-1]  # null where a tree is one leaf
        for level, split in enumerate(splits):
            for node in range(2**level - 1, 2 ** (level + 1) - 1):
                trees.split(number, node, split["float_feature_index"], split["border"], 2 * node + 1, 2 * node + 2)
        for place, leaf in enumerate(tree["leaf_values"]):
            trees.leaf(number, 2 ** len(splits) - 1 + place, scale * leaf)
    return trees
