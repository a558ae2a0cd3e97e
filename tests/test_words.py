"""Numbers as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.clock import DAY, HOUR, SECOND
from risk.words import duration_in_words, number_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (3.0, "3"), (-12.0, "-12"), (1234567.0, "1234567"), (1234568.0, "1234568"),
        (0.1, "0.1"), (1e15, "1000000000000000"), (9999999999999998.0, "9999999999999998"), (1e16, "1e+16"),
        (1e-7, "1e-07"), (float("inf"), "inf"), (float("nan"), "nan"),
    ],
)  # fmt: skip
def test_a_number_is_written_one_way(value: float, text: str) -> None:
    """Whole ones without a point, however large; others as short as they can be."""
    assert number_text(value) == text


@given(st.floats(allow_nan=False))
def test_every_number_comes_back(value: float) -> None:
    """So that two different numbers are never one category."""
    assert float(number_text(value)) == value


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (7 * DAY, "7 days"), (DAY, "1 day"), (25 * HOUR, "25 hours"), (90 * SECOND, "90 seconds"),
        (1_500, "1,500 milliseconds"), (0, "0 days"),
    ],
)  # fmt: skip
def test_a_duration_is_said_in_the_largest_unit_that_says_it_exactly(ms: int, text: str) -> None:
    assert duration_in_words(ms) == text
