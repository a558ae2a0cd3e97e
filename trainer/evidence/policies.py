"""Money: the model's threshold beside what could be done without it, and beside what a plain threshold is not.

Each policy is one score, one threshold, and its alerts. All are judged on the same test rows.
"""

from typing import NamedTuple

import numpy as np

from risk.codes import Array
from risk.customer_days import CustomerDays
from trainer.evidence.judged import Judged
from trainer.evidence.money import NO_SCORE, Accounting, Money, customer_days, losses

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

    judged: Judged
    by_day: CustomerDays
    accounting: Accounting
    costs: Costs


def scored(judged: Judged, costs: Costs) -> Scored:
    accounting = Accounting(judged, review_cost=costs.review_cost, loss_rate=costs.loss_rate)
    return Scored(judged, customer_days(judged), accounting, costs)


def policy(name: str, meaning: str, test: Scored, threshold: float | None) -> Policy:
    at = float(test.accounting.candidates[-1]) if threshold is None else threshold
    return Policy(name, meaning, threshold, test.accounting.at(at), alert_columns(test, at))


def of_probability(name: str, test: Scored, threshold: float) -> Policy:
    """A model by its own threshold."""
    return policy(name, "", test, None if threshold >= NO_SCORE else threshold)


def alert_columns(test: Scored, threshold: float) -> dict[str, Array]:
    """Alerts and what they caught, laid on single rows: an alert on the row that raised it, money on each fraud."""
    judged, by_day = test.judged, test.by_day
    flagged = np.flatnonzero(judged.scores >= threshold)
    days, first = np.unique(by_day.groups[flagged], return_index=True)
    raised = flagged[first]
    had_fraud = by_day.which_hold(judged.is_fraud)
    alerts, good_alerts = np.zeros(len(judged.scores), bool), np.zeros(len(judged.scores), bool)
    alerts[raised] = True
    good_alerts[raised] = ~had_fraud[days]
    caught = judged.is_fraud & (by_day.reach >= threshold)
    loss = losses(judged, test.costs.loss_rate)
    return {
        "alerts": alerts,
        "good_alerts": good_alerts,
        "frauds": judged.is_fraud,
        "caught": caught,
        "saved": np.where(caught, loss, 0.0),
        "lost": np.where(caught, 0.0, loss),
    }


def rivals(validation: Judged, test: Judged, alerts: int, costs: Costs, seed: int) -> tuple[Policy, ...]:
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


def _by_amount(test: Judged, alerts: int, costs: Costs, seed: int) -> Policy:
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


def _expected_loss(judged: Judged) -> Judged:
    return judged._replace(scores=judged.scores * np.nan_to_num(judged.amounts))
