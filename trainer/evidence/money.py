"""What a threshold costs and saves, as a fraud team works: customer by customer, day by day.

An alert is a customer-day: a customer with at least one transaction at or above the threshold on a UTC day. It costs
one review, however many transactions it covers. A fraud is caught if its own score reaches the threshold, or that of
an earlier transaction of the same customer on the same day: an alert can stop what comes after it, not what came
before. So a row counts from its reach on, the highest score of its customer-day up to and including itself; sorted by
reach, every threshold is a sum read off at one place.
"""

from typing import Any, NamedTuple

import numpy as np

from risk.clock import DAY
from risk.errors import EngineError
from trainer.evidence.judged import Array, Judged


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


class CustomerDays(NamedTuple):
    """Which customer-day each row belongs to, and how far the day had got when the row came."""

    groups: Array  # int64 for each row, 0 to size - 1
    size: int  # how many customer-days
    reach: Array  # float64 for each row
    peaks: Array  # float64 for each customer-day: its highest score


class Accounting:
    """Every threshold over one set of predictions, after one sort."""

    def __init__(self, judged: Judged, *, review_cost: float, loss_rate: float) -> None:
        self.days, self._review_cost = judged.days, review_cost
        by_day = customer_days(judged)
        had_fraud = np.zeros(by_day.size, bool)
        had_fraud[by_day.groups[judged.is_fraud]] = True
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
    scores = _checked(judged)
    days = judged.event_times // DAY
    _, customers = np.unique(judged.customers, return_inverse=True)
    _, places = np.unique(days, return_inverse=True)
    _, groups = np.unique(customers * (len(days) + 1) + places, return_inverse=True)
    count = int(groups.max()) + 1 if len(groups) else 0
    # Ranks instead of scores: added to a multiple of the group they make a running maximum that starts anew with
    # each customer-day, and stays exact.
    ranked, ranks = np.unique(scores, return_inverse=True)
    order = np.argsort(groups, kind="stable")
    running = np.maximum.accumulate((groups * (len(ranked) + 1) + ranks)[order])
    reach = np.empty(len(scores))
    reach[order] = ranked[running - groups[order] * (len(ranked) + 1)]
    peaks = np.full(count, -np.inf)
    np.maximum.at(peaks, groups, scores)
    return CustomerDays(groups, count, reach, peaks)


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
