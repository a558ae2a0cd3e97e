"""Money over thresholds: by hand, and against loops over every threshold, row and customer-day."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.money import Accounting, customer_days
from risk.clock import DAY
from risk.errors import EngineError
from tests.evidence_cases import at_hours, judged_rows, thrown

REVIEW, RATE = 5.0, 0.8
HOURS = at_hours(1, 2, 3, 26, 27, 28)

# day 0: customer 1 is flagged at 0.6 and robbed afterwards; customer 2 is robbed before the score goes up.
# day 1: customer 1's fraud is never flagged; customer 3 is a good one with two high scores.
BY_HAND = judged_rows(
    [
        (HOURS[0], 1, 10, 0.6, False),
        (HOURS[1], 2, 70, 0.2, True),
        (HOURS[1], 1, 100, 0.3, True),
        (HOURS[2], 2, 20, 0.9, False),
        (HOURS[3], 3, 30, 0.7, False),
        (HOURS[4], 3, 40, 0.8, False),
        (HOURS[5], 1, np.nan, 0.1, True),
    ],
    days=2,
)


def brute_force(predictions, threshold):
    """Alerts, frauds caught, alerts with a fraud, money saved and lost: row by row as the rule is spoken."""
    flagged_days, bad_days, caught, saved, lost = set(), set(), 0, 0.0, 0.0
    for time, customer, amount, is_fraud, score in zip(
        predictions.event_times,
        predictions.customers,
        predictions.amounts,
        predictions.is_fraud,
        predictions.scores,
        strict=True,
    ):
        day = (int(customer), int(time // DAY))
        if score >= threshold:
            flagged_days.add(day)
        if is_fraud:
            bad_days.add(day)
            loss = 0.0 if np.isnan(amount) else amount * RATE
            if day in flagged_days:
                caught, saved = caught + 1, saved + loss
            else:
                lost += loss
    return len(flagged_days), caught, len(flagged_days & bad_days), saved, lost


def test_money_by_hand():
    """An alert stops what comes after it on that day, not what came before; an unknown amount counts as 0."""
    money = Accounting(BY_HAND, review_cost=REVIEW, loss_rate=RATE).at(0.6)
    assert (money.alerts, money.alerts_per_day) == (3, 1.5)
    assert (money.frauds_caught, money.frauds_missed) == (1, 2)
    assert (money.precision, money.recall) == (2 / 3, 1 / 3)
    assert money.good_customers_flagged == 1
    assert (money.saved, money.lost, money.review, money.cost) == (80, 56, 15, 71)
    assert money.gain == 65


def test_one_alert_however_many_transactions():
    """Two flagged transactions of one customer on one day are one review; on two days they are two."""
    same_day = judged_rows([(0.1, 1, 5, 0.9, False), (0.2, 1, 5, 0.9, False)], days=2)
    two_days = judged_rows([(0.1, 1, 5, 0.9, False), (1.2, 1, 5, 0.9, False)], days=2)
    assert Accounting(same_day, review_cost=1, loss_rate=1).at(0.5).alerts == 1
    assert Accounting(two_days, review_cost=1, loss_rate=1).at(0.5).alerts == 2


@pytest.mark.parametrize("grid", [0, 30])
def test_every_threshold_agrees_with_brute_force(grid):
    predictions = thrown(11, rows=600, days=4, customers=40, fraud_share=0.1, grid=grid)
    accounting = Accounting(predictions, review_cost=REVIEW, loss_rate=RATE)
    for threshold in [0.0, *np.unique(predictions.scores)[:: 1 if grid else 7], 2.0]:
        alerts, caught, right, saved, lost = brute_force(predictions, threshold)
        money = accounting.at(threshold)
        assert (money.alerts, money.frauds_caught) == (alerts, caught)
        assert money.good_customers_flagged == alerts - right
        assert (money.saved, money.lost) == (pytest.approx(saved), pytest.approx(lost))
        assert money.cost == pytest.approx(lost + alerts * REVIEW)


@given(
    st.lists(
        st.tuples(st.integers(0, 47), st.integers(1, 3), st.sampled_from((0.1, 0.4, 0.4000001, 0.8)), st.booleans()),
        max_size=15,
    ),
    st.sampled_from((None, 0.5, 1.0, 1.5)),
)
def test_the_best_threshold_has_the_least_cost_under_the_cap(rows, cap):
    """Against trying every score that occurs, and flagging nothing."""
    ordered = sorted(rows, key=lambda row: row[0])
    predictions = judged_rows([(hour / 24, who, 9, score, bad) for hour, who, score, bad in ordered], days=2)
    accounting = Accounting(predictions, review_cost=REVIEW, loss_rate=RATE)
    tried = []
    for threshold in [*np.unique(predictions.scores), 1.1]:
        alerts, _, _, _, lost = brute_force(predictions, threshold)
        if cap is None or alerts <= cap * 2:
            tried.append(lost + alerts * REVIEW)
    chosen = accounting.best_threshold(cap)
    assert accounting.at(chosen).cost == pytest.approx(min(tried))
    assert cap is None or accounting.at(chosen).alerts_per_day <= cap


def test_of_equal_costs_the_fewest_alerts_win():
    """A review of 10 that saves 10 is not worth disturbing anybody."""
    predictions = judged_rows([(0.1, 1, 10, 0.9, True)], days=1)
    accounting = Accounting(predictions, review_cost=10, loss_rate=1)
    assert accounting.at(accounting.best_threshold(None)).alerts == 0


def test_where_nothing_is_worth_a_review_the_threshold_is_above_every_score():
    predictions = judged_rows([(0.1, 1, 10, 1.0, False), (0.2, 2, 10, 0.5, False)], days=1)
    threshold = Accounting(predictions, review_cost=5, loss_rate=1).best_threshold(None)
    assert threshold > 1.0
    assert np.isfinite(threshold)


@pytest.mark.parametrize(("alerts", "expected"), [(1, 0.9), (2, 0.7), (3, 0.2), (3.9, 0.2), (99, 0.1)])
def test_threshold_for_alerts_is_the_lowest_that_fits(alerts, expected):
    """Peaks of the four customer-days: 0.9, 0.8, 0.6 and 0.1. Below 0.6 no fourth alert is raised before 0.1."""
    accounting = Accounting(BY_HAND, review_cost=5, loss_rate=1)
    assert accounting.threshold_for_alerts(alerts) == expected
    assert accounting.at(expected).alerts <= alerts


def test_no_alerts_at_all_means_above_every_score():
    assert Accounting(BY_HAND, review_cost=5, loss_rate=1).threshold_for_alerts(0) > 0.9


def test_reach_starts_anew_with_each_customer_and_day():
    by_day = customer_days(BY_HAND)
    np.testing.assert_array_equal(by_day.reach, [0.6, 0.2, 0.6, 0.9, 0.7, 0.8, 0.1])
    assert by_day.size == 4
    assert sorted(by_day.peaks) == [0.1, 0.6, 0.8, 0.9]


def test_an_empty_period_has_no_money_in_it():
    accounting = Accounting(judged_rows([], days=1), review_cost=5, loss_rate=1)
    assert accounting.at(accounting.best_threshold(1.0)).cost == 0


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(EngineError, match="NaN in row 1 of 2"):
        Accounting(judged_rows([(0, 1, 1, 0.5, True), (0, 1, 1, np.nan, True)], days=1), review_cost=5, loss_rate=1)
