"""Gain and lift: what share of the frauds, and of their amount, lies in the highest scores."""

import numpy as np

from evaluation.ranking import Predictions, ratio
from evaluation.result import GainRow
from risk.codes import Array

# Tenths; the first is divided, because that is where rare frauds lie.
CUTS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def gain_rows(test: Predictions) -> tuple[GainRow, ...]:
    """From the highest score down, in slices that end at the cuts. Equal scores stay in one slice, so that a slice may
    end further down than its cut, and some may be missing; where there is no fraud there is nothing to say."""
    if not test.is_fraud.any():
        return ()
    order = np.argsort(-test.scores, kind="stable")
    scores, is_fraud = test.scores[order], test.is_fraud[order]
    ends = ends_of_slices(scores)
    starts = np.concatenate(([0], ends[:-1]))
    values = np.cumsum(np.where(is_fraud, np.nan_to_num(test.amounts[order]), 0.0))
    frauds = np.add.reduceat(is_fraud.astype(np.int64), starts)
    rows, caught = ends - starts, np.cumsum(frauds)
    share = caught[-1] / len(scores)
    value = ratio(values[ends - 1], values[-1])
    return tuple(
        GainRow(
            down_to=float(ends[place] / len(scores)),
            transactions=int(rows[place]),
            frauds=int(frauds[place]),
            lowest_score=float(scores[ends[place] - 1]),
            frauds_so_far=float(caught[place] / caught[-1]),
            value_so_far=None if np.isnan(value[place]) else float(value[place]),
            lift=float(frauds[place] / rows[place] / share),
            lift_so_far=float(caught[place] / ends[place] / share),
        )
        for place in range(len(ends))
    )


def ends_of_slices(scores: Array) -> Array:
    """Where each slice of descending scores ends, moved down to the end of equal scores."""
    wanted = np.ceil(len(scores) * np.array(CUTS)).astype(np.int64)
    return np.unique(np.searchsorted(-scores, -scores[wanted - 1], side="right"))


def gain_curves(test: Predictions) -> tuple[Array, Array, Array]:
    """Shares of the transactions, from the highest score down; of the frauds in them; of these frauds' amount."""
    order = np.argsort(-test.scores, kind="stable")
    scores, is_fraud = test.scores[order], test.is_fraud[order]
    ends = np.flatnonzero(np.diff(scores, append=-np.inf))
    places = np.unique(ends[np.searchsorted(ends, np.geomspace(1, len(scores), 500).astype(np.int64) - 1)])
    caught = np.cumsum(is_fraud)[places]
    values = np.cumsum(np.where(is_fraud, np.nan_to_num(test.amounts[order]), 0.0))
    return (places + 1) / len(scores), ratio(caught, is_fraud.sum()), ratio(values[places], values[-1])
