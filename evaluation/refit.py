"""What became of a champion that was fitted again: whether the calibration and the thresholds of its first fit fit it.

Both were chosen on rows that the served model has learned from since, so they cannot be chosen anew. The test shows
whether they carry over. Beside it stands the first fit, on the same rows: where that is no better, the period is to
blame, and not the refit.
"""

import math

import numpy as np

from evaluation.ranking import Predictions
from evaluation.result import ModelEvaluation, Refit

MOST_APART = 1.25  # as a ratio, either way: what is closer is no drift
LUCK = 2  # standard deviations of a count; what lies within them is no drift either


def refit_of(served: Predictions, evaluated: ModelEvaluation, first: Predictions, first_fit: ModelEvaluation) -> Refit:
    expected, first_expected = float(served.scores.sum()), float(first.scores.sum())
    frauds, cases, first_cases = int(served.is_fraud.sum()), evaluated.money.alerts, first_fit.money.alerts
    drifted = []
    if has_drifted(expected, frauds, _luck(served)):
        drifted.append(
            f"calibration: the served scores promise {expected:,.0f} frauds in the test, and there were {frauds:,}; "
            f"those of the first fit promise {first_expected:,.0f}"
        )
    if has_drifted(cases, first_cases):
        drifted.append(
            f"thresholds: the served model raises {cases:,} cases in the test, and the first fit, for which they were "
            f"chosen, {first_cases:,}"
        )
    return Refit(first_fit, expected, first_expected, tuple(drifted))


def has_drifted(found: float, wanted: float, luck: float = 0.0) -> bool:
    """Further apart than a quarter, and than luck makes a count, or than its own deviation where that is larger."""
    is_apart = max(found, wanted) > MOST_APART * min(found, wanted)
    return is_apart and abs(found - wanted) > LUCK * max(luck, math.sqrt(max(wanted, 1)))


def _luck(served: Predictions) -> float:
    """The standard deviation of the number of frauds about the promised one: those of a customer come in bursts."""
    _, who = np.unique(served.customers, return_inverse=True)
    beyond = np.bincount(who, weights=served.scores - served.is_fraud)
    return math.sqrt(float((beyond**2).sum()))
