"""Gain and lift, held to what a plain sort says; equal scores are never parted."""

import numpy as np
import pytest

from evaluation.gain import CUTS, gain_curves, gain_rows
from tests.evidence_cases import judged_rows, thrown


def test_each_slice_is_what_a_sort_says():
    test = thrown(2, lift=3.0)
    order = np.argsort(-test.scores)
    rows = gain_rows(test)
    assert len(rows) == len(CUTS)
    for row, cut in zip(rows, CUTS, strict=True):
        top = order[: int(np.ceil(cut * len(order)))]
        assert row.down_to == pytest.approx(cut, abs=1e-3)
        assert row.frauds_so_far == test.is_fraud[top].sum() / test.is_fraud.sum()
        assert row.lift_so_far == pytest.approx(test.is_fraud[top].mean() / test.is_fraud.mean())
        amounts = np.nan_to_num(test.amounts)
        assert row.value_so_far == pytest.approx(amounts[top][test.is_fraud[top]].sum() / amounts[test.is_fraud].sum())
    assert sum(row.transactions for row in rows) == len(order)
    assert sum(row.frauds for row in rows) == test.is_fraud.sum()
    assert rows[-1].lift_so_far == 1


def test_equal_scores_stay_in_one_slice():
    """Half of the rows have one score: the slices within it are one."""
    rows = [(0.01 * place, place, 10.0, 0.9 if place < 5 else 0.1, place in (0, 7)) for place in range(10)]
    first, last = gain_rows(judged_rows(rows, days=1))
    assert (first.transactions, first.frauds, first.down_to, first.lift) == (5, 1, 0.5, 1.0)
    assert (last.transactions, last.frauds_so_far, last.lowest_score) == (5, 1.0, 0.1)


def test_without_fraud_or_amounts_nothing_is_made_up():
    test = thrown(2)
    assert gain_rows(test._replace(is_fraud=np.zeros(len(test.scores), bool))) == ()
    assert gain_rows(test._replace(amounts=np.full(len(test.scores), np.nan)))[0].value_so_far is None


def test_the_curve_goes_through_the_table():
    test = thrown(2, lift=3.0)
    looked_at, frauds, value = gain_curves(test)
    for row in gain_rows(test):
        assert np.interp(row.down_to, looked_at, frauds) == pytest.approx(row.frauds_so_far, abs=0.02)
        assert np.interp(row.down_to, looked_at, value) == pytest.approx(row.value_so_far, abs=0.03)
    assert (looked_at[-1], frauds[-1], value[-1]) == (1, 1, 1)
