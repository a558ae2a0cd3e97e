"""Cross-validation of one model: trained anew on several pasts, each time tested on what came next."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from evaluation.ranking import areas
from risk.codes import Array
from risk.errors import TrustLensError
from trainer.training.known import known_frauds, true_frauds
from trainer.training.learned import learn
from trainer.training.matrix import Matrix
from trainer.training.parts import Part, Parts, check_parts, parts_by_time
from trainer.training.periods import VALIDATION_PERCENT, Given, day_text, split_days
from trainer.training.session import Plan, Session
from trainer.training.stages import Stages

# The first fold needs a past to learn from; the rest of the days is divided among the folds.
FIRST_PAST = 0.4
FIT, VALIDATION, TEST = range(3)


class Fold(NamedTuple):
    """One of several tests. Figures are None where they cannot be said; `note` says why there is none at all."""

    name: str
    transactions: int | None
    frauds: int | None
    average_precision: float | None
    roc_auc: float | None
    note: str | None


def folds_in_time(matrix: Matrix, plan: Plan, delay: int, count: int, path: object) -> list[Fold]:
    """Each learns from everything up to the label delay before its test, as a training then would have."""
    first, last = matrix.days
    until = last + 1
    cuts = np.unique(np.linspace(first + FIRST_PAST * (until - first), until, count + 1).round().astype(int)).tolist()
    found = []
    for begin, end in pairwise(cuts):
        name = f"{day_text(begin)} to {day_text(end - 1)}"
        try:
            periods = split_days(*matrix.days, delay, Given(None, begin - delay), Given(begin, end))
            parts = parts_by_time(matrix, periods)
            check_parts(parts, path)
        except TrustLensError as error:
            found.append(Fold(name, None, None, None, None, str(error)))
        else:
            found.append(_fold(name, matrix, parts, plan))
    return found


def folds_at_random(matrix: Matrix, plan: Plan, count: int, path: object) -> list[Fold]:
    """Every row is tested once; each fold has as many frauds as the others, give or take one."""
    found = []
    for place, drawn in enumerate(drawn_folds(matrix, plan.seed, count)):
        fit, validation, test = drawn
        parts = Parts(
            Part(fit, known_frauds(matrix, fit, None), 1, None),
            Part(validation, known_frauds(matrix, validation, None), 1, None),
            Part(test, true_frauds(matrix, test), 1, None),
        )
        name = f"fold {place + 1} of {count}"
        try:
            check_parts(parts, path)
        except TrustLensError as error:
            found.append(Fold(name, None, None, None, None, str(error)))
        else:
            found.append(_fold(name, matrix, parts, plan))
    return found


def drawn_folds(matrix: Matrix, seed: int, count: int) -> Iterator[tuple[Array, Array, Array]]:
    """For each fold the rows of fit, validation and test, with the same share of each class."""
    rows = np.flatnonzero(matrix.is_fraud >= 0)
    dice, frauds = np.random.default_rng(seed), true_frauds(matrix, rows)
    orders = [dice.permutation(np.flatnonzero(of_class)) for of_class in (frauds, ~frauds)]
    for place in range(count):
        chosen = np.empty(len(rows), np.int8)
        for order in orders:
            is_test = np.arange(len(order)) % count == place
            rest = order[~is_test]
            share = (np.arange(len(rest)) + 0.5) / max(len(rest), 1)
            chosen[order[is_test]] = TEST
            chosen[rest] = np.where(share < 1 - VALIDATION_PERCENT / 100, FIT, VALIDATION)
        yield rows[chosen == FIT], rows[chosen == VALIDATION], rows[chosen == TEST]


def _fold(name: str, matrix: Matrix, parts: Parts, plan: Plan) -> Fold:
    session = Session(matrix, parts, learn(matrix, parts.fit.rows), plan, Stages())
    (trained,) = session.fit_all()
    raw, truth = trained.model.raw_scores(session.prepared(parts.test)), parts.test.is_fraud
    found = areas(raw, truth)
    return Fold(name, len(truth), int(truth.sum()), _said(found.average_precision), _said(found.roc_auc), None)


def _said(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
