"""What a threshold costs and saves, as a fraud team works: customer by customer, day by day.

What a case is and what it can stop says `risk.customer_days`. Sorted by the running maximum, every threshold is a sum
read off at one place.
"""

from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import asdict

from evaluation.bootstrap import DrawsByUnit, Formula, drawn_figure
from evaluation.ranking import Predictions, ratio
from evaluation.result import Costs, Level, MarkedThreshold, Money, MoneyFigures, NetMoney, SweepRow
from risk import customer_days as rule
from risk.codes import Array
from risk.customer_days import CustomerDays
from risk.errors import EngineError

NO_SCORE = 2.0  # a threshold that no probability reaches: nothing is flagged


class Accounting:
    """Every threshold over one set of predictions, after one sort."""

    def __init__(self, predictions: Predictions, *, review_cost: float, loss_rate: float) -> None:
        self.days, self._review_cost = predictions.days, review_cost
        self.by_day = by_day = customer_days(predictions)
        had_fraud = by_day.which_hold(predictions.is_fraud)
        self._candidates = np.append(np.unique(predictions.scores), _above(predictions.scores))
        order = np.argsort(by_day.peaks, kind="stable")
        self._peaks = by_day.peaks[order]
        self._bad_days = _from_here_on(had_fraud[order])
        running_max = by_day.running_max[predictions.is_fraud]
        order = np.argsort(running_max, kind="stable")
        self._running_max = running_max[order]
        self._losses = _from_here_on(losses(predictions, loss_rate)[predictions.is_fraud][order])

    @property
    def candidates(self) -> Array:
        """Every score that occurs, ascending, and one above them all, at which nothing is flagged."""
        return self._candidates

    def best_threshold(self, alerts_per_day: float | None, work: "Accounting | None" = None) -> float:
        """The threshold of least cost with at most so many cases a day; of equal ones, that with the fewest cases.
        `work`: the same days with what has no label, too, where there is any: a case takes as long without one."""
        costs, work = self.costs(self._candidates), work or self
        if alerts_per_day is not None:
            # The rounding of the product must not take a case away that the cap allows.
            costs[work.alerts(self._candidates) > alerts_per_day * work.days + 1e-9] = np.inf
        return float(self._candidates[len(costs) - 1 - np.argmin(costs[::-1])])

    def threshold_for_alerts(self, alerts: float) -> float:
        """The lowest score that occurs at which there are at most so many cases in the period."""
        return float(self._candidates[np.argmax(self.alerts(self._candidates) <= alerts)])

    def alerts(self, thresholds: Array | float) -> Array:
        return np.asarray(len(self._peaks) - np.searchsorted(self._peaks, thresholds))

    def caught(self, thresholds: Array | float) -> Array:
        return np.asarray(len(self._running_max) - np.searchsorted(self._running_max, thresholds))

    def costs(self, thresholds: Array) -> Array:
        """Missed losses and reviews, at each of many thresholds."""
        saved = self._losses[np.searchsorted(self._running_max, thresholds)]
        return np.asarray((self._losses[0] - saved) + self.alerts(thresholds) * self._review_cost)

    def at(self, threshold: float) -> NetMoney:
        alerts, caught, frauds = int(self.alerts(threshold)), int(self.caught(threshold)), len(self._running_max)
        bad_days = int(self._bad_days[np.searchsorted(self._peaks, threshold)])
        saved = float(self._losses[np.searchsorted(self._running_max, threshold)])
        lost, review = float(self._losses[0]) - saved, alerts * self._review_cost
        return NetMoney(
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
            value_recall=saved / float(self._losses[0]) if self._losses[0] else None,
            gain=saved - review,
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


class Policy(NamedTuple):
    """Who is looked at, what comes of it, and what each row adds to the sums that a bootstrap needs."""

    name: str
    meaning: str
    threshold: float | None  # None: nobody is looked at
    money: NetMoney
    columns: dict[str, Array]


class Scored(NamedTuple):
    """Predictions with what is computed of them once, for any number of thresholds."""

    predictions: Predictions
    by_day: CustomerDays
    accounting: Accounting
    costs: Costs


def scored(predictions: Predictions, costs: Costs) -> Scored:
    accounting = Accounting(predictions, review_cost=costs.review_cost, loss_rate=costs.loss_rate)
    return Scored(predictions, accounting.by_day, accounting, costs)


def policy(name: str, meaning: str, test: Scored, threshold: float | None) -> Policy:
    at = float(test.accounting.candidates[-1]) if threshold is None else threshold
    return Policy(name, meaning, threshold, test.accounting.at(at), alert_columns(test, at))


def of_probability(name: str, test: Scored, threshold: float) -> Policy:
    """A model by its own threshold."""
    return policy(name, "", test, None if threshold >= NO_SCORE else threshold)


def alert_columns(test: Scored, threshold: float) -> dict[str, Array]:
    """Cases and what they caught, laid on single rows: a case on the row that opened it, money on each fraud."""
    predictions, by_day = test.predictions, test.by_day
    flagged = np.flatnonzero(predictions.scores >= threshold)
    days, first = np.unique(by_day.groups[flagged], return_index=True)
    raised = flagged[first]
    had_fraud = by_day.which_hold(predictions.is_fraud)
    alerts, good_alerts = np.zeros(len(predictions.scores), bool), np.zeros(len(predictions.scores), bool)
    alerts[raised] = True
    good_alerts[raised] = ~had_fraud[days]
    caught = predictions.is_fraud & (by_day.running_max >= threshold)
    loss = losses(predictions, test.costs.loss_rate)
    return {
        "alerts": alerts,
        "good_alerts": good_alerts,
        "frauds": predictions.is_fraud,
        "caught": caught,
        "saved": np.where(caught, loss, 0.0),
        "lost": np.where(caught, 0.0, loss),
    }


def rivals(
    validation: Predictions, work: Predictions, test: Predictions, alerts: int, costs: Costs, seed: int
) -> tuple[Policy, ...]:
    """What the champion's threshold is compared with; `alerts` is how many cases it raised in the test. `work`:
    validation with what has no label."""
    expected = scored(_expected_loss(test), costs)
    of_validation = scored(_expected_loss(validation), costs).accounting
    of_work = None if work is validation else scored(_expected_loss(work), costs).accounting
    chosen = of_validation.best_threshold(costs.alerts_per_day, of_work)
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
    """Of equal amounts at the cut some are drawn: left out together, a common amount would leave no case at all."""
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


def money_formulas(costs: Costs, days: int) -> dict[str, Formula]:
    cost = costs.review_cost
    return {
        "alerts_per_day": lambda sums: sums["alerts"] / days,
        "alert_precision": lambda sums: ratio(sums["alerts"] - sums["good_alerts"], sums["alerts"]),
        "alert_recall": lambda sums: ratio(sums["caught"], sums["frauds"]),
        "good_customers_flagged": lambda sums: sums["good_alerts"],
        "saved": lambda sums: sums["saved"],
        "value_recall": lambda sums: ratio(sums["saved"], sums["saved"] + sums["lost"]),
        "gain": lambda sums: sums["saved"] - cost * sums["alerts"],
        "cost": lambda sums: sums["lost"] + cost * sums["alerts"],
    }


def money_figures(money: NetMoney, draws: DrawsByUnit) -> MoneyFigures:
    return MoneyFigures(
        alerts=money.alerts,
        alerts_per_day=drawn_figure(money.alerts_per_day, draws, "alerts_per_day"),
        frauds_caught=money.frauds_caught,
        frauds_missed=money.frauds_missed,
        precision=drawn_figure(money.precision, draws, "alert_precision"),
        recall=drawn_figure(money.recall, draws, "alert_recall"),
        good_customers_flagged=money.good_customers_flagged,
        saved=money.saved,
        lost=money.lost,
        review=money.review,
        cost=drawn_figure(money.cost, draws, "cost"),
        gain=drawn_figure(money.gain, draws, "gain"),
        value_recall=drawn_figure(money.value_recall, draws, "value_recall"),
    )


ALERTS_PER_DAY = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
POINTS = 400


def levels(accounting: Accounting, high: float, medium: float) -> tuple[Level, ...]:
    found = []
    for name, threshold in (("high", high), ("medium or high", medium)):
        money = accounting.at(threshold)
        counted = {field: getattr(money, field) for field in Money.__struct_fields__}
        found.append(Level(**counted, level=name, threshold=threshold))
    return tuple(found)


def sweep(accounting: Accounting, chosen: float) -> tuple[SweepRow, ...]:
    """A row for each round number of cases a day, and the chosen threshold among them, in order of cases."""
    thresholds = {accounting.threshold_for_alerts(alerts * accounting.days) for alerts in ALERTS_PER_DAY}
    rows: list[SweepRow] = []
    for threshold in sorted(thresholds | {chosen}, reverse=True):
        money, is_chosen = accounting.at(threshold), threshold == chosen
        # Once every fraud is caught, more cases are only more cases.
        is_enough = any(row.frauds_caught and not row.frauds_missed for row in rows)
        if is_chosen or (money.alerts and not is_enough):
            rows.append(SweepRow(**asdict(money), threshold=threshold, is_chosen=is_chosen))
    return tuple(rows)


IN_USE = "in use"
MEDIUM = "where medium begins"
BEST_IN_TEST = "most saved in this test, known only afterwards"
BREAK_EVEN = "lowest that does not lose money"


def marked(accounting: Accounting, high: float, medium: float) -> tuple[MarkedThreshold, ...]:
    """Points to read off the curve of profit and loss, by threshold from the highest; none where nothing is at stake.

    The best of the test is what the threshold in use is measured against, and nothing to choose by.
    """
    candidates = accounting.candidates
    nothing = accounting.costs(candidates[-1:])[0]
    if not nothing:
        return ()
    gains = nothing - accounting.costs(candidates)
    places = {BEST_IN_TEST: float(candidates[len(gains) - 1 - np.argmax(gains[::-1])])}
    flagging = candidates[:-1][gains[:-1] >= 0]
    if len(flagging):
        places[BREAK_EVEN] = float(flagging[0])
    if high < NO_SCORE:
        places = {IN_USE: high, MEDIUM: medium, **places}
    found = [MarkedThreshold(**asdict(accounting.at(at)), name=name, threshold=at) for name, at in places.items()]
    return tuple(sorted(found, key=lambda point: -point.threshold))


def spread(accounting: Accounting, points: int = POINTS) -> Array:
    """Thresholds for a curve: every one where they are few, otherwise spread over numbers of cases, by ratio."""
    candidates = accounting.candidates
    if len(candidates) <= points:
        return candidates
    alerts = accounting.alerts(candidates)
    wanted = np.geomspace(1, alerts[0] + 1, points) - 1
    places = len(candidates) - 1 - np.searchsorted(alerts[::-1], wanted, side="right") + 1
    return candidates[np.unique(np.clip(places, 0, len(candidates) - 1))]
