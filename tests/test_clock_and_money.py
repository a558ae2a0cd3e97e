"""Times are whole milliseconds and amounts whole minor units: both come back from text as they were."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.clock import EARLIEST, LATEST, day_of, to_datetime, to_datetimes, to_ms, to_text
from risk.money import EXPONENTS, LARGEST_MINOR, to_major, to_minor


@given(st.lists(st.integers(EARLIEST, LATEST - 1)))
def test_many_times_are_what_each_is_alone(times: list[int]) -> None:
    assert to_datetimes(np.array(times, np.int64)) == [to_datetime(ms) for ms in times]
    assert all(moment.utcoffset() == timedelta(0) for moment in to_datetimes(np.array(times, np.int64)))


@given(st.integers(EARLIEST, LATEST - 1))
def test_a_time_comes_back_from_its_text(ms: int) -> None:
    assert to_ms(datetime.fromisoformat(to_text(ms))) == ms
    assert to_ms(to_datetime(ms)) == ms


def test_what_is_finer_than_a_millisecond_is_cut_off() -> None:
    assert to_ms(datetime(1970, 1, 1, 1, 0, 0, 1999, tzinfo=timezone(timedelta(hours=1)))) == 1


def test_times_are_told_with_milliseconds_only_where_there_are_some() -> None:
    assert to_text(1714564800250) == "2024-05-01T12:00:00.250Z"
    assert to_text(1714564800000) == "2024-05-01T12:00:00Z"


def test_the_sane_range_is_1990_to_2200() -> None:
    assert (to_text(EARLIEST), to_text(LATEST)) == ("1990-01-01T00:00:00Z", "2200-01-01T00:00:00Z")


def test_days_change_at_midnight_utc() -> None:
    assert day_of(86_399_999) == 0
    assert day_of(86_400_000) == 1


@given(st.sampled_from(sorted(EXPONENTS)), st.integers(0, LARGEST_MINOR))
def test_minor_units_come_back_from_the_decimal_number(currency: str, minor: int) -> None:
    decimal = repr(to_major(minor, currency))
    assert to_minor(float(decimal), currency) == minor


@pytest.mark.parametrize(
    ("currency", "exponent"), [("JPY", 0), ("CLP", 0), ("EUR", 2), ("USD", 2), ("KWD", 3), ("TND", 3)]
)
def test_exponents_are_those_of_iso_4217(currency: str, exponent: int) -> None:
    assert EXPONENTS[currency] == exponent


@given(st.sampled_from(sorted(EXPONENTS)), st.floats(0, 1e10) | st.integers(0, 10**6).map(lambda n: n / 8))
def test_an_amount_is_rounded_to_the_nearest_minor_unit_ties_to_even(currency: str, amount: float) -> None:
    assert to_minor(amount, currency) == round(amount * 10 ** EXPONENTS[currency])
