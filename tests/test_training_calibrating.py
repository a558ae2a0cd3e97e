"""Probabilities out of raw scores: strictly rising everywhere, and near what happens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.calibrate import FEW_FRAUDS, calibration_of, has_few_frauds


def scores(count: int, seed: int, *, power: float = 1.0, share: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """True probabilities, distorted into raw scores, and what happened."""
    dice = np.random.default_rng(seed)
    truth = dice.beta(share * 2, (1 - share) * 2, count)
    return np.float64(np.float32(truth**power)), dice.random(count) < truth


def neighbours(raw: np.ndarray) -> np.ndarray:
    """Float32 scores as a model gives them, each with the next ones, and the ends."""
    narrow = raw.astype(np.float32)
    near = [np.nextafter(narrow, np.float32(side)) for side in (0, 1)]
    ends = np.array([0, 1e-30, 1e-12, 1e-7, 1 - 1e-7, 1], np.float32)
    return np.unique(np.concatenate([narrow, *near, ends, np.linspace(0, 1, 5000, dtype=np.float32)])).astype(float)


@pytest.mark.parametrize("power", [0.2, 1.0, 4.0])
def test_the_table_rises_strictly_between_any_two_scores_seen_or_not(power: float) -> None:
    raw, is_fraud = scores(4000, 1, power=power)
    calibration = calibration_of(raw, is_fraud)
    inside = neighbours(raw)
    probability = calibration.apply(inside)
    assert (np.diff(probability[inside > 1e-15]) > 0).all()
    assert (np.diff(probability) >= 0).all()
    assert probability[0] >= 0
    assert probability[-1] <= 1


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=60), st.integers(0, 2**32 - 1))
def test_any_scores_give_a_table(raw: list[float], seed: int) -> None:
    """Also few, equal and extreme ones, and where fraud has the lower scores."""
    is_fraud = np.random.default_rng(seed).random(len(raw)) < 0.5
    is_fraud[:2] = [True, False]
    calibration = calibration_of(np.array(raw), is_fraud)
    assert calibration.raw[0] == 0
    assert calibration.raw[-1] == 1
    assert (np.diff(calibration.probability) > 0).all()


@pytest.mark.parametrize("power", [0.3, 3.0])
def test_distorted_scores_become_what_happens(power: float) -> None:
    """In each tenth of other rows, the mean probability is near the share of frauds; the raw score is not."""
    calibration = calibration_of(*scores(40_000, 1, power=power))
    raw, is_fraud = scores(40_000, 2, power=power)
    probability = calibration.apply(raw)
    order = np.argsort(probability)
    for part in np.array_split(order, 10):
        assert probability[part].mean() == pytest.approx(is_fraud[part].mean(), abs=0.03)
    assert np.mean((raw - is_fraud) ** 2) > np.mean((probability - is_fraud) ** 2) + 0.001


def test_the_table_keeps_apart_what_the_model_keeps_apart() -> None:
    """A step function would leave a few dozen scores."""
    raw, is_fraud = scores(20_000, 3)
    raw = np.maximum(raw, 1e-12)
    assert len(np.unique(calibration_of(raw, is_fraud).apply(raw))) == len(np.unique(raw))


def test_a_third_of_the_knots_or_more_lie_in_the_top_twentieth() -> None:
    raw, is_fraud = scores(20_000, 3)
    knots = np.array(calibration_of(raw, is_fraud).raw)
    assert np.count_nonzero(knots > np.quantile(raw, 0.95)) > 0.33 * len(knots)


def test_few_frauds_get_the_one_coefficient_of_the_logit() -> None:
    """Scores that are right on the logit up to a factor come out right even with 60 frauds."""
    dice = np.random.default_rng(4)
    truth = dice.beta(0.05, 1.95, 2400)
    raw, is_fraud = truth**2 / (truth**2 + (1 - truth) ** 2), dice.random(2400) < truth
    assert has_few_frauds(is_fraud)
    assert not has_few_frauds(np.ones(FEW_FRAUDS, bool))
    probability = calibration_of(raw, is_fraud).apply(raw)
    inside = (probability > 0.01) & (probability < 0.99)
    slope = np.polyfit(np.log(raw / (1 - raw))[inside], np.log(probability / (1 - probability))[inside], 1)[0]
    assert slope == pytest.approx(0.5, abs=0.15)
