"""--search: who goes on to more days, what is never left behind, and what is kept of it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest

from evaluation.result import Trial
from risk.clock import DAY
from tests.trained_prints import DAYS, DELAY, history
from trainer.families.family import family_of
from trainer.families.parameters import read_parameters
from trainer.families.search import Round, rounds_of, search
from trainer.fit import Fit, Session
from trainer.preprocess import learn
from trainer.printing import Stages
from trainer.splits import Part, Period, parts_by_time, split_days
from trainer.train_options import Plan

ROUNDS = [Round(7, slice(700, None), 100), Round(14, slice(600, None), 200), Round(28, slice(None), 800)]


class Seen(NamedTuple):
    average_precision: float


def searched(values: list[float]) -> tuple[list[tuple[float, int | None]], Seen, tuple[Trial, ...]]:
    """Settings of a logistic regression, by C, each of which reaches what its C is; and what was fitted."""
    fits: list[tuple[float, int | None]] = []

    def fit(setting: Mapping[str, Any], this: Round) -> Seen:
        fits.append((setting["C"], this.days))
        return Seen(setting["C"])

    settings = [{"C": value, "max_iter": 5} for value in values]
    return fits, *search(family_of("logistic"), settings, ROUNDS, fit)


def test_the_better_half_goes_on_with_twice_the_days() -> None:
    fits, best, trials = searched([0.5, 0.1, 0.9, 0.7, 0.2])
    assert [[value for value, days in fits if days == each.days] for each in ROUNDS] == [
        [0.5, 0.1, 0.9, 0.7, 0.2],
        [0.5, 0.9, 0.7],
        [0.5, 0.9],
    ]
    assert best == Seen(0.9)
    assert [len(each.rounds) for each in trials] == [3, 1, 3, 2, 1]
    assert [each.is_chosen for each in trials] == [False, False, True, False, False]
    assert {each.model for each in trials} == {"logistic"}
    assert trials[2].parameters == {"C": 0.9}  # and not max_iter, which no search draws
    assert [(one.days, one.transactions) for one in trials[2].rounds] == [(7, 100), (14, 200), (28, 800)]


def test_what_was_asked_for_is_tried_on_all_days_however_poor_it_began() -> None:
    _, best, trials = searched([0.1, 0.4, 0.9, 0.7, 0.2])
    assert len(trials[0].rounds) == len(ROUNDS)
    assert best == Seen(0.9)
    _, best, trials = searched([0.5, 0.1])
    assert best == Seen(0.5)
    assert trials[0].is_chosen


def test_a_number_of_rows_is_as_large_a_share_of_the_rows_in_every_round() -> None:
    """A leaf's least rows: with an eighth of the rows, an eighth of them."""
    family, fits = family_of("lightgbm"), []
    asked = {**read_parameters(None, ["lightgbm"])["lightgbm"], "min_child_samples": 100}

    def fit(setting: Mapping[str, Any], _: Round) -> Seen:
        fits.append((setting["min_child_samples"], setting["num_leaves"]))
        return Seen(0.5)

    _, trials = search(family, [asked, {**asked, "min_child_samples": 3}], ROUNDS, fit)
    assert fits == [(12, 31), (1, 31), (25, 31), (1, 31), (100, 31), (3, 31)]
    assert [each.parameters["min_child_samples"] for each in trials] == [100, 3]


def test_a_forest_has_all_its_trees_in_the_last_round_only() -> None:
    """And never more than it was given."""
    family, fits = family_of("random-forest"), []
    asked = read_parameters(None, ["random-forest"])["random-forest"]

    def fit(setting: Mapping[str, Any], _: Round) -> Seen:
        fits.append(setting["n_estimators"])
        return Seen(0.5)

    search(family, [{**asked, "n_estimators": 200}, {**asked, "n_estimators": 30}], ROUNDS, fit)
    assert fits == [50, 30, 50, 30, 200, 30]


def test_of_equal_ones_the_first_is_chosen() -> None:
    _, _, trials = searched([0.5, 0.5, 0.5])
    assert [each.is_chosen for each in trials] == [True, False, False]


def fit_part(days: int, rows_of_a_day: int, fraud_every: int) -> tuple[Part, np.ndarray]:
    """Evenly spread; a day lies before them that is not part of it."""
    times = 3 * DAY + np.arange(days * rows_of_a_day) * (DAY // rows_of_a_day)
    is_fraud = np.arange(len(times)) % fraud_every == 0
    return Part(np.arange(len(times)), is_fraud, days, Period(3, 3 + days)), times


def test_a_search_begins_with_few_of_the_latest_days_and_ends_with_all() -> None:
    part, times = fit_part(100, 50, 5)
    rounds = rounds_of(part, times, 20)
    assert [each.days for each in rounds] == [7, 13, 25, 50, 100]
    assert [each.transactions for each in rounds] == [350, 650, 1250, 2500, 5000]
    for each in rounds:
        assert times[each.rows][0] == (3 + 100 - (each.days or 0)) * DAY
        assert len(times[each.rows]) == each.transactions


@pytest.mark.parametrize(
    ("drawn", "fraud_every", "days"),
    [
        (0, 5, [100]),
        (1, 5, [100]),
        (2, 5, [50, 100]),
        (5, 5, [25, 50, 100]),
        (10_000, 5, [7, 13, 25, 50, 100]),  # 4 days see no whole week
        (20, 100, [50, 100]),  # 13 frauds in 25 days
        (20, 1, [100]),  # nothing but frauds
    ],
)
def test_no_round_has_fewer_days_or_frauds_than_can_teach(drawn: int, fraud_every: int, days: list[int]) -> None:
    part, times = fit_part(100, 50, fraud_every)
    assert [each.days for each in rounds_of(part, times, drawn)] == days


def test_rows_that_were_drawn_at_random_have_no_latest_days() -> None:
    part, times = fit_part(100, 50, 3)
    rounds = rounds_of(part._replace(period=None), times, 4)
    assert [(each.days, each.transactions, len(times[each.rows])) for each in rounds] == [
        (None, 1250, 1250),
        (None, 2500, 2500),
        (None, 5000, 5000),
    ]


def found_by(seed: int, tried: int) -> Fit:
    matrix = history()
    parts = parts_by_time(matrix, split_days(*matrix.days, DELAY), DELAY)
    plan = Plan(("logistic",), read_parameters(None, ["logistic"]), "none", tried, 5.0, 1.0, None, seed)
    (model,) = Session(matrix, parts, learn(matrix, parts.fit.rows), plan, Stages()).fit_all()
    return model.fit


def test_the_same_seed_makes_the_same_trials_and_the_same_model(capsys: pytest.CaptureFixture[str]) -> None:
    found, again, other = found_by(1, 4), found_by(1, 4), found_by(2, 4)
    assert found.trials == again.trials != other.trials
    assert found.onnx == again.onnx
    assert [len(each.rounds) for each in found.trials].count(1) == 2
    assert found.average_precision == max(each.rounds[-1].average_precision for each in found.trials if each.is_chosen)
    assert found.average_precision >= found.trials[0].rounds[-1].average_precision
    assert found.trials[0].rounds[-1].days is not None
    assert found.trials[0].rounds[-1].days < DAYS
    assert "search      logistic: " in capsys.readouterr().out


def test_without_a_search_there_are_no_trials() -> None:
    assert found_by(1, 0).trials == ()
