"""Predictions beside what was true, in the form that the evidence is made from."""

import time

import numpy as np

from evaluation.ranking import Predictions, areas
from risk.bundle import Calibration
from risk.codes import Array
from risk.model import Model
from trainer.training.matrix import Matrix
from trainer.training.parts import Part

IMPORTANT = 12
PERMUTED_ROWS = 15_000  # of each class
TIMED_ROWS = 20_000
TIMED_BATCH = 500


def predictions_of(matrix: Matrix, part: Part, raw: Array, calibration: Calibration) -> Predictions:
    rows = part.rows
    kinds = None
    if matrix.kinds is not None:
        names = np.array([*matrix.kinds.words, ""], object)
        kinds = tuple(names[matrix.kinds.codes[rows]].tolist())
    return Predictions(
        event_times=matrix.event_times[rows],
        customers=matrix.customers[rows],
        merchants=matrix.merchants[rows],
        amounts=matrix.number("amount")[rows],
        is_fraud=part.is_fraud,
        kinds=kinds,
        scores=calibration.apply(raw),
        raw=raw,
        days=part.days,
    )


def importances(
    model: Model, names: tuple[str, ...], values: Array, is_fraud: Array, seed: int
) -> tuple[tuple[str, float], ...]:
    """How much average precision is lost when one feature's values are dealt out anew: the largest losses.

    All frauds are looked at, as far as they are few. Genuine rows are thinned, and each stands for as many as it was.
    """
    rows, weights = _sample(is_fraud)
    values, is_fraud = values[rows], is_fraud[rows]
    if not is_fraud.any():
        return ()
    whole = areas(model.raw_scores(values), is_fraud, weights).average_precision
    # Dealt out by weight: a thinned genuine row's value is as likely as those of the rows it stands for.
    dealt = np.random.default_rng(seed).choice(len(rows), len(rows), p=weights / weights.sum())
    losses = []
    for column, name in enumerate(names):
        kept = values[:, column].copy()
        values[:, column] = kept[dealt]
        losses.append((name, whole - areas(model.raw_scores(values), is_fraud, weights).average_precision))
        values[:, column] = kept
    return tuple(sorted(losses, key=lambda loss: -loss[1])[:IMPORTANT])


def _sample(is_fraud: Array) -> tuple[Array, Array]:
    """At most so many rows of each class, evenly thinned, and for how many each stands."""
    parts, weights = [], []
    for of_class in (np.flatnonzero(is_fraud), np.flatnonzero(~is_fraud)):
        step = max(1, -(-len(of_class) // PERMUTED_ROWS))
        parts.append(of_class[::step])
        weights.append(np.full(len(parts[-1]), step, np.int64))
    return np.concatenate(parts), np.concatenate(weights)


def average_precision(raw: Array, is_fraud: Array) -> float:
    return areas(raw, is_fraud).average_precision


def milliseconds_per_1000_rows(model: Model, values: Array) -> float:
    """In batches as a worker's, one thread."""
    values = values[:TIMED_ROWS]
    began = time.perf_counter()
    for first in range(0, len(values), TIMED_BATCH):
        model.raw_scores(values[first : first + TIMED_BATCH])
    return (time.perf_counter() - began) / len(values) * 1e6
