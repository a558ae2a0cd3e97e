"""Predictions beside what was true, and how well they rank: figures of a classifier, and the points of its curves.

The two areas are also weighted, because a bootstrap resamples by weights.
What cannot be said (a precision without alarms, an area without frauds) is NaN here and a missing figure in a report.
Values that tie stay tied: no figure depends on the order of equal scores.
"""

from copy import copy
from typing import Any, NamedTuple

import numpy as np

from risk.codes import Array

NO_MERCHANT = -1
DRAWN_BYTES = 2**21  # of each table of several draws: as many of them as stay near the processor


class Predictions(NamedTuple):
    """Rows in event-time order, every array of the same length."""

    event_times: Array  # int64, milliseconds UTC
    customers: Array  # int64 codes, equal for equal customers
    merchants: Array  # int64 codes; -1 where there is none
    amounts: Array  # float64, major units; NaN where missing, which counts as 0 in money
    is_fraud: Array  # bool: the truth in a test; what was known then in fit and validation
    kinds: tuple[str, ...] | None  # the fraud kind of each row, "" for none; None where the data has no such column
    scores: Array  # float64, calibrated probabilities
    raw: Array  # float64, the model's own
    days: int  # length of the period in UTC days, for figures per day


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
        [found] = self._areas(weights[None], self._sums(np.take(weights, self._genuine)[None], self._starts))
        return found

    def areas_of_draws(self, copies: Array, drawn_bytes: int = DRAWN_BYTES) -> list[Areas]:
        """For the copies of each draw, int32. The genuine rows are gone through once for many draws and not for each,
        which takes a fifth of the time; the sums are of whole numbers, so that their order is all the same."""
        # The compiler takes half a second of a start, and not everybody who imports this draws: the reporter does not.
        from evaluation.stretches import add_stretches

        found: list[Areas] = []
        at_once = max(1, drawn_bytes // (8 * (len(self._starts) + len(self._frauds) + 1)))
        ends = np.append(self._starts[1:], len(self._genuine))
        for first in range(0, len(copies), at_once):
            some = copies[first : first + at_once]
            sums = np.zeros((len(self._starts), len(some)), np.int64)
            add_stretches(self._genuine, self._starts, ends, np.ascontiguousarray(some.T), sums)
            found += self._areas(some, np.ascontiguousarray(sums.T))
        return found

    def _areas(self, weights: Array, genuine: Array) -> list[Areas]:
        """A row for each draw. `genuine`: the weights of the genuine rows of each stretch, added up."""
        frauds = self._sums(weights[:, self._frauds], self._first)
        between = np.zeros((len(genuine), genuine.shape[1] + 1), genuine.dtype)
        np.cumsum(genuine, axis=1, out=between[:, 1:])
        # Where the last boundary is the end of the rows there is no stretch after it.
        below, through = between[:, self._low], between[:, self._high]
        all_frauds, all_genuine = frauds.sum(axis=1), between[:, -1]
        caught = np.cumsum(frauds[:, ::-1], axis=1)[:, ::-1]
        precision = ratio(caught, caught + (all_genuine[:, None] - below))
        won = (frauds * (below + through) / 2).sum(axis=1)
        roc_auc = ratio(won, all_frauds.astype(float) * all_genuine.astype(float))
        found = []
        for draw, total in enumerate(all_frauds):
            if not total > 0:
                found.append(Areas(np.nan, np.nan))
                continue
            present = frauds[draw] > 0
            average = float((frauds[draw, present] * precision[draw, present]).sum() / total)
            found.append(Areas(float(roc_auc[draw]), average))
        return found

    @staticmethod
    def _sums(weights: Array, starts: Array) -> Array:
        return np.add.reduceat(weights, starts, axis=1) if len(starts) else np.zeros((len(weights), 0), weights.dtype)


def areas(scores: Array, is_fraud: Array, weights: Array | None = None) -> Areas:
    if weights is None:
        weights = np.ones(len(scores), np.int64)
    return Ranking(scores, is_fraud).areas(weights)


POINTS = 500
BINS = 12
FEWEST_EXPECTED = 5.0  # frauds a bin must expect; with fewer its share of frauds says nothing
Z = 1.959963984540054  # the normal quantile of a 95 % interval


class RocCurve(NamedTuple):
    false_positive_rate: Array
    recall: Array


class PrecisionRecall(NamedTuple):
    recall: Array
    precision: Array


class CalibrationCurve(NamedTuple):
    """Rows in bins of about equally many expected frauds, by ascending score."""

    predicted: Array  # mean score of each bin
    observed: Array  # its share of frauds
    low: Array  # Wilson's 95 % interval of the share, as wide as whole customers make it
    high: Array
    rows: Array


def roc_curve(scores: Array, is_fraud: Array) -> RocCurve:
    caught, flagged = _from_the_top(scores, is_fraud)
    genuine = flagged - caught
    places = _thinned(ratio(caught, caught[-1]) + ratio(genuine, genuine[-1]))
    return RocCurve(ratio(genuine, genuine[-1])[places], ratio(caught, caught[-1])[places])


def precision_recall(scores: Array, is_fraud: Array) -> PrecisionRecall:
    caught, flagged = (counts[1:] for counts in _from_the_top(scores, is_fraud))
    recall = ratio(caught, caught[-1]) if len(caught) else np.zeros(0)
    places = _thinned(recall)
    return PrecisionRecall(recall[places], ratio(caught, flagged)[places])


def calibration(scores: Array, is_fraud: Array, customers: Array, bins: int = BINS) -> CalibrationCurve:
    order = np.argsort(scores, kind="stable")
    expected = np.cumsum(scores[order])
    total = expected[-1] if len(expected) else 0.0
    bins = int(min(bins, max(1, total // FEWEST_EXPECTED)))
    cuts = np.searchsorted(expected, total * np.arange(1, bins) / bins)
    # Equal scores stay in one bin.
    cuts = np.searchsorted(scores[order], scores[order][np.minimum(cuts, len(order) - 1)]) if len(order) else cuts
    starts = np.unique(np.concatenate(([0], cuts)))
    starts = starts[starts < len(order)]
    if not len(starts):
        return CalibrationCurve(*(np.zeros(0) for _ in CalibrationCurve._fields))
    rows = np.diff(np.append(starts, len(order)))
    bins_of_rows = np.repeat(np.arange(len(rows)), rows)
    observed = shares_of_groups(bins_of_rows, len(rows), is_fraud[order], customers[order])
    return CalibrationCurve(np.add.reduceat(scores[order], starts) / rows, observed.value, observed.low, observed.high,
                            rows)  # fmt: skip


class Shares(NamedTuple):
    """For each group the share of its rows that hit, and Wilson's 95 % interval of it; NaN where it has no row."""

    value: Array
    low: Array
    high: Array
    rows: Array


def shares_of_groups(groups: Array, count: int, hits: Array, customers: Array) -> Shares:
    """As wide as whole customers make them. Drawing customers anew, as a bootstrap does, would give no width to a group
    in which all rows hit, or none."""
    rows = np.bincount(groups, minlength=count)
    share = ratio(np.bincount(groups, weights=hits, minlength=count), rows)
    effect, few = _design_effect(groups, count, hits, customers, share)
    alone = rows / (effect * few)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (share + Z * Z / (2 * alone)) / (1 + Z * Z / alone)
        half = Z * np.sqrt(share * (1 - share) / alone + Z * Z / (4 * alone * alone)) / (1 + Z * Z / alone)
    return Shares(share, np.maximum(middle - half, 0), np.minimum(middle + half, 1), rows)


def _design_effect(groups: Array, count: int, hits: Array, customers: Array, share: Array) -> tuple[Array, Array]:
    """By how much whole customers vary more than rows that know nothing of each other: frauds come in bursts. And by
    how much wider an interval must be for so few customers as tell it (Korn and Graham 1998, for surveys).

    At least that of all groups together: a group with one burst, or none, cannot say it of itself.
    """
    _, known = np.unique(customers, return_inverse=True)
    units, unit = np.unique(groups * (known.max(initial=0) + 1) + known, return_inverse=True)
    groups_of_units = units // (known.max(initial=0) + 1)
    others = np.maximum(np.bincount(groups_of_units, minlength=count) - 1, 0)  # degrees of freedom
    beyond = np.bincount(unit, weights=hits - share[groups], minlength=len(units))
    varies = np.bincount(groups_of_units, weights=beyond * beyond, minlength=count)
    alone = np.bincount(groups, minlength=count) * np.nan_to_num(share) * (1 - np.nan_to_num(share))
    own = ratio(varies * (others + 1), alone * others)
    effect: Array = np.fmax(np.fmax(own, ratio(varies.sum(), alone.sum())), 1.0)  # NaN gives way
    return effect, (_students(others) / Z) ** 2


def _students(freedom: Array) -> Array:
    """Student's quantile of a 95 % interval, by the expansion of Cornish and Fisher: within 1 % from 3 degrees of
    freedom on. One customer alone tells nothing of others."""
    z, per = Z, 1 / np.maximum(freedom, 1)
    said = z + (z**3 + z) / 4 * per + (5 * z**5 + 16 * z**3 + 3 * z) / 96 * per**2
    said += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384 * per**3
    return np.where(freedom > 0, said, 1e6)


def _from_the_top(scores: Array, is_fraud: Array) -> tuple[Array, Array]:
    """Frauds and rows at or above each score that occurs, from the highest down, starting with none."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=-np.inf)) if len(order) else np.zeros(0, np.int64)
    caught = np.cumsum(is_fraud[order])[ends]
    return np.append(0, caught), np.append(0, ends + 1)


def _thinned(progress: Array) -> Array:
    """Places at about even steps of what only grows; the first and the last always."""
    if len(progress) <= POINTS or np.isnan(progress).any():
        return np.arange(len(progress))
    steps = np.linspace(progress[0], progress[-1], POINTS)
    return np.unique(np.append(np.searchsorted(progress, steps), len(progress) - 1))
