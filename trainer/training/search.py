"""--search: hyper-parameters drawn at random; validation says which are kept."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from trainer.training.estimators import FOREST, LIGHTGBM, LOGISTIC


def draws(kind: str, base: Mapping[str, Any], number: int, seed: int) -> Iterator[dict[str, Any]]:
    """What was asked for first, then so many others."""
    yield dict(base)
    dice = np.random.default_rng([seed, sorted(_DRAWN).index(kind)])
    for _ in range(number):
        yield {**base, **_DRAWN[kind](dice)}


def _logistic(dice: np.random.Generator) -> dict[str, Any]:
    return {"C": _between(dice, 1e-3, 1e2)}


def _forest(dice: np.random.Generator) -> dict[str, Any]:
    return {
        "max_depth": int(dice.integers(5, 13)),
        "min_samples_leaf": round(_between(dice, 1, 50)),
        "max_features": float(dice.uniform(0.1, 0.5)),
    }


def _lightgbm(dice: np.random.Generator) -> dict[str, Any]:
    return {
        "n_estimators": int(dice.integers(100, 401)),
        "learning_rate": _between(dice, 0.02, 0.1),
        "num_leaves": round(_between(dice, 7, 63)),
        "min_child_samples": round(_between(dice, 20, 500)),
        "colsample_bytree": float(dice.uniform(0.4, 1.0)),
        "reg_lambda": _between(dice, 1e-3, 10.0),
    }


_DRAWN = {LOGISTIC: _logistic, FOREST: _forest, LIGHTGBM: _lightgbm}


def _between(dice: np.random.Generator, low: float, high: float) -> float:
    """Even on a logarithmic scale."""
    drawn = math.exp(dice.uniform(math.log(low), math.log(high)))
    return float(f"{drawn:.6g}")  # the last bits of exp depend on the processor
