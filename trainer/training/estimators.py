"""The three models, with every hyper-parameter in this one place."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier
from sklearn.base import ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

Array = np.ndarray[Any, Any]
Parameters = Mapping[str, Any]

LOGISTIC, FOREST, LIGHTGBM = "logistic", "random-forest", "lightgbm"
KINDS = (LOGISTIC, FOREST, LIGHTGBM)

# What --params may change, and --search draws. LightGBM's own defaults and its is_unbalance diverge on rare fraud:
# small steps and large leaves do not. A share of the columns for each tree and some shrinking of leaves, because many
# features say nearly the same (a count of 7 and of 30 days): on `cards` that gave 0.73 of average precision, not 0.70.
DEFAULTS: dict[str, dict[str, Any]] = {
    LOGISTIC: {"C": 1.0, "max_iter": 500},
    FOREST: {
        "n_estimators": 200,
        "max_depth": 8,
        "min_samples_leaf": 5,
        "max_features": "sqrt",
        "max_samples": 100_000,  # rows a tree sees at most: more take minutes and change little
    },
    LIGHTGBM: {
        "n_estimators": 200,
        "learning_rate": 0.05,
        "num_leaves": 31,
        "min_child_samples": 100,
        "max_depth": -1,
        "colsample_bytree": 0.6,
        "subsample": 1.0,
        "subsample_freq": 0,
        "reg_alpha": 0.0,
        "reg_lambda": 5.0,
        "min_split_gain": 0.0,
    },
}

# The forest's trees are the same whichever thread grows them; the other two use one thread, for the sake of their bits.
FOREST_THREADS = 2


def fitted(
    kind: str, parameters: Parameters, values: Array, is_fraud: Array, categories: Sequence[int], *,
    weighted: bool, seed: int,
) -> ClassifierMixin:  # fmt: skip
    """The model, fitted on prepared float32 rows. `categories` are the columns that hold codes."""
    estimator = _estimator(kind, parameters, values.shape, categories, weighted=weighted, seed=seed)
    with threadpool_limits(1):
        estimator.fit(values, is_fraud.astype(np.int64))
    return estimator


def own_scores(estimator: ClassifierMixin, values: Array) -> Array:
    """What the trained model itself says: to check the served one against, never to judge by."""
    with threadpool_limits(1):
        if isinstance(estimator, LGBMClassifier):
            return np.asarray(estimator.booster_.predict(values, num_threads=1))
        return np.asarray(estimator.predict_proba(values)[:, 1])


def _estimator(
    kind: str, parameters: Parameters, shape: tuple[int, ...], categories: Sequence[int], *, weighted: bool, seed: int
) -> Any:
    class_weight = "balanced" if weighted else None
    if kind == LOGISTIC:
        numbers = [column for column in range(shape[1]) if column not in set(categories)]
        columns = ColumnTransformer(
            [
                ("numbers", StandardScaler(), numbers),
                ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(categories)),
            ],
            sparse_threshold=0.0,
        )
        return make_pipeline(
            columns, LogisticRegression(**parameters, solver="lbfgs", class_weight=class_weight, random_state=seed)
        )
    if kind == FOREST:
        most = parameters["max_samples"]
        return RandomForestClassifier(
            **{**parameters, "max_samples": None if most is None or most >= shape[0] else most},
            class_weight=class_weight,
            random_state=seed,
            n_jobs=FOREST_THREADS,
        )
    return LGBMClassifier(
        **parameters,
        class_weight=class_weight,
        random_state=seed,
        n_jobs=1,
        deterministic=True,
        force_row_wise=True,
        verbose=-1,
    )
