"""Thresholds: the least cost, found again by trying each of them."""

from typing import Any

import numpy as np
import pytest

from evaluation.ranking import Predictions
from risk.clock import DAY
from trainer.training.thresholds import chosen

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
    for row in range(COUNT):
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
    thresholds = chosen(predictions, review_cost=review_cost, loss_rate=0.8, alerts_per_day=cap)

    def cost(threshold: float) -> float:
        alerts, lost = worked(predictions, threshold)
        return np.inf if cap is not None and alerts > cap * DAYS else alerts * review_cost + 0.8 * lost

    least = min(cost(threshold) for threshold in [*predictions.scores.tolist(), 2.0])
    assert cost(thresholds.high) == pytest.approx(least)
    assert (thresholds.review_cost, thresholds.loss_rate, thresholds.alerts_per_day) == (review_cost, 0.8, cap)


@pytest.mark.parametrize("seed", range(8))
def test_medium_begins_where_there_are_three_times_the_high_alerts(seed: int) -> None:
    predictions = small(seed)
    thresholds = chosen(predictions, review_cost=1.0, loss_rate=1.0, alerts_per_day=1.0)
    alerts = worked(predictions, thresholds.high)[0]
    lower = [score for score in predictions.scores.tolist() if score < thresholds.medium]
    assert alerts > 0
    assert thresholds.medium < thresholds.high
    assert worked(predictions, thresholds.medium)[0] <= 3 * alerts
    assert worked(predictions, max(lower))[0] > 3 * alerts


@pytest.mark.parametrize("changed", [{"is_fraud": np.zeros(COUNT, bool)}, {"amounts": np.full(COUNT, np.nan)}])
def test_where_nothing_can_be_saved_nothing_is_flagged(changed: dict[str, Any]) -> None:
    predictions = small(1)._replace(**changed)
    thresholds = chosen(predictions, review_cost=5.0, loss_rate=1.0, alerts_per_day=None)
    assert thresholds.medium > 1
    assert thresholds.high > 1


def test_a_cap_of_none_flags_nothing_whatever_score_comes_later() -> None:
    """Just above what validation saw, the next transaction might reach it; and medium is no way around the cap."""
    thresholds = chosen(small(1), review_cost=1.0, loss_rate=1.0, alerts_per_day=0.0)
    assert min(thresholds.medium, thresholds.high) > 1
