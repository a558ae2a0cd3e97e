"""What a threshold costs and saves, as a fraud team works: customer by customer, day by day.

What a case is and what it can stop says `risk.customer_days`. Sorted by reach, every threshold is a sum read off at
one place.
"""

from typing import Any, NamedTuple

import numpy as np

from risk import customer_days as rule
from risk.codes import Array
from risk.customer_days import CustomerDays
from risk.errors import EngineError
from trainer.evidence.judged import Judged

NO_SCORE = 2.0  # a threshold that no probability reaches: nothing is flagged


class Money(NamedTuple):
    """One threshold over one period. Money is in the data's currency."""

    alerts: int
    alerts_per_day: float
    frauds_caught: int
    frauds_missed: int
    precision: float | None  # alerts on a day on which that customer had a fraud, of all alerts; None without alerts
    recall: float | None  # frauds caught, of all; None without frauds
    good_customers_flagged: int  # alerts on a day on which that customer had no fraud
    saved: float  # loss that was stopped, before the cost of reviews
    lost: float  # loss that was not
    review: float
    cost: float  # lost + review

    @property
    def gain(self) -> float:
        """What is better than flagging nothing, reviews paid."""
        return self.saved - self.review


class Accounting:
    """Every threshold over one set of predictions, after one sort."""

    def __init__(self, judged: Judged, *, review_cost: float, loss_rate: float) -> None:
        self.days, self._review_cost = judged.days, review_cost
        by_day = customer_days(judged)
        had_fraud = by_day.which_hold(judged.is_fraud)
        self._candidates = np.append(np.unique(judged.scores), _above(judged.scores))
        order = np.argsort(by_day.peaks, kind="stable")
        self._peaks = by_day.peaks[order]
        self._bad_days = _from_here_on(had_fraud[order])
        reach = by_day.reach[judged.is_fraud]
        order = np.argsort(reach, kind="stable")
        self._reach = reach[order]
        self._losses = _from_here_on(losses(judged, loss_rate)[judged.is_fraud][order])

    @property
    def candidates(self) -> Array:
        """Every score that occurs, ascending, and one above them all, at which nothing is flagged."""
        return self._candidates

    def best_threshold(self, alerts_per_day: float | None) -> float:
        """The threshold of least cost with at most so many alerts a day; of equal ones, that with the fewest alerts."""
        costs = self.costs(self._candidates)
        if alerts_per_day is not None:
            # The rounding of the product must not take an alert away that the cap allows.
            costs[self.alerts(self._candidates) > alerts_per_day * self.days + 1e-9] = np.inf
        return float(self._candidates[len(costs) - 1 - np.argmin(costs[::-1])])

    def threshold_for_alerts(self, alerts: float) -> float:
        """The lowest score that occurs at which there are at most so many alerts in the period."""
        return float(self._candidates[np.argmax(self.alerts(self._candidates) <= alerts)])

    def alerts(self, thresholds: Array | float) -> Array:
        return np.asarray(len(self._peaks) - np.searchsorted(self._peaks, thresholds))

    def caught(self, thresholds: Array | float) -> Array:
        return np.asarray(len(self._reach) - np.searchsorted(self._reach, thresholds))

    def costs(self, thresholds: Array) -> Array:
        """Missed losses and reviews, at each of many thresholds."""
        saved = self._losses[np.searchsorted(self._reach, thresholds)]
        return np.asarray((self._losses[0] - saved) + self.alerts(thresholds) * self._review_cost)

    def at(self, threshold: float) -> Money:
        alerts, caught, frauds = int(self.alerts(threshold)), int(self.caught(threshold)), len(self._reach)
        bad_days = int(self._bad_days[np.searchsorted(self._peaks, threshold)])
        saved = float(self._losses[np.searchsorted(self._reach, threshold)])
        lost, review = float(self._losses[0]) - saved, alerts * self._review_cost
        return Money(
            alerts=alerts,
            alerts_per_day=alerts / self.days,
            frauds_caught=caught,
            frauds_missed=frauds - caught,
            precision=bad_days / alerts if alerts else None,
            recall=caught / frauds if frauds else None,
            good_customers_flagged=alerts - bad_days,
            saved=saved,
            lost=lost,
            review=review,
            cost=lost + review,
        )


def losses(judged: Judged, loss_rate: float) -> Array:
    """What each row costs if it is a fraud and is missed; 0 for genuine rows and unknown amounts."""
    return np.where(judged.is_fraud, np.nan_to_num(judged.amounts) * loss_rate, 0.0)


def customer_days(judged: Judged) -> CustomerDays:
    return rule.customer_days(judged.event_times, judged.customers, _checked(judged))


def _checked(judged: Judged) -> Array:
    bad = np.flatnonzero(np.isnan(judged.scores))
    if len(bad):
        raise EngineError(f"scores: got NaN in row {bad[0]} of {len(judged.scores)}, expected numbers; "
                          "a model that gives NaN cannot be judged")  # fmt: skip
    return judged.scores


def _above(scores: Array) -> Any:
    return np.nextafter(scores.max() if len(scores) else 1.0, np.inf)


def _from_here_on(values: Array) -> Array:
    """At each place the sum of what stands there and after; at the end 0."""
    return np.append(np.cumsum(values[::-1])[::-1], 0)
