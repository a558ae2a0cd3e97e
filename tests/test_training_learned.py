"""What is learned of each feature: from the fit rows, and from nothing else."""

import numpy as np
import pytest

from risk.bundle import LearnedCategory, LearnedNumber
from risk.catalogue import FeatureSet
from risk.clock import DAY
from risk.scorer import Preparation
from tests.training_rows import made_matrix
from trainer.matrix import Matrix
from trainer.preprocess import Features, learn

COUNT = 2001


def matrix_of(amounts: np.ndarray, channels: np.ndarray | None = None) -> Matrix:
    return made_matrix(np.arange(len(amounts)), np.zeros(len(amounts)), np.zeros(len(amounts)),
                       amounts=amounts, channels=channels)  # fmt: skip


def number(features: Features, name: str) -> LearnedNumber:
    found = next(feature for feature in features.learned if feature.name == name)
    assert isinstance(found, LearnedNumber)
    return found


def test_median_and_clip_points_are_values_of_the_fit_rows() -> None:
    features = learn(matrix_of(np.arange(COUNT, dtype=float)), np.arange(COUNT))
    amount = number(features, "amount")
    assert (amount.median, amount.clip_low, amount.clip_high) == (1000, 2, 1998)
    assert amount.reference == amount.median


def test_other_rows_change_nothing() -> None:
    """Whatever stands in validation and test, what was learned from fit stays the same."""
    amounts = np.arange(COUNT, dtype=float)
    rows = np.arange(1000)
    one = learn(matrix_of(amounts, np.arange(COUNT) % 2), rows)
    amounts[1000:] = 1e9
    other = learn(matrix_of(amounts, np.where(np.arange(COUNT) < 1000, np.arange(COUNT) % 2, 2)), rows)
    assert one == other


def test_a_rare_yes_is_not_cut_off() -> None:
    """A flag that is 1 in fewer than 1 of 1,000 rows keeps its range; or it would be a constant."""
    matrix = matrix_of(np.where(np.arange(COUNT) == 5, 1.0, 0.0))
    matrix.values[7, 2] = 1.0
    features = learn(matrix, np.arange(COUNT))
    assert number(features, "night").clip_high == 1
    assert number(features, "amount").clip_high == 1


def test_missing_values_take_no_part_and_are_counted() -> None:
    amounts = np.where(np.arange(COUNT) % 2 == 0, np.nan, 5.0)
    features = learn(matrix_of(amounts), np.arange(COUNT))
    assert number(features, "amount").median == 5
    assert features.drift[0].missing == pytest.approx(1001 / 2001)
    assert features.drift[0].deciles == (5.0,) * 11


def test_a_feature_that_is_always_missing_is_dropped_and_said() -> None:
    features = learn(matrix_of(np.full(COUNT, np.nan)), np.arange(COUNT))
    assert "amount" not in [feature.name for feature in features.learned]
    assert features.dropped == ("amount: every value is missing in the fit period",)


def test_the_vocabulary_is_sorted_by_count_and_then_by_name_and_leaves_rare_words_out() -> None:
    """terminal 40 times, online and phone 20 each: online before phone. With 19, phone is left out."""
    channels = np.array([1] * 40 + [2] * 20 + [0] * 20 + [-1] * 5)
    features = learn(matrix_of(np.ones(85), channels), np.arange(85))
    assert features.learned[-1] == LearnedCategory("channel", ("terminal", "online", "phone"), "terminal")
    assert features.drift[-1].missing == pytest.approx(5 / 85)
    assert features.drift[-1].shares["terminal"] == pytest.approx(40 / 85)
    channels[40] = -1
    features = learn(matrix_of(np.ones(85), channels), np.arange(85))
    assert features.learned[-1] == LearnedCategory("channel", ("terminal", "online"), "terminal")


def test_a_matrix_is_prepared_as_a_batch_of_the_worker_is() -> None:
    """Missing becomes the median, far out is clipped, a missing word is code 0, and one that is not known 1."""
    channels = np.array([0] * 30 + [1] * 25 + [2, -1])
    amounts = np.array([3.0] * 55 + [np.nan, 1e9])
    matrix = matrix_of(amounts, channels)
    features = learn(matrix, np.arange(55))
    values = matrix.prepared(Preparation(features.learned), np.array([0, 54, 55, 56]))
    assert values.dtype == np.float32
    assert values[:, 0].tolist() == [3, 3, 3, 3]
    assert values[:, -1].tolist() == [2, 3, 1, 0]


def test_what_drift_is_measured_against_leaves_out_the_days_that_lack_their_past() -> None:
    """Counts of thirty days rise while the file begins; later days would all seem to have drifted from that."""
    times = np.arange(40 * 100) * (DAY // 100)
    few = FeatureSet(frozenset({"customer_id"}))
    matrix = made_matrix(times, np.zeros(len(times)), times, feature_set=few)
    names = [feature.name for feature in few.numbers]
    matrix.values[:, names.index("customer_count_30d")] = np.minimum(times // DAY, 30)
    found = {each.name: each for each in learn(matrix._replace(categories={}), np.arange(len(times))).drift}
    assert found["amount"].rows == found["hour"].rows == 4_000
    assert found["customer_count_7d"].rows == 33 * 100
    assert found["customer_count_30d"].rows == 10 * 100
    assert found["customer_count_30d"].deciles == (30.0,) * 11
    short = {each.name: each for each in learn(matrix._replace(categories={}), np.arange(2_000)).drift}
    assert short["customer_count_30d"].rows == 0
    assert short["customer_count_30d"].parts == ()
