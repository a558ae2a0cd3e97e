"""Days and weeks add up to the test, and drift is what the textbook says."""

import numpy as np
import pytest

from evaluation.comparison import Context, compare
from evaluation.course import Sample, by_chance, course_of, stability
from evaluation.money import of_probability, scored
from evaluation.result import Costs
from risk.clock import DAY
from tests.evidence_cases import FIRST_DAY, contender, thrown

TEST = thrown(2, lift=3.0, days=10)
THRESHOLD = 0.2


def course(test=TEST, unlabelled=()):
    policy = of_probability("one", scored(test, Costs(5, 1, None)), THRESHOLD)
    silent = np.array(unlabelled, np.int64)
    return course_of(test, thrown(1, lift=3.0), test.scores, THRESHOLD, policy.columns, silent), policy


def test_days_and_weeks_add_up_to_the_test():
    found, policy = course()
    assert [week.days for week in found.weeks] == [7, 3]
    assert len(found.days) == 10
    for stretches in (found.days, found.weeks):
        assert sum(each.transactions for each in stretches) == len(TEST.scores)
        assert sum(each.frauds for each in stretches) == TEST.is_fraud.sum()
        assert sum(each.alerts for each in stretches) == (TEST.scores >= THRESHOLD).sum()
        assert sum(each.cases for each in stretches) == policy.money.alerts
        assert sum(each.right_cases for each in stretches) == policy.money.alerts - policy.money.good_customers_flagged
        assert sum(each.frauds_caught for each in stretches) == policy.money.frauds_caught
        assert sum(each.saved for each in stretches) == pytest.approx(policy.money.saved)


def test_a_day_without_labels_is_there_and_empty():
    found, _ = course(unlabelled=[FIRST_DAY + 12 * DAY, FIRST_DAY + 12 * DAY + 1, FIRST_DAY])
    assert len(found.days) == 13
    assert (found.days[0].unlabelled, found.days[12].unlabelled) == (1, 2)
    assert found.days[12].transactions == found.days[12].frauds == 0
    assert found.weeks[1].unlabelled == 2


def test_drift_is_zero_of_the_same_and_the_textbooks_of_others():
    before = np.arange(1000) / 1000
    assert stability(before, before) == pytest.approx(0, abs=1e-6)
    # All of the lowest tenth moves to the highest: shares of 0 and 0.2 where 0.1 and 0.1 were.
    after = np.where(before < 0.1, 0.95, before)
    empty = 0.5 / 1005
    was, moved = 100.5 / 1005, 200.5 / 1005
    expected = (empty - was) * np.log(empty / was) + (moved - was) * np.log(moved / was)
    assert stability(before, after) == pytest.approx(expected, rel=1e-3)
    assert stability(before, after[:199]) is None


@pytest.mark.parametrize("rows_of_a_customer", [1, 20])
def test_chance_makes_no_more_drift_than_is_said(rows_of_a_customer):
    """Whether each row is drawn alone, or customers score much alike and make the index ten times as large."""
    above = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        customers = np.arange(60_00 // rows_of_a_customer).repeat(rows_of_a_customer)
        scores = random.normal(size=int(customers.max()) + 1)[customers] + 0.3 * random.normal(size=len(customers))
        before, after = (Sample(scores[part], customers[part]) for part in (slice(4000), slice(4000, None)))
        above += stability(before.scores, after.scores) > by_chance(before, after)
    assert 1 <= above <= 10


def test_the_week_whose_scores_moved_is_the_one_that_drifts():
    late = TEST.event_times >= FIRST_DAY + 7 * DAY
    moved = TEST._replace(scores=np.where(late, np.minimum(TEST.scores * 3, 1), TEST.scores))
    first, second = course(moved)[0].weeks
    assert second.drift > 10 * first.drift
    assert second.drift > second.drift_by_chance
    assert first.drift < 2 * first.drift_by_chance


def test_a_second_fit_is_no_drift():
    """Its scores are others than its first fit's, which validation knows: drift is of the first, or is not said."""
    validation, test = thrown(1, lift=3.0), thrown(2, lift=3.0)
    first = contender("one", validation, test)
    again = first._replace(test=test._replace(scores=np.minimum(test.scores * 3, 1)))
    said = {}
    for name, first_fit, context in (
        ("first", None, Context()),
        ("again", first, Context(is_refit=True)),
        ("elsewhere", None, Context(is_refit=True)),
    ):  # fmt: skip
        winner = first if name == "first" else again
        evaluation = compare([winner], [], "one", None, Costs(5, 1, None), seed=1, resamples=20, first_fit=first_fit,
                             context=context)  # fmt: skip
        said[name] = evaluation.course.drift
        said[name, "validation"] = evaluation.winner.on_validation
        if evaluation.refit:
            beside = evaluation.refit.first_fit
    assert said["again"] == said["first"]
    assert said["first", "validation"] == beside.on_validation
    assert said["again", "validation"] is said["elsewhere", "validation"] is None
    assert not beside.is_baseline
    assert said["elsewhere"] is None
