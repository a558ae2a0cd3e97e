"""What a threshold costs and saves, as a fraud team works: customer by customer, day by day.

What a case is and what it can stop says `risk.customer_days`. Sorted by reach, every threshold is a sum read off at
one place.
"""

from typing import Any, NamedTuple

import numpy as np

from evaluation.ranking import Predictions
from risk import customer_days as rule
from risk.codes import Array
from risk.customer_days import CustomerDays
from risk.errors import EngineError

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

    def __init__(self, predictions: Predictions, *, review_cost: float, loss_rate: float) -> None:
        self.days, self._review_cost = predictions.days, review_cost
        by_day = customer_days(predictions)
        had_fraud = by_day.which_hold(predictions.is_fraud)
        self._candidates = np.append(np.unique(predictions.scores), _above(predictions.scores))
        order = np.argsort(by_day.peaks, kind="stable")
        self._peaks = by_day.peaks[order]
        self._bad_days = _from_here_on(had_fraud[order])
        reach = by_day.reach[predictions.is_fraud]
        order = np.argsort(reach, kind="stable")
        self._reach = reach[order]
        self._losses = _from_here_on(losses(predictions, loss_rate)[predictions.is_fraud][order])

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


def losses(predictions: Predictions, loss_rate: float) -> Array:
    """What each row costs if it is a fraud and is missed; 0 for genuine rows and unknown amounts."""
    return np.where(predictions.is_fraud, np.nan_to_num(predictions.amounts) * loss_rate, 0.0)


def customer_days(predictions: Predictions) -> CustomerDays:
    return rule.customer_days(predictions.event_times, predictions.customers, _checked(predictions))


def _checked(predictions: Predictions) -> Array:
    bad = np.flatnonzero(np.isnan(predictions.scores))
    if len(bad):
        raise EngineError(f"scores: got NaN in row {bad[0]} of {len(predictions.scores)}, expected numbers; "
                          "a model that gives NaN cannot be judged")  # fmt: skip
    return predictions.scores


def _above(scores: Array) -> Any:
    return np.nextafter(scores.max() if len(scores) else 1.0, np.inf)


def _from_here_on(values: Array) -> Array:
    """At each place the sum of what stands there and after; at the end 0."""
    return np.append(np.cumsum(values[::-1])[::-1], 0)


FLAG_NOTHING = "flag nothing"
BY_AMOUNT = "amount alone, as many alerts"
EXPECTED_LOSS = "probability × amount"  # noqa: RUF001  the sign that is meant


class Costs(NamedTuple):
    """What the threshold is chosen for."""

    review_cost: float
    loss_rate: float
    alerts_per_day: float | None  # the most that the team can work; None: no cap


class Policy(NamedTuple):
    """Who is looked at, what comes of it, and what each row adds to the sums that a bootstrap needs."""

    name: str
    meaning: str
    threshold: float | None  # None: nobody is looked at
    money: Money
    columns: dict[str, Array]


class Scored(NamedTuple):
    """Predictions with what is computed of them once, for any number of thresholds."""

    predictions: Predictions
    by_day: CustomerDays
    accounting: Accounting
    costs: Costs


def scored(predictions: Predictions, costs: Costs) -> Scored:
    accounting = Accounting(predictions, review_cost=costs.review_cost, loss_rate=costs.loss_rate)
    return Scored(predictions, customer_days(predictions), accounting, costs)


def policy(name: str, meaning: str, test: Scored, threshold: float | None) -> Policy:
    at = float(test.accounting.candidates[-1]) if threshold is None else threshold
    return Policy(name, meaning, threshold, test.accounting.at(at), alert_columns(test, at))


def of_probability(name: str, test: Scored, threshold: float) -> Policy:
    """A model by its own threshold."""
    return policy(name, "", test, None if threshold >= NO_SCORE else threshold)


def alert_columns(test: Scored, threshold: float) -> dict[str, Array]:
    """Alerts and what they caught, laid on single rows: an alert on the row that raised it, money on each fraud."""
    predictions, by_day = test.predictions, test.by_day
    flagged = np.flatnonzero(predictions.scores >= threshold)
    days, first = np.unique(by_day.groups[flagged], return_index=True)
    raised = flagged[first]
    had_fraud = by_day.which_hold(predictions.is_fraud)
    alerts, good_alerts = np.zeros(len(predictions.scores), bool), np.zeros(len(predictions.scores), bool)
    alerts[raised] = True
    good_alerts[raised] = ~had_fraud[days]
    caught = predictions.is_fraud & (by_day.reach >= threshold)
    loss = losses(predictions, test.costs.loss_rate)
    return {
        "alerts": alerts,
        "good_alerts": good_alerts,
        "frauds": predictions.is_fraud,
        "caught": caught,
        "saved": np.where(caught, loss, 0.0),
        "lost": np.where(caught, 0.0, loss),
    }


def rivals(validation: Predictions, test: Predictions, alerts: int, costs: Costs, seed: int) -> tuple[Policy, ...]:
    """What the champion's threshold is compared with; `alerts` is how many it raised in the test."""
    expected = scored(_expected_loss(test), costs)
    chosen = scored(_expected_loss(validation), costs).accounting.best_threshold(costs.alerts_per_day)
    return (
        policy(FLAG_NOTHING, "every fraud is lost, nobody is disturbed", expected, None),
        _by_amount(test, alerts, costs, seed),
        policy(
            EXPECTED_LOSS,
            "by what may be lost instead of by how likely; its threshold, a sum of money, chosen on validation",
            expected,
            chosen,
        ),
    )


def _by_amount(test: Predictions, alerts: int, costs: Costs, seed: int) -> Policy:
    """Of equal amounts at the cut some are drawn: left out together, a common amount would leave no alert at all."""
    amounts = np.nan_to_num(test.amounts)
    order = np.lexsort((np.random.default_rng(seed).random(len(amounts)), amounts))
    places = np.empty(len(amounts))
    places[order] = np.arange(len(amounts))
    ranked = scored(test._replace(scores=places), costs)
    meaning = "the highest amounts, with exactly as many cases in the test as the model raised"
    if not alerts:
        return policy(BY_AMOUNT, meaning, ranked, None)
    cut = ranked.accounting.threshold_for_alerts(alerts)
    return policy(BY_AMOUNT, meaning, ranked, cut)._replace(threshold=float(amounts[order[int(cut)]]))


def _expected_loss(predictions: Predictions) -> Predictions:
    return predictions._replace(scores=predictions.scores * np.nan_to_num(predictions.amounts))


ALERTS_PER_DAY = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
POINTS = 400


def levels(accounting: Accounting, high: float, medium: float) -> list[dict[str, Any]]:
    return [
        {"level": name, "threshold": threshold, **accounting.at(threshold)._asdict()}
        for name, threshold in (("high", high), ("medium or high", medium))
    ]


def sweep(accounting: Accounting, chosen: float) -> list[dict[str, Any]]:
    """A row for each round number of alerts a day, and the chosen threshold among them, in order of alerts."""
    thresholds = {accounting.threshold_for_alerts(alerts * accounting.days) for alerts in ALERTS_PER_DAY}
    rows: list[dict[str, Any]] = []
    for threshold in sorted(thresholds | {chosen}, reverse=True):
        money, is_chosen = accounting.at(threshold), threshold == chosen
        # Once every fraud is caught, more alerts are only more alerts.
        is_enough = any(row["frauds_caught"] and not row["frauds_missed"] for row in rows)
        if is_chosen or (money.alerts and not is_enough):
            rows.append({"threshold": threshold, "is_chosen": is_chosen, **money._asdict(), "gain": money.gain})
    return rows


def spread(accounting: Accounting, points: int = POINTS) -> Array:
    """Thresholds for a curve: every one where they are few, otherwise spread over numbers of alerts, by ratio."""
    candidates = accounting.candidates
    if len(candidates) <= points:
        return candidates
    alerts = accounting.alerts(candidates)
    wanted = np.geomspace(1, alerts[0] + 1, points) - 1
    places = len(candidates) - 1 - np.searchsorted(alerts[::-1], wanted, side="right") + 1
    return candidates[np.unique(np.clip(places, 0, len(candidates) - 1))]
