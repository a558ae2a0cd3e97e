"""Days that lack labels, and days that only seem to: what counts of them say without a file."""

from collections.abc import Iterator

import numpy as np
import pytest

from risk.clock import DAY
from trainer.unlabelled import Gaps, LabelledDays, Span

DELAY, DAYS = 7, 60
FIRST = 20_000


def counted(is_fraud: np.ndarray, days: np.ndarray, delays: np.ndarray | int = 2) -> Gaps | None:
    """Rows at noon of these days, counted from the first; a label comes so many days later."""
    found = LabelledDays(DELAY)
    times = (FIRST + days) * DAY + DAY // 2
    # In pieces, as a file comes.
    for part in np.array_split(np.arange(len(days)), 7):
        when = (times + np.asarray(delays) * DAY)[part]
        found.add(times[part], is_fraud[part], np.where(is_fraud[part] >= 0, when, -1))
    return found.gaps(Span(FIRST, FIRST + DAYS - 1))


def draws(seed: int, per_day: float) -> tuple[np.random.Generator, np.ndarray]:
    dice = np.random.default_rng(seed)
    return dice, np.repeat(np.arange(DAYS), dice.poisson(per_day, DAYS))


def worlds() -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray | int]]:
    for seed in range(40):
        dice, days = draws(seed, [2, 20, 200][seed % 3])
        fraud = (dice.random(len(days)) < 0.01).astype(np.int8)
        yield "everything is labelled", fraud, days, dice.integers(0, 6, len(days))
        yield "some labels come late", fraud, days, dice.integers(0, 40, len(days))
        reviewed = np.where(dice.random(len(days)) < 0.1, fraud, -1).astype(np.int8)
        yield "a tenth is labelled", reviewed, days, 2
        yield "frauds only", np.where(fraud == 1, 1, -1).astype(np.int8), days, 2
        burst = (days % 20 < 2) & (dice.random(len(days)) < 0.3)
        yield "frauds only, in bursts", np.where(burst, 1, -1).astype(np.int8), days, 2
        confirmed = np.where(fraud == 1, 3, 30)
        yield "what is genuine is known after a month", fraud, days, confirmed


def test_files_as_they_are_raise_no_false_alarm() -> None:
    for name, is_fraud, days, delays in worlds():
        in_time = (is_fraud >= 0) & (np.asarray(delays) < DELAY - 1) & (days < DAYS - DELAY)
        if in_time.any():
            assert counted(is_fraud, days, delays) is None, name


@pytest.mark.parametrize("share", [1.0, 0.1])
def test_a_lost_week_is_seen_wherever_it_lies(share: float) -> None:
    for first in range(0, DAYS - DELAY - 7, 5):
        dice, days = draws(first, 60)
        is_fraud = np.where(dice.random(len(days)) < share, dice.random(len(days)) < 0.01, -1).astype(np.int8)
        is_fraud[(days >= first) & (days < first + 7)] = -1
        found = counted(is_fraud, days)
        assert found is not None
        assert found.runs == (Span(FIRST + first, FIRST + first + 6),)


def test_frauds_of_a_file_that_names_only_these_are_missed_for_a_week() -> None:
    dice, days = draws(1, 100)
    is_fraud = np.where(dice.random(len(days)) < 0.05, 1, -1).astype(np.int8)
    is_fraud[(days >= 30) & (days < 37)] = -1
    found = counted(is_fraud, days)
    assert found is not None
    assert found.runs == (Span(FIRST + 30, FIRST + 36),)


def frauds_only(per_day: np.ndarray, days: int = 365, transactions: int = 100) -> Gaps | None:
    """So many transactions of each day, of which so many are labelled as frauds, and nothing else."""
    found = LabelledDays(DELAY)
    places = np.arange(days).repeat(transactions)
    is_fraud = np.where(np.tile(np.arange(transactions), days) < per_day.repeat(transactions), 1, -1).astype(np.int8)
    times = (FIRST + places) * DAY
    found.add(times, is_fraud, np.where(is_fraud == 1, times + DAY, -1))
    return found.gaps(Span(FIRST, FIRST + days + DELAY - 1))


def test_frauds_in_bursts_are_never_surely_missing() -> None:
    """In half of the weeks, or from a day on: a person is told, and nothing is refused."""
    for seed in range(50):
        dice = np.random.default_rng(seed)
        weeks = dice.permutation(np.arange(53) % 2).repeat(7)[:365]
        found = frauds_only(dice.poisson(5, 365) * weeks)
        assert found is None or not found.is_sure
    found = frauds_only(np.where(np.arange(365) < 20, 0, 5))
    assert found is not None
    assert not found.is_sure
    assert found.runs == (Span(FIRST, FIRST + 19),)


def test_one_long_run_without_frauds_is_surely_missing() -> None:
    per_day = np.random.default_rng(2).poisson(3, 365)
    per_day[100:120] = 0
    found = frauds_only(per_day)
    assert found is not None
    assert found.is_sure
    assert Span(FIRST + 100, FIRST + 119) in found.runs


def test_scattered_days_without_frauds_are_seen_together() -> None:
    days = np.arange(365)
    for seed in range(20):
        dice = np.random.default_rng(seed)
        per_day = dice.poisson(10, 365)
        assert frauds_only(per_day) is None
        found = frauds_only(np.where(days % 3 == 0, 0, per_day))
        assert found is not None
        assert len(found.runs) == 122
        if not seed:
            assert frauds_only(np.where(days % 3 == 0, 0, 1000), transactions=1000) is not None
        # As many empty days as there must be, and busy days beside quiet ones.
        assert frauds_only(dice.poisson(1.5, 365)) is None
        assert frauds_only(dice.poisson(dice.gamma(1, 2, 365))) is None


def test_days_that_nothing_looks_at_are_not_looked_at() -> None:
    """From the first day less the delay and the longest window, to the last day less the delay."""
    days = np.arange(DAYS).repeat(10)
    times = (FIRST + days) * DAY
    for first, last, seen in ((50, 59, (13, 52)), (0, 59, (0, 52)), (0, 6, None), (0, 7, (0, 0))):
        found = LabelledDays(DELAY)
        found.add(times, np.full(len(days), -1, np.int8), np.full(len(days), -1))
        gaps = found.gaps(Span(FIRST + first, FIRST + last))
        expected = None if seen is None else Span(FIRST + seen[0], FIRST + seen[1])
        assert (None if gaps is None else gaps.looked_at) == expected


def test_many_days_whose_frauds_have_no_time_are_named() -> None:
    """As of one monthly file that was exported without the column's values."""
    dice, days = draws(3, 100)
    is_fraud = (dice.random(len(days)) < 0.03).astype(np.int8)
    times = (FIRST + days) * DAY
    is_timed = (is_fraud == 1) & ~((days >= 20) & (days < 40))
    found = LabelledDays(DELAY)
    found.add(times, is_fraud, np.where(is_timed, times + DAY, -1))
    gaps = found.gaps(Span(FIRST, FIRST + DAYS - 1))
    assert gaps is not None
    assert gaps.is_sure
    assert (gaps.runs, gaps.untimed) == ((), (Span(FIRST + 20, FIRST + 39),))
    assert "labelled_at) (20 of the 53 days from" in gaps.reason


def test_some_frauds_that_nobody_reported_are_no_gap() -> None:
    """One in five, and all of a burst: of a customer who never looked."""
    for seed in range(40):
        dice, days = draws(seed, [20, 200][seed % 2])
        is_fraud = (dice.random(len(days)) < 0.02).astype(np.int8)
        burst = (days == 30) & (dice.random(len(days)) < 0.5)
        is_fraud[burst] = 1
        found = LabelledDays(DELAY)
        times = (FIRST + days) * DAY
        is_reported = (dice.random(len(days)) < 0.8) & ~burst
        found.add(times, is_fraud, np.where((is_fraud == 1) & is_reported, times + DAY, -1))
        assert found.gaps(Span(FIRST, FIRST + DAYS - 1)) is None
