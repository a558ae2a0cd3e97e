"""Which rows teach, choose and judge, and what is known of them there."""

import numpy as np
import pytest

from risk.clock import DAY
from risk.errors import DatasetError
from testing.bundles import SAME
from tests.training_rows import made_matrix
from trainer.calibrate import work_of
from trainer.fit import say_what_is_weak
from trainer.matrix import Matrix
from trainer.report_command import drawn_folds
from trainer.splits import (
    Given,
    Part,
    Parts,
    check_labels,
    check_parts,
    known_frauds,
    parts_at_random,
    parts_by_time,
    split_days,
)
from trainer.train_options import Plan

DELAY = 7
DAYS = 120  # fit until day 64, validation 71 to 88, test from day 96
ROWS = 2400
NEVER = -1  # labelled_at of what nobody reported


def history(seed: int = 1, labelled_after: int = 3 * DAY) -> Matrix:
    dice = np.random.default_rng(seed)
    times = np.sort(dice.integers(0, DAYS * DAY, ROWS))
    times[0], times[-1] = 0, DAYS * DAY - 1
    frauds = dice.random(ROWS) < 0.2
    return made_matrix(times, frauds, times + labelled_after)


def in_time(matrix: Matrix) -> Parts:
    return parts_by_time(matrix, split_days(*matrix.days, DELAY), DELAY)


def test_a_label_is_known_before_a_moment_and_not_at_it() -> None:
    matrix = made_matrix([0, 0, 0, 0], [1, 1, 1, 0], [9, 10, NEVER, 5])
    assert known_frauds(matrix, np.arange(4), 10).tolist() == [True, False, False, False]


def test_a_label_that_comes_after_the_cutoff_changes_nothing() -> None:
    """Whatever is reported after validation starts, fit does not know; and the same for validation and test."""
    matrix = history()
    parts = in_time(matrix)
    fit_until, validation_until = parts.validation.period.first_ms, parts.test.period.first_ms  # type: ignore[union-attr]
    is_fraud, labelled_at = matrix.is_fraud.copy(), matrix.labelled_at.copy()
    for part, cutoff in ((parts.fit, fit_until), (parts.validation, validation_until)):
        genuine = part.rows[~part.is_fraud][::3]
        is_fraud[genuine], labelled_at[genuine] = 1, cutoff
    later = in_time(matrix._replace(is_fraud=is_fraud, labelled_at=labelled_at))
    assert np.array_equal(later.fit.is_fraud, parts.fit.is_fraud)
    assert np.array_equal(later.validation.is_fraud, parts.validation.is_fraud)

    labelled_at[labelled_at == fit_until] -= 1
    earlier = in_time(matrix._replace(is_fraud=is_fraud, labelled_at=labelled_at))
    assert earlier.fit.is_fraud.sum() > parts.fit.is_fraud.sum()


def test_a_fraud_that_was_never_reported_teaches_as_genuine_and_is_judged_as_fraud() -> None:
    matrix = history()
    silent = matrix._replace(labelled_at=np.full(ROWS, NEVER))
    parts = in_time(silent)
    assert not parts.fit.is_fraud.any()
    assert not parts.validation.is_fraud.any()
    assert np.array_equal(parts.test.is_fraud, matrix.is_fraud[parts.test.rows] == 1)


@pytest.mark.parametrize("validation", [Given(65, 67), Given(53, 60)])
def test_without_a_whole_gap_fit_knows_what_is_known_when_the_test_begins(validation: Given) -> None:
    """Frauds are reported on the sixth day: by the first day of validation hardly one of the week's would be known."""
    matrix = history(labelled_after=6 * DAY)
    parts = parts_by_time(matrix, split_days(*matrix.days, DELAY, Given(60, 67), Given(74, 81), validation), DELAY)
    for part in (parts.fit, parts.validation):
        assert np.array_equal(part.is_fraud, matrix.is_fraud[part.rows] == 1)
        assert part.is_fraud.any()
    late = matrix._replace(labelled_at=np.full(ROWS, 74 * DAY))
    again = parts_by_time(late, split_days(*matrix.days, DELAY, Given(60, 67), Given(74, 81), validation), DELAY)
    assert not again.fit.is_fraud.any()


@pytest.mark.parametrize(("frauds", "is_said"), [(99, True), (100, False)])
def test_few_frauds_are_said_of_each_period(capsys: pytest.CaptureFixture[str], frauds: int, is_said: bool) -> None:
    rows = np.arange(1000)
    part = Part(rows, rows < frauds, 7, None)
    say_what_is_weak(Parts(part, part, part), Plan((), {}, "none", 0, 5.0, 1.0, None, 1))
    said = capsys.readouterr().err
    for name in ("fit", "validation", "test"):
        assert (f"{name} has {frauds} frauds, fewer than 100" in said) == is_said


def test_rows_lie_in_their_period_and_rows_of_the_gaps_in_none() -> None:
    matrix = history()
    parts = in_time(matrix)
    for part, (first, until) in zip(parts, [(0, 64), (71, 89), (96, 120)], strict=True):
        days = matrix.event_times[part.rows] // DAY
        assert (days.min(), days.max() + 1, part.days) == (first, until, until - first)
        assert len(part.rows) == np.count_nonzero(
            (matrix.event_times >= first * DAY) & (matrix.event_times < until * DAY)
        )


def test_a_row_without_a_label_neither_teaches_nor_judges() -> None:
    matrix = history()
    is_fraud = matrix.is_fraud.copy()
    is_fraud[::10] = -1
    parts = in_time(matrix._replace(is_fraud=is_fraud))
    assert all((is_fraud[part.rows] >= 0).all() for part in parts)


def test_days_without_a_label_are_no_quiet_days() -> None:
    """They count in no figure per day; days with some labels do, and days without a transaction, too."""
    matrix = history()
    days, is_fraud = matrix.event_times // DAY, matrix.is_fraud.copy()
    is_fraud[(days >= 71) & (days < 76)] = -1
    is_fraud[np.flatnonzero(days == 80)[::2]] = -1
    is_kept = days != 85
    matrix = matrix._replace(is_fraud=is_fraud)
    fit, validation, test = in_time(kept(matrix, is_kept))
    assert (fit.days, validation.days, test.days) == (64, 13, 24)
    assert np.array_equal(np.unique((days[is_kept])[validation.unlabelled]), [71, 72, 73, 74, 75, 80])
    assert not len(test.unlabelled)


def kept(matrix: Matrix, rows: np.ndarray) -> Matrix:
    return made_matrix(matrix.event_times[rows], matrix.is_fraud[rows], matrix.labelled_at[rows])


def test_a_random_split_has_each_labelled_row_once_and_as_many_frauds_everywhere() -> None:
    matrix = history()
    parts = parts_at_random(matrix, 7)
    assert np.array_equal(np.sort(np.concatenate([part.rows for part in parts])), np.arange(ROWS))
    shares = [part.is_fraud.mean() for part in parts]
    assert max(shares) - min(shares) < 0.003
    assert [len(part.rows) / ROWS for part in parts] == pytest.approx([0.68, 0.12, 0.20], abs=0.002)
    assert all((np.diff(part.rows) > 0).all() for part in parts)
    assert not np.array_equal(parts_at_random(matrix, 8).test.rows, parts.test.rows)


def test_a_random_split_deals_out_what_has_no_label_as_well() -> None:
    """For the number of cases: every fourth row lacks one. It changes nothing of what is drawn of the others."""
    matrix = history()
    without = np.arange(0, ROWS, 4)
    matrix.is_fraud[without] = -1
    parts = parts_at_random(matrix, 7)
    assert np.array_equal(np.sort(np.concatenate([part.unlabelled for part in parts])), without)
    assert [len(part.unlabelled) / len(without) for part in parts] == pytest.approx([0.68, 0.12, 0.20], abs=0.002)
    assert not any(np.isin(part.rows, without).any() for part in parts)
    raw = np.zeros(len(parts.validation.rows))
    every = work_of(matrix, parts.validation, raw, np.ones(len(parts.validation.unlabelled)), SAME)
    assert every is not None
    assert every.days == parts.validation.days
    assert len(every.scores) == len(parts.validation.rows) + len(parts.validation.unlabelled)
    assert every.scores.sum() == len(parts.validation.unlabelled)


def test_fewer_than_20_known_frauds_are_refused_with_their_number_and_period() -> None:
    matrix = history()
    parts = in_time(matrix)
    few = parts.validation._replace(is_fraud=np.arange(len(parts.validation.rows)) < 19)
    with pytest.raises(DatasetError, match=r"got 19 known frauds among .* in the validation period .* at least 20"):
        check_parts(parts._replace(validation=few), "file.csv")
    check_parts(parts._replace(validation=few._replace(is_fraud=np.arange(len(few.rows)) < 20)), "file.csv")


def test_a_test_without_fraud_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    parts = in_time(history())
    check_parts(parts._replace(test=parts.test._replace(is_fraud=np.zeros(len(parts.test.rows), bool))), "file.csv")
    assert "warning: there is no fraud in the test" in capsys.readouterr().err


@pytest.mark.parametrize(("label", "words"), [(0, "no fraud"), (1, "frauds only"), (-1, "no label")])
def test_one_class_or_none_is_refused(label: int, words: str) -> None:
    matrix = history()
    with pytest.raises(DatasetError, match=f"got {words} "):
        check_labels(matrix._replace(is_fraud=np.full(ROWS, label, np.int8)), "file.csv")


@pytest.mark.parametrize("count", [2, 3, 5, 10])
@pytest.mark.parametrize("frauds", [30, 60, 100, 1000])
def test_folds_give_each_part_its_share_of_each_class(frauds: int, count: int) -> None:
    """And every row is tested once."""
    is_fraud = np.arange(5000) < frauds
    matrix = made_matrix(np.zeros(5000), is_fraud, np.ones(5000))
    tested = []
    for fit, validation, test in drawn_folds(matrix, 1, count):
        tested += test.tolist()
        assert sorted([*fit, *validation, *test]) == list(range(5000))
        for of_class in (is_fraud, ~is_fraud):
            size = int(of_class.sum())
            assert abs(int(of_class[test].sum()) - size / count) < 1
            rest = size - int(of_class[test].sum())
            assert abs(int(of_class[validation].sum()) - 0.15 * rest) <= 1
    assert sorted(tested) == list(range(5000))
