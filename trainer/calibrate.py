"""From raw scores to probabilities and thresholds: a beta calibration, fitted on validation and written as a table.

The curve is logistic in log s and -log(1 - s), with both coefficients held at 0 or above, so that it never falls. With
few frauds one coefficient has to do (Platt's, on the logit). The table follows it at quantiles of the scores, more
closely at the top, where thresholds are chosen, and reaches from 0 to 1: beyond what validation saw it rises on.

The last bits of logarithms, exponentials and fitted coefficients depend on how wide the processor's vectors are. So all
are rounded here, before they become a table and thresholds: the same bundle must come out on every machine.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression

from evaluation.money import NO_SCORE, Accounting
from evaluation.ranking import Predictions
from risk.bundle import Calibration, Thresholds
from risk.codes import Array
from risk.words import counted
from trainer.matrix import Matrix
from trainer.reproducible import one_thread, rounded
from trainer.splits import Part
from trainer.train_options import Plan

FEW_FRAUDS = 100
LEAST_RAW = 1e-7  # logarithms stop here; a forest may say 0 or 1
WEAK_PENALTY = 1e3  # as sklearn's C: keeps the curve finite where validation is separated perfectly
OWN_SHARE = 1e-6  # of the raw score itself in the probability: what holds flat stretches strictly rising

_MOST = np.linspace(0.0, 0.95, 96)
_TOP = 1 - 0.05 * np.linspace(1, 0, 101)
_TAIL = 1 - 0.05 * 0.5 ** np.arange(1, 13)
_ENDS = [1 / (1 + math.exp(-odds)) for odds in range(-16, 17)]
DIGITS = 12  # of knots and probabilities: more than a float32 score has
COEFFICIENT_DIGITS = 9


class Calibrated(NamedTuple):
    """What validation says of a way to score."""

    calibration: Calibration
    thresholds: Thresholds
    validation: Predictions
    work: Predictions | None  # validation with what has no label, where there is any


def calibrate(matrix: Matrix, validation: Part, raw: Array, unlabelled: Array, plan: Plan) -> Calibrated:
    """`raw`: the scores of the validation rows; `unlabelled`: those of the rows of these days without a label, which
    are no evidence, and raise cases like any other."""
    calibration = calibration_of(raw, validation.is_fraud)
    predictions = predictions_of(matrix, validation, raw, calibration)
    work = work_of(matrix, validation, raw, unlabelled, calibration)
    thresholds = thresholds_of(
        predictions,
        review_cost=plan.review_cost,
        loss_rate=plan.loss_rate,
        alerts_per_day=plan.alerts_per_day,
        work=work,
    )
    return Calibrated(calibration, thresholds, predictions, work)


def work_of(matrix: Matrix, part: Part, raw: Array, unlabelled: Array, calibration: Calibration) -> Predictions | None:
    """All transactions of the period, for the number of cases; None where all have a label."""
    if not len(part.unlabelled):
        return None
    days = part.days if part.period is None else part.period.days
    rows = np.concatenate([part.rows, part.unlabelled])
    order = np.argsort(rows)
    is_fraud = np.concatenate([part.is_fraud, np.zeros(len(part.unlabelled), bool)])
    every = Part(rows[order], is_fraud[order], days, part.period)
    return predictions_of(matrix, every, np.concatenate([raw, unlabelled])[order], calibration)


def calibration_of(raw: Array, is_fraud: Array) -> Calibration:
    """The table that leads from this model's raw scores to probabilities."""
    inputs_of = _logits if has_few_frauds(is_fraud) else _inputs
    curve = _fitted(inputs_of, raw, is_fraud)
    knots = _knots(raw)
    probability = np.array([_probability(curve(knot), knot) for knot in knots.tolist()])
    # Beyond where the logarithms stop the curve is flat; the table goes half of what is left.
    probability[0], probability[-1] = probability[1] / 2, (1 + probability[-2]) / 2
    probability = rounded(probability, DIGITS)
    rising = _rising(probability)
    return Calibration(tuple(knots[rising].tolist()), tuple(probability[rising].tolist()))


OF_FEW_FRAUDS = {
    "fit": "what models learn of them is uncertain",
    "validation": "the scores become probabilities by a simpler curve, and thresholds are uncertain",
    "test": "its figures have wide intervals",
}


def few_frauds(period: str, frauds: int) -> str | None:
    """What that spoils, in words; of a period without any it is said elsewhere."""
    if not 0 < frauds < FEW_FRAUDS:
        return None
    has = counted(frauds, "fraud", "frauds")
    return f"{period} has {has}, fewer than {FEW_FRAUDS}: {OF_FEW_FRAUDS[period]}"


def has_few_frauds(is_fraud: Array) -> bool:
    return int(is_fraud.sum()) < FEW_FRAUDS


def _clipped(raw: Array) -> Array:
    return np.clip(raw, LEAST_RAW, 1 - LEAST_RAW)


def _inputs(raw: float) -> tuple[float, ...]:
    inside = min(max(raw, LEAST_RAW), 1 - LEAST_RAW)
    return math.log(inside), -math.log1p(-inside)


def _logits(raw: float) -> tuple[float, ...]:
    return (sum(_inputs(raw)),)


def _fitted(inputs_of: Callable[[float], tuple[float, ...]], raw: Array, is_fraud: Array) -> Callable[[float], float]:
    """The curve in log odds. Coefficients at or above 0: a column whose own would be negative is left out."""
    inputs = np.array([inputs_of(score) for score in raw.tolist()])
    used = list(range(inputs.shape[1]))
    while used:
        with one_thread():
            model = LogisticRegression(C=WEAK_PENALTY, solver="newton-cholesky", max_iter=100)
            model.fit(inputs[:, used], is_fraud)
        if (model.coef_[0] >= 0).all():
            coefficients = dict(zip(used, rounded(model.coef_[0], COEFFICIENT_DIGITS).tolist(), strict=True))
            intercept = float(rounded(model.intercept_, COEFFICIENT_DIGITS)[0])
            return lambda score: intercept + sum(inputs_of(score)[column] * by for column, by in coefficients.items())
        used.pop(int(np.argmin(model.coef_[0])))
    share = float(is_fraud.mean())  # the scores rank worse than chance: every one means the average
    return lambda _: math.log(share / (1 - share))


def _probability(odds: float, knot: float) -> float:
    # Beyond 700 an exponential is no longer a float.
    return (1 - OWN_SHARE) / (1 + math.exp(min(-odds, 700.0))) + OWN_SHARE * knot


def _knots(raw: Array) -> Array:
    quantiles = np.quantile(raw, np.concatenate([_MOST, _TOP, _TAIL]))
    inside = np.unique(rounded(_clipped(np.concatenate([[LEAST_RAW, 1 - LEAST_RAW], quantiles, _ENDS])), DIGITS))
    return np.concatenate([[0.0], inside, [1.0]])


def _rising(probability: Array) -> Array:
    """Knots that rise above all before them; both ends always stay."""
    before = np.concatenate([[-np.inf], np.maximum.accumulate(probability)[:-1]])
    rising = (probability > before) & (probability < probability[-1])
    rising[-1] = True
    return np.asarray(rising)


MEDIUM_ALERTS = 3  # times the high ones


def thresholds_of(
    predictions: Predictions,
    *,
    review_cost: float,
    loss_rate: float,
    alerts_per_day: float | None,
    work: Predictions | None = None,
) -> Thresholds:
    """High where it costs least on validation, medium where there are three times the alerts. Where no alert is within
    the cap, or worth its review, both lie where no score can be: just above the highest that validation saw, the next
    transaction might reach them."""
    accounting = Accounting(predictions, review_cost=review_cost, loss_rate=loss_rate)
    high = accounting.best_threshold(
        alerts_per_day, None if work is None else Accounting(work, review_cost=review_cost, loss_rate=loss_rate)
    )
    if not accounting.at(high).alerts:
        return Thresholds(NO_SCORE, NO_SCORE, review_cost, loss_rate, alerts_per_day)
    medium = accounting.threshold_for_alerts(MEDIUM_ALERTS * accounting.at(high).alerts)
    # One step below, where no score lies between the two.
    medium = min(medium, float(np.nextafter(high, -np.inf)))
    return Thresholds(medium, high, review_cost, loss_rate, alerts_per_day)


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
