"""The three models, with every hyper-parameter in this one place."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier
from lightgbm.basic import LightGBMError
from sklearn.base import ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from risk.codes import Array
from risk.errors import OptionError
from trainer.training.one_thread import one_thread
from trainer.training.rounding import rounded

Parameters = Mapping[str, Any]

LOGISTIC, FOREST, LIGHTGBM = "logistic", "random-forest", "lightgbm"
KINDS = (LOGISTIC, FOREST, LIGHTGBM)

# What --params may change, and --search draws. LightGBM's own defaults and its is_unbalance diverge on rare fraud:
# small steps and large leaves do not. First tried on one world, then held against others by average precision on
# VALIDATION alone: `cards` with 300,000 rows (seeds 11, 12, 13) and `trustlens` with 200,000 (11, 12). All of it is
# printed by `python -m bench.defaults`.
#   lightgbm, 15 settings. A share of the columns for each tree and some shrinking of leaves (0.6 and 5), because many
#     features say nearly the same (a count of 7 and of 30 days): 0.695, 0.694, 0.609 on `cards`, and 0.670, 0.686,
#     0.608 with all columns and no shrinking; on `trustlens` 0.058, 0.056 and 0.058, 0.052. Half the step with twice
#     the trees gave 0.683, 0.705, 0.618 on `cards`: no more than chance may do, for twice the time of every score.
#   forest, least leaves of 1, 5 and 50: 0.626, 0.627 and 0.586 in the mean on `cards`, 0.054, 0.054 and 0.056 on
#     `trustlens`. 5 is as good as 1 where it matters, in fewer nodes.
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

# What each may be: the least and the most, both allowed. What has no sense beyond is left to the library.
TINY, HUGE = 1e-12, 1e9
RANGES: dict[str, dict[str, tuple[float, float]]] = {
    LOGISTIC: {"C": (TINY, HUGE), "max_iter": (1, 1_000_000)},
    FOREST: {
        "n_estimators": (1, 10_000),
        "max_depth": (1, 1000),
        "min_samples_leaf": (1, HUGE),
        "max_features": (TINY, 1),
        "max_samples": (1, HUGE),
    },
    LIGHTGBM: {
        "n_estimators": (1, 10_000),
        "learning_rate": (TINY, 10),
        "num_leaves": (2, 131_072),
        "min_child_samples": (0, HUGE),
        "max_depth": (-1, 1000),
        "colsample_bytree": (TINY, 1),
        "subsample": (TINY, 1),
        "subsample_freq": (0, HUGE),
        "reg_alpha": (0, HUGE),
        "reg_lambda": (0, HUGE),
        "min_split_gain": (0, HUGE),
    },
}

# Of the logistic regression. What lies beyond depends on how wide the processor's vectors are (differences of 7e-12
# were measured), and one that straddled a float32 would be another bundle. The rounded model is the one that is judged.
COEFFICIENT_DIGITS = 6

# The forest's trees are the same whichever thread grows them; the other two use one thread, for the sake of their bits.
FOREST_THREADS = 2


def fitted(
    kind: str, parameters: Parameters, values: Array, is_fraud: Array, categories: Sequence[int], *,
    weighted: bool, seed: int,
) -> ClassifierMixin:  # fmt: skip
    """The model, fitted on prepared float32 rows. `categories` are the columns that hold codes."""
    estimator = _estimator(kind, parameters, values.shape, categories, weighted=weighted, seed=seed)
    try:
        with one_thread():
            estimator.fit(values, is_fraud.astype(np.int64))
    except (ValueError, LightGBMError) as error:
        said = ", ".join(f"{name} = {value!r}" for name, value in parameters.items())
        raise OptionError(
            f"[{kind}]: got {said}, which the library refuses ({error}); expected values that it takes. Change "
            "them with --params."
        ) from error
    if kind == LOGISTIC:
        regression = estimator[-1]
        regression.coef_ = rounded(regression.coef_[0], COEFFICIENT_DIGITS)[None, :]
        regression.intercept_ = rounded(regression.intercept_, COEFFICIENT_DIGITS)
    return estimator


def own_scores(estimator: ClassifierMixin, values: Array) -> Array:
    """What the trained model itself says: to check the served one against, never to judge by."""
    with one_thread():
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
