"""The figures of a classifier; the areas also weighted, because a bootstrap resamples by weights.

What cannot be said (a precision without alarms, an area without frauds) is NaN here and a missing figure in a report.
Values that tie stay tied: no figure depends on the order of equal scores.
"""

from copy import copy
from typing import Any, NamedTuple

import numpy as np

from risk.codes import Array


class Confusion(NamedTuple):
    """Counts at one threshold, or arrays of them, one for each resample."""

    caught: Any
    false_alarms: Any
    missed: Any
    passed: Any

    @property
    def accuracy(self) -> Any:
        return ratio(self.caught + self.passed, sum(self))

    @property
    def precision(self) -> Any:
        return ratio(self.caught, self.caught + self.false_alarms)

    @property
    def recall(self) -> Any:
        return ratio(self.caught, self.caught + self.missed)

    @property
    def f1(self) -> Any:
        return ratio(2 * self.caught, 2 * self.caught + self.false_alarms + self.missed)


class Areas(NamedTuple):
    roc_auc: float
    average_precision: float


def ratio(part: Any, whole: Any) -> Any:
    """NaN where there is nothing to take a share of."""
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole != 0)[()]


def confusion(scores: Array, is_fraud: Array, threshold: float) -> Confusion:
    flagged = scores >= threshold
    cells = (flagged & is_fraud, flagged & ~is_fraud, ~flagged & is_fraud, ~flagged & ~is_fraud)
    return Confusion(*(int(np.count_nonzero(cell)) for cell in cells))


def brier(scores: Array, is_fraud: Array) -> float:
    """Mean squared distance between the probability and what came of it."""
    return float(ratio(((scores - is_fraud) ** 2).sum(), len(scores)))


class Ranking:
    """Rows sorted by score once; the two areas for any weights after that.

    Both areas only need, at each score that a fraud has, the weight of the genuine rows below and beside it. So the
    genuine rows are summed between frauds, which are few.
    """

    def __init__(self, scores: Array, is_fraud: Array) -> None:
        frauds, genuine = np.flatnonzero(is_fraud), np.flatnonzero(~is_fraud)
        self._frauds = frauds[np.argsort(scores[frauds], kind="stable")]
        self._genuine = genuine[np.argsort(scores[genuine], kind="stable")]
        levels, self._first = np.unique(scores[self._frauds], return_index=True)
        low, high = (np.searchsorted(scores[self._genuine], levels, side) for side in ("left", "right"))
        # reduceat cannot sum an empty stretch, so it gets each boundary once and the sums are looked up.
        boundaries = np.unique(np.concatenate(([0], low, high)))
        self._starts = boundaries[boundaries < len(genuine)]
        self._low, self._high = (np.searchsorted(boundaries, place) for place in (low, high))

    def weighed_by(self, units: Array) -> "Ranking":
        """The same ranking for weights of units instead of rows: a smaller table to look weights up in."""
        other = copy(self)
        other._frauds, other._genuine = units[self._frauds], units[self._genuine]
        return other

    def areas(self, weights: Array) -> Areas:
        """Weights of whole numbers should come as int32 or int64: sums are then exact, and fast."""
        frauds = self._sums(weights[self._frauds], self._first)
        between = np.append(0, np.cumsum(self._sums(np.take(weights, self._genuine), self._starts)))
        # Where the last boundary is the end of the rows there is no stretch after it.
        below, through = between[self._low], between[self._high]
        all_frauds, all_genuine = frauds.sum(), between[-1]
        if not all_frauds > 0:
            return Areas(np.nan, np.nan)
        caught = np.cumsum(frauds[::-1])[::-1]
        precision = ratio(caught, caught + (all_genuine - below))
        present = frauds > 0
        return Areas(
            roc_auc=float(ratio((frauds * (below + through) / 2).sum(), float(all_frauds) * float(all_genuine))),
            average_precision=float((frauds[present] * precision[present]).sum() / all_frauds),
        )

    @staticmethod
    def _sums(weights: Array, starts: Array) -> Array:
        return np.add.reduceat(weights, starts) if len(starts) else np.zeros(0, weights.dtype)


def areas(scores: Array, is_fraud: Array, weights: Array | None = None) -> Areas:
    if weights is None:
        weights = np.ones(len(scores), np.int64)
    return Ranking(scores, is_fraud).areas(weights)
