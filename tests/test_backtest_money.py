"""Alerts and money of a backtest: against loops, and to the cent against the accounting of training."""

import random

import numpy as np
import pytest

from evaluation.money import Accounting, alert_columns, scored
from evaluation.result import Costs
from risk.clock import DAY
from tests.evidence_cases import thrown
from trainer.backtest.tally import Outcome, Prices, Tallies

Row = tuple[int, str, float, int, float]  # time, customer, score, label, amount


def counted(rows: list[Row], thresholds: tuple[float, ...], prices: Prices, parcel: int = 7) -> Tallies:
    tallies = Tallies(thresholds, prices)
    for first in range(0, len(rows), parcel):
        times, customers, scores, labels, amounts = zip(*rows[first : first + parcel], strict=True)
        numbers = map(np.array, (scores, labels, amounts))
        tallies.add(np.array(times), customers, *numbers)
    tallies.finish()
    return tallies


@pytest.mark.parametrize("labels", [(0, 0, 0, 0, 1), (0, 0, -1, -1, 1)])
def test_the_tallies_counts_what_a_team_would_by_brute_force(labels: tuple[int, ...]) -> None:
    """Customer-days, the order within a day, money, and what is not known, by loops over every threshold."""
    dice = random.Random(3)
    rows = sorted(
        (dice.randrange(20 * DAY), f"C{dice.randrange(6)}", dice.random(), dice.choice(labels), dice.randrange(500) / 4)
        for _ in range(400)
    )
    tallies = counted(rows, (0.2, 0.5, 0.9), Prices(5.0, 0.5))
    fraud_days = {(time // DAY, customer) for time, customer, _, label, _ in rows if label == 1}
    for outcome in tallies.total.outcomes():
        alerts, by_known, caught, missed, saved, lost = set(), set(), 0, 0, 0.0, 0.0
        for time, customer, score, label, amount in rows:
            if score >= outcome.threshold:
                alerts.add((time // DAY, customer))
                if label != -1:
                    by_known.add((time // DAY, customer))
            if label == 1 and (time // DAY, customer) in alerts:
                caught, saved = caught + 1, saved + amount * 0.5
            elif label == 1:
                missed, lost = missed + 1, lost + amount * 0.5
        assert outcome.alerts == len(alerts)
        assert (outcome.frauds_caught, outcome.frauds_missed) == (caught, missed)
        assert (outcome.saved, outcome.lost, outcome.review) == pytest.approx((saved, lost, 5.0 * len(alerts)))
        assert outcome.alerts_with_fraud == len(alerts & fraud_days)
        assert outcome.good_customers_flagged == len(by_known - fraud_days)
        assert outcome.alerts_unknown == len(alerts - by_known - fraud_days)
        assert (outcome.alerts_unknown > 0) == (-1 in labels)
    assert tallies.days == 20
    assert sum(week.tally.transactions for week in tallies.weeks()) == 400
    assert [week.days for week in tallies.weeks()] == [7, 7, 6]


@pytest.mark.parametrize("grid", [0, 40])
def test_a_backtest_and_a_training_count_the_same_alerts_and_cents(grid: int) -> None:
    """One rule written three times: the tallies, the accounting behind thresholds, the columns behind intervals."""
    judged = thrown(5, rows=3_000, days=9, customers=120, fraud_share=0.05, grid=grid)
    thresholds = (0.025, 0.05, *np.quantile(judged.scores, (0.5, 0.9, 0.99)).tolist())
    rows = [
        (int(time), f"C{who}", float(score), int(bad), 0.0 if np.isnan(amount) else float(amount))
        for time, who, score, bad, amount in zip(
            judged.event_times, judged.customers, judged.scores, judged.is_fraud, judged.amounts, strict=True
        )
    ]
    tallies = counted(rows, thresholds, Prices(3.5, 0.7), parcel=500)
    accounting = Accounting(judged, review_cost=3.5, loss_rate=0.7)
    test = scored(judged, Costs(3.5, 0.7, None))
    for outcome in tallies.total.outcomes():
        money, columns = accounting.at(outcome.threshold), alert_columns(test, outcome.threshold)
        assert outcome.alerts == money.alerts == columns["alerts"].sum() > 0
        assert outcome.frauds_caught == money.frauds_caught == columns["caught"].sum()
        assert outcome.frauds_missed == money.frauds_missed
        assert outcome.good_customers_flagged == money.good_customers_flagged == columns["good_alerts"].sum()
        assert (outcome.precision, outcome.recall) == (money.precision, money.recall)
        for name in ("saved", "lost", "review", "cost"):
            assert cents(getattr(outcome, name)) == cents(getattr(money, name)), name
        assert (cents(outcome.saved), cents(outcome.lost)) == (
            cents(columns["saved"].sum()),
            cents(columns["lost"].sum()),
        )


def test_what_only_labelled_transactions_raised_is_what_a_training_would_count() -> None:
    """Transactions without a label are history to a training; here they raise alerts of a class of their own."""
    judged = thrown(8, rows=2_000, days=5, customers=60, fraud_share=0.04)
    is_known = judged.is_fraud | (np.random.default_rng(1).random(len(judged.scores)) < 0.5)
    rows = [
        (int(time), f"C{who}", float(score), int(bad) if known else -1, 1.0)
        for time, who, score, bad, known in zip(
            judged.event_times, judged.customers, judged.scores, judged.is_fraud, is_known, strict=True
        )
    ]
    outcome: Outcome = counted(rows, (0.03,), Prices(1.0, 1.0)).total.at(0.03)
    known = judged._replace(
        **{
            name: getattr(judged, name)[is_known]
            for name in ("event_times", "customers", "merchants", "amounts", "is_fraud", "scores", "raw")
        },
        kinds=None,
    )
    money = Accounting(known, review_cost=1.0, loss_rate=1.0).at(0.03)
    assert outcome.good_customers_flagged == money.good_customers_flagged > 10
    assert outcome.alerts_unknown > 10


def cents(amount: float | None) -> int:
    assert amount is not None
    return round(float(amount) * 100)
