"""From raw scores to probabilities: a beta calibration, fitted on validation and laid down as a table.

The curve is logistic in log s and -log(1 - s), with both coefficients held at 0 or above, so that it never falls. With
few frauds one coefficient has to do (Platt's, on the logit). The table follows it at quantiles of the scores, more
closely at the top, where thresholds are chosen, and reaches from 0 to 1: beyond what validation saw it rises on.
"""

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from risk.calibration import Calibration

Array = np.ndarray[Any, Any]

FEW_FRAUDS = 100
LEAST_RAW = 1e-7  # logarithms stop here; a forest may say 0 or 1
WEAK_PENALTY = 1e3  # as sklearn's C: keeps the curve finite where validation is separated perfectly
OWN_SHARE = 1e-6  # of the raw score itself in the probability: what holds flat stretches strictly rising

_MOST = np.linspace(0.0, 0.95, 96)
_TOP = 1 - 0.05 * np.linspace(1, 0, 101)
_TAIL = 1 - 0.05 * 0.5 ** np.arange(1, 13)
_ENDS = 1 / (1 + np.exp(-np.linspace(-16, 16, 33)))


def calibration_of(raw: Array, is_fraud: Array) -> Calibration:
    """The table that leads from this model's raw scores to probabilities."""
    inputs_of = _logits if has_few_frauds(is_fraud) else _inputs
    coefficients, intercept = _fitted(inputs_of(raw), is_fraud)
    knots = _knots(raw)
    curve = inputs_of(knots) @ coefficients + intercept
    probability = (1 - OWN_SHARE) / (1 + np.exp(-curve)) + OWN_SHARE * knots
    # Beyond where the logarithms stop the curve is flat; the table goes half of what is left.
    probability[0], probability[-1] = probability[1] / 2, (1 + probability[-2]) / 2
    rising = _rising(probability)
    return Calibration(tuple(knots[rising].tolist()), tuple(probability[rising].tolist()))


def has_few_frauds(is_fraud: Array) -> bool:
    return int(is_fraud.sum()) < FEW_FRAUDS


def _clipped(raw: Array) -> Array:
    return np.clip(raw, LEAST_RAW, 1 - LEAST_RAW)


def _inputs(raw: Array) -> Array:
    inside = _clipped(raw)
    return np.column_stack([np.log(inside), -np.log1p(-inside)])


def _logits(raw: Array) -> Array:
    return np.sum(_inputs(raw), axis=1, keepdims=True)


def _fitted(inputs: Array, is_fraud: Array) -> tuple[Array, float]:
    """Coefficients at or above 0: a column whose own would be negative is left out."""
    used = list(range(inputs.shape[1]))
    while used:
        with threadpool_limits(1):
            model = LogisticRegression(C=WEAK_PENALTY, solver="newton-cholesky", max_iter=100)
            model.fit(inputs[:, used], is_fraud)
        if (model.coef_[0] >= 0).all():
            coefficients = np.zeros(inputs.shape[1])
            coefficients[used] = model.coef_[0]
            return coefficients, float(model.intercept_[0])
        used.pop(int(np.argmin(model.coef_[0])))
    share = is_fraud.mean()  # the scores rank worse than chance: every one means the average
    return np.zeros(inputs.shape[1]), float(np.log(share / (1 - share)))


def _knots(raw: Array) -> Array:
    quantiles = np.quantile(raw, np.concatenate([_MOST, _TOP, _TAIL]))
    inside = np.unique(_clipped(np.concatenate([[LEAST_RAW, 1 - LEAST_RAW], quantiles, _ENDS])))
    return np.concatenate([[0.0], inside, [1.0]])


def _rising(probability: Array) -> Array:
    """Knots that rise above all before them; both ends always stay."""
    before = np.concatenate([[-np.inf], np.maximum.accumulate(probability)[:-1]])
    rising = (probability > before) & (probability < probability[-1])
    rising[-1] = True
    return rising
