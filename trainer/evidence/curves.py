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
    low: Array  # Wilson's 95 % interval of the share
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


def calibration(scores: Array, is_fraud: Array, bins: int = BINS) -> Calibration:
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
    middle = (share + Z * Z / (2 * rows)) / (1 + Z * Z / rows)
    half = Z * np.sqrt(share * (1 - share) / rows + Z * Z / (4 * rows * rows)) / (1 + Z * Z / rows)
    return Calibration(np.add.reduceat(scores[order], starts) / rows, share, middle - half, middle + half, rows)


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
