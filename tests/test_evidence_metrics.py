"""The figures of a classifier: by hand, against scikit-learn, and weighted against repeated rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from evaluation.ranking import Ranking, areas, brier, calibration, confusion, precision_recall, ratio, roc_curve
from tests.evidence_cases import thrown

FEW_SCORES = st.sampled_from((0.0, 0.25, 0.5, 0.75, 1.0))
ROWS = st.lists(st.tuples(FEW_SCORES, st.booleans(), st.integers(0, 3)), min_size=1, max_size=30)


def arrays(rows):
    scores, is_fraud, copies = zip(*rows, strict=True)
    return np.array(scores), np.array(is_fraud), np.array(copies, np.int64)


def test_areas_by_hand():
    """Frauds 0.9 and 0.5, genuine 0.5 and 0.1: three and a half of four pairs are in order; precisions 1 and 2/3."""
    found = areas(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False]))
    assert found.roc_auc == 3.5 / 4
    assert found.average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_confusion_by_hand():
    cells = confusion(np.array([0.9, 0.5, 0.5, 0.1, 0.2]), np.array([True, True, False, False, True]), 0.5)
    assert cells == (2, 1, 1, 1)
    assert (cells.accuracy, cells.precision, cells.recall) == (3 / 5, 2 / 3, 2 / 3)
    assert cells.f1 == pytest.approx(2 / 3)


def test_what_cannot_be_said_is_nan():
    """Nothing flagged, no fraud, no row: a missing figure, never a warning or a zero."""
    nobody = confusion(np.array([0.1, 0.2]), np.array([False, False]), 0.5)
    assert np.isnan([nobody.precision, nobody.recall, nobody.f1]).all()
    assert np.isnan(areas(np.array([0.1, 0.2]), np.array([False, False]))).all()
    assert np.isnan(areas(np.zeros(0), np.zeros(0, bool))).all()
    assert np.isnan(brier(np.zeros(0), np.zeros(0, bool)))


def test_without_genuine_rows_there_is_precision_but_no_roc():
    only_frauds = areas(np.array([0.1, 0.2]), np.array([True, True]))
    assert np.isnan(only_frauds.roc_auc)
    assert only_frauds.average_precision == 1


def test_ratio_takes_numbers_and_arrays():
    assert ratio(1, 4) == 0.25
    assert np.isnan(ratio(1, 0))
    np.testing.assert_array_equal(ratio(np.array([1, 2]), np.array([0, 4])), [np.nan, 0.5])


@pytest.mark.parametrize("grid", [0, 20])
def test_scikit_learn_says_the_same(grid):
    """With and without ties; of the areas, with and without weights."""
    predictions = thrown(1, grid=grid)
    scores, truth = predictions.scores, predictions.is_fraud
    for weights in (None, np.random.default_rng(2).integers(0, 4, len(scores))):
        found = areas(scores, truth, weights)
        assert found.roc_auc == pytest.approx(roc_auc_score(truth, scores, sample_weight=weights), abs=1e-12)
        expected = average_precision_score(truth, scores, sample_weight=weights)
        assert found.average_precision == pytest.approx(expected, abs=1e-12)
    assert brier(scores, truth) == pytest.approx(brier_score_loss(truth, scores), abs=1e-12)
    cells, flagged = confusion(scores, truth, 0.1), scores >= 0.1
    pairs = ((cells.accuracy, accuracy_score), (cells.precision, precision_score), (cells.recall, recall_score),
             (cells.f1, f1_score))  # fmt: skip
    for value, theirs in pairs:
        assert value == pytest.approx(theirs(truth, flagged), abs=1e-12)


@given(ROWS)
def test_whole_weights_are_repeated_rows(rows):
    """A row of weight three counts as three rows, one of weight zero is not there: ties or not."""
    scores, is_fraud, copies = arrays(rows)
    again = np.repeat(np.arange(len(scores)), copies)
    np.testing.assert_allclose(areas(scores, is_fraud, copies), areas(scores[again], is_fraud[again]), rtol=1e-12)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_means_nothing(rows, shuffler):
    scores, is_fraud, copies = arrays(rows)
    order = np.array(shuffler.sample(range(len(rows)), len(rows)))
    np.testing.assert_allclose(
        areas(scores, is_fraud, copies), areas(scores[order], is_fraud[order], copies[order]), rtol=1e-12
    )


@given(ROWS)
def test_the_roc_area_counts_pairs(rows):
    """By brute force: the share of pairs of fraud and genuine in which the fraud scores higher, ties half."""
    scores, is_fraud, _ = arrays(rows)
    pairs = [
        1.0 if fraud > genuine else 0.5 if fraud == genuine else 0.0
        for fraud in scores[is_fraud]
        for genuine in scores[~is_fraud]
    ]
    found = areas(scores, is_fraud).roc_auc
    assert np.isnan(found) if not pairs else found == pytest.approx(np.mean(pairs), abs=1e-12)


def test_weights_of_units_reach_their_rows():
    predictions = thrown(3)
    ranking, copies = Ranking(predictions.scores, predictions.is_fraud), np.random.default_rng(4).integers(0, 3, 200)
    by_row = ranking.areas(copies[predictions.customers])
    assert ranking.weighed_by(predictions.customers).areas(copies) == by_row


def test_curves_run_from_corner_to_corner_and_enclose_the_areas():
    """The thinned points still give both areas to three places."""
    predictions = thrown(5, rows=30_000)
    roc = roc_curve(predictions.scores, predictions.is_fraud)
    assert (roc.false_positive_rate[0], roc.recall[0]) == (0, 0)
    assert (roc.false_positive_rate[-1], roc.recall[-1]) == (1, 1)
    assert len(roc.recall) <= 501
    found = areas(predictions.scores, predictions.is_fraud)
    assert np.trapezoid(roc.recall, roc.false_positive_rate) == pytest.approx(found.roc_auc, abs=1e-3)
    curve = precision_recall(predictions.scores, predictions.is_fraud)
    steps = np.diff(curve.recall, prepend=0)
    assert (steps * curve.precision).sum() == pytest.approx(found.average_precision, abs=2e-3)


@given(ROWS)
def test_calibration_bins_hold_every_row_once(rows):
    scores, is_fraud, _ = arrays(rows)
    bins = calibration(scores, is_fraud, np.arange(len(scores)) // 3)
    assert bins.rows.sum() == len(scores)
    assert (bins.rows * bins.observed).sum() == pytest.approx(is_fraud.sum())
    assert (bins.rows * bins.predicted).sum() == pytest.approx(scores.sum())
    assert ((bins.low <= bins.observed + 1e-12) & (bins.observed <= bins.high + 1e-12)).all()


def test_honest_scores_lie_on_the_diagonal():
    """Outcomes thrown with the scores as probabilities: the intervals cover the diagonal in nearly all bins."""
    random = np.random.default_rng(6)
    scores = random.beta(0.3, 6, 50_000)
    bins = calibration(scores, random.random(50_000) < scores, np.arange(50_000))
    assert len(bins.rows) == 12
    assert ((bins.low <= bins.predicted) & (bins.predicted <= bins.high)).sum() >= 11


@pytest.mark.parametrize("customers", [100, 300])
def test_calibration_intervals_cover_where_frauds_come_in_bursts(customers):
    """Eight rows of a customer are all frauds, or none: 95 % means nine in ten bins at least. By rows it was half."""
    covered = total = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        claimed = random.beta(0.5, 12, (customers, 6))
        is_fraud = (random.random(claimed.shape) < claimed).ravel().repeat(8)
        bins = calibration(claimed.ravel().repeat(8), is_fraud, np.arange(customers).repeat(48))
        covered += int(((bins.low <= bins.predicted) & (bins.predicted <= bins.high)).sum())
        total += len(bins.rows)
    assert 0.9 <= covered / total <= 0.99
