"""Thresholds: the least cost, found again by trying each of them."""

from typing import Any

import numpy as np
import pytest

from evaluation.ranking import Predictions
from risk.clock import DAY
from tests.training_rows import made_matrix
from trainer.calibrate import thresholds_of
from trainer.evaluate import Sample, candidates_of, evaluate
from trainer.families.parameters import read_parameters
from trainer.fit import Served, Session
from trainer.preprocess import learn
from trainer.printing import Stages
from trainer.report.page import model_card, page
from trainer.splits import Part, parts_by_time, split_days
from trainer.train_options import Plan

COUNT, DAYS = 60, 5


def small(seed: int) -> Predictions:
    dice = np.random.default_rng(seed)
    raw = np.round(dice.random(COUNT), 2)
    return Predictions(
        event_times=np.sort(dice.integers(0, DAYS * DAY, COUNT)),
        customers=dice.integers(0, 8, COUNT),
        merchants=np.full(COUNT, -1, np.int64),
        amounts=np.where(dice.random(COUNT) < 0.1, np.nan, np.round(dice.exponential(40, COUNT), 2)),
        is_fraud=dice.random(COUNT) < 0.1 + 0.5 * raw,
        kinds=None,
        scores=raw,
        raw=raw,
        days=DAYS,
    )


def worked(predictions: Predictions, threshold: float) -> tuple[int, float]:
    """Alerts, and what is lost, transaction by transaction: an alert stops what its customer does that day after it."""
    alerted: set[tuple[int, int]] = set()
    lost = 0.0
    for row in range(len(predictions.scores)):
        day = (int(predictions.customers[row]), int(predictions.event_times[row]) // DAY)
        if predictions.scores[row] >= threshold:
            alerted.add(day)
        if predictions.is_fraud[row] and day not in alerted:
            lost += 0.0 if np.isnan(predictions.amounts[row]) else float(predictions.amounts[row])
    return len(alerted), lost


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("review_cost", "cap"), [(5.0, None), (20.0, None), (1.0, 2.0), (1.0, 0.2), (500.0, None)])
def test_high_costs_least_of_all_thresholds_within_the_cap(seed: int, review_cost: float, cap: float | None) -> None:
    predictions = small(seed)
    thresholds = thresholds_of(predictions, review_cost=review_cost, loss_rate=0.8, alerts_per_day=cap)

    def cost(threshold: float) -> float:
        alerts, lost = worked(predictions, threshold)
        return np.inf if cap is not None and alerts > cap * DAYS else alerts * review_cost + 0.8 * lost

    least = min(cost(threshold) for threshold in [*predictions.scores.tolist(), 2.0])
    assert cost(thresholds.high) == pytest.approx(least)
    assert (thresholds.review_cost, thresholds.loss_rate, thresholds.alerts_per_day) == (review_cost, 0.8, cap)


@pytest.mark.parametrize("seed", range(8))
def test_medium_begins_where_there_are_three_times_the_high_alerts(seed: int) -> None:
    predictions = small(seed)
    thresholds = thresholds_of(predictions, review_cost=1.0, loss_rate=1.0, alerts_per_day=1.0)
    alerts = worked(predictions, thresholds.high)[0]
    lower = [score for score in predictions.scores.tolist() if score < thresholds.medium]
    assert alerts > 0
    assert thresholds.medium < thresholds.high
    assert worked(predictions, thresholds.medium)[0] <= 3 * alerts
    assert worked(predictions, max(lower))[0] > 3 * alerts


@pytest.mark.parametrize("seed", range(4))
def test_the_cap_counts_the_cases_of_what_has_no_label_too(seed: int) -> None:
    """Which save nothing that is known, and take a review each."""
    whole = small(seed)
    is_labelled = whole.event_times >= 2 * DAY
    labelled = Predictions(*(each[is_labelled] if isinstance(each, np.ndarray) else each for each in whole))
    labelled = labelled._replace(days=DAYS - 2)
    asked = {"review_cost": 0.1, "loss_rate": 1.0, "alerts_per_day": 3.0}
    thresholds = thresholds_of(labelled, **asked, work=whole)
    assert 0 < worked(whole, thresholds.high)[0] <= 3 * DAYS
    allowed = [score for score in labelled.scores.tolist() if worked(whole, score)[0] <= 3 * DAYS]
    best = min(worked_cost(labelled, score, 0.1) for score in allowed)
    assert worked_cost(labelled, thresholds.high, 0.1) == pytest.approx(best)


def test_a_training_keeps_the_cap_with_what_has_no_label_and_says_how_many_cases_there_are() -> None:
    """Two of three transactions have no label; each customer has one, so a case is one transaction."""
    count, days, cap = 6000, 60, 4.0
    dice = np.random.default_rng(1)
    times, amounts = np.arange(count) * (days * DAY // count), dice.exponential(50, count)
    is_fraud = dice.random(count) < np.minimum(amounts / 400, 0.9)
    known = np.where(np.arange(count) % 3 == 0, is_fraud, -1)
    matrix = made_matrix(times, known, times + 1, amounts=amounts)
    parts = parts_by_time(matrix, split_days(*matrix.days, 3), 3)
    plan = Plan(("logistic",), read_parameters(None, ["logistic"]), "none", 0, 0.01, 1.0, cap, 1, resamples=20)
    session = Session(matrix, parts, learn(matrix, parts.fit.rows), plan, Stages())
    (model,) = session.fit_all()
    high = model.calibrated.thresholds.high

    def cases_a_day(part: Part) -> float:
        rows = np.concatenate([part.rows, part.unlabelled])
        scores = model.calibrated.calibration.apply(
            model.fit.raw_scores(session.matrix.prepared(session.preparation, rows))
        )
        return float((scores >= high).sum()) / part.days

    assert cap / 2 < cases_a_day(parts.validation) <= cap
    served = Served(session, model)
    candidates = candidates_of(session, [model], model, served)
    evaluation = evaluate(session, candidates, Sample(matrix, parts.test, None), with_measures=False).evaluation
    assert evaluation.cases_per_day_of_all == pytest.approx(cases_a_day(parts.test))
    assert evaluation.winner.money.alerts_per_day.value < cap / 2
    said = f"figure here looks at them. With them the model raises {cases_a_day(parts.test):.1f} cases a day"
    assert said in " ".join(page(evaluation, {}, []).split())
    assert said in model_card(evaluation, {})


def worked_cost(predictions: Predictions, threshold: float, review_cost: float) -> float:
    alerts, lost = worked(predictions, threshold)
    return alerts * review_cost + lost


@pytest.mark.parametrize("changed", [{"is_fraud": np.zeros(COUNT, bool)}, {"amounts": np.full(COUNT, np.nan)}])
def test_where_nothing_can_be_saved_nothing_is_flagged(changed: dict[str, Any]) -> None:
    predictions = small(1)._replace(**changed)
    thresholds = thresholds_of(predictions, review_cost=5.0, loss_rate=1.0, alerts_per_day=None)
    assert thresholds.medium > 1
    assert thresholds.high > 1


def test_a_cap_of_none_flags_nothing_whatever_score_comes_later() -> None:
    """Just above what validation saw, the next transaction might reach it; and medium is no way around the cap."""
    thresholds = thresholds_of(small(1), review_cost=1.0, loss_rate=1.0, alerts_per_day=0.0)
    assert min(thresholds.medium, thresholds.high) > 1
