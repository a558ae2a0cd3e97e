"""CP@100, with lists of two or three so that a person can follow; the highest possible against brute force."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.card_precision import card_precision
from tests.evidence_cases import judged_rows, thrown


def test_by_hand():
    """Lists of two. Day 0: customers 1 (fraud) and 2; day 1: 1 is found already, so 3 (fraud) and 2 are listed."""
    predictions = judged_rows(
        [
            (0.1, 1, 5, 0.9, True),
            (0.2, 2, 5, 0.8, False),
            (0.3, 3, 5, 0.7, True),
            (1.1, 1, 5, 0.9, True),
            (1.2, 2, 5, 0.6, False),
            (1.3, 3, 5, 0.7, True),
        ],
        days=2,
    )
    found = card_precision(predictions, places=2)
    assert found.value == 2 / 4
    assert found.possible == 2 / 4
    np.testing.assert_array_equal(found.listed, [True, True, False, False, True, True])
    np.testing.assert_array_equal(found.hits, [True, False, False, False, False, True])


def test_a_customer_takes_one_place_with_the_highest_score_of_the_day():
    """The fraud need not be the transaction that scored high."""
    predictions = judged_rows([(0.1, 1, 5, 0.2, True), (0.2, 1, 5, 0.9, False), (0.3, 2, 5, 0.8, False)], days=1)
    found = card_precision(predictions, places=1)
    assert found.value == 1
    np.testing.assert_array_equal(found.listed, [False, True, False])


def test_a_fraud_that_was_not_listed_stays_open():
    predictions = judged_rows([(0.1, 1, 5, 0.1, True), (0.2, 2, 5, 0.8, False), (1.1, 1, 5, 0.9, True)], days=2)
    assert card_precision(predictions, places=1).value == 1 / 2


def test_places_that_nobody_fills_count_as_misses():
    predictions = judged_rows([(0.1, 1, 5, 0.1, True)], days=1)
    assert card_precision(predictions).value == 1 / 100
    assert card_precision(predictions).possible == 1 / 100


def test_no_rows_no_figure():
    assert np.isnan(card_precision(judged_rows([], days=1)).value)


def test_full_days_hand_customers_over_to_other_days():
    """One place a day: C can be found on days 0 and 3, D on 0 and 2, Z only on 3; all three can be found."""
    predictions = judged_rows(
        [(0.1, 3, 5, 0.1, True), (0.2, 4, 5, 0.2, True), (1.1, 9, 5, 0.1, False), (2.1, 4, 5, 0.1, True),
         (3.1, 3, 5, 0.1, True), (3.2, 26, 5, 0.1, True)],
        days=4,
    )  # fmt: skip
    assert card_precision(predictions, places=1).possible == 3 / 4


@given(st.sets(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=9), st.integers(1, 2))
def test_the_highest_possible_is_what_brute_force_finds(frauds, places):
    """Try for every customer every day, or none, and keep the fullest lists that fit."""
    days = {}
    for customer, day in frauds:
        days.setdefault(customer, []).append(day)
    most = 0
    for choice in product(*([None, *own] for own in days.values())):
        chosen = [day for day in choice if day is not None]
        if all(chosen.count(day) <= places for day in chosen):
            most = max(most, len(chosen))
    predictions = judged_rows(
        [(day + 0.1, who, 5, 0.5, True) for who, day in sorted(frauds, key=lambda f: f[1])], days=4
    )
    found = card_precision(predictions, places)
    assert found.possible == pytest.approx(most / (places * found.days))


@pytest.mark.parametrize("lift", [0.0, 3.0, 9.0])
def test_no_ranking_beats_the_highest_possible(lift):
    predictions = thrown(21, rows=3000, customers=150, fraud_share=0.1, lift=lift)
    found = card_precision(predictions, places=10)
    assert 0 <= found.value <= found.possible <= 1


def test_two_places_against_every_list():
    """On one day the possible figure is that of the best pair of customers."""
    predictions = judged_rows([(who / 10, who, 5, 0.5, who in (2, 3)) for who in range(5)], days=1)
    best = max(len({2, 3} & set(pair)) for pair in combinations(range(5), 2))
    assert card_precision(predictions, places=2).possible == best / 2
