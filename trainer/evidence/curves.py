"""The points of the curves in a report: thinned where no eye could tell."""

from typing import NamedTuple

import numpy as np

from risk.codes import Array
from trainer.evidence.metrics import ratio

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


class Calibration(NamedTuple):
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


def calibration(scores: Array, is_fraud: Array, customers: Array, bins: int = BINS) -> Calibration:
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
        return Calibration(*(np.zeros(0) for _ in Calibration._fields))
    rows = np.diff(np.append(starts, len(order)))
    frauds = np.add.reduceat(is_fraud[order].astype(np.int64), starts)
    share = frauds / rows
    alone = rows / _design_effect(np.repeat(np.arange(len(rows)), rows), is_fraud[order], customers[order], share)
    middle = (share + Z * Z / (2 * alone)) / (1 + Z * Z / alone)
    half = Z * np.sqrt(share * (1 - share) / alone + Z * Z / (4 * alone * alone)) / (1 + Z * Z / alone)
    return Calibration(np.add.reduceat(scores[order], starts) / rows, share, middle - half, middle + half, rows)


def _design_effect(bins: Array, is_fraud: Array, customers: Array, share: Array) -> Array:
    """By how much whole customers vary more than rows that know nothing of each other: frauds come in bursts.

    At least that of all bins together: a bin with one burst, or none, cannot say it of itself. Drawing customers anew
    would give such a bin no width at all.
    """
    _, known = np.unique(customers, return_inverse=True)
    _, unit = np.unique(bins * (known.max(initial=0) + 1) + known, return_inverse=True)
    bin_of_unit = np.zeros(unit.max() + 1, np.int64)
    bin_of_unit[unit] = bins
    beyond = np.bincount(unit, weights=is_fraud - share[bins])
    varies = np.bincount(bin_of_unit, weights=beyond * beyond)
    alone = np.bincount(bins) * share * (1 - share)
    effect: Array = np.fmax(np.fmax(ratio(varies, alone), ratio(varies.sum(), alone.sum())), 1.0)  # NaN gives way
    return effect


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
