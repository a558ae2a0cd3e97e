"""The split by days: fit, a gap, validation, a gap, test. Cuts are UTC midnights.

The gaps are as long as the label delay, so that what is learned from has had its labels before what comes next begins.
"""

import re
from typing import NamedTuple

from console.terminal import warn
from risk.clock import DAY, date_ms, to_datetime
from risk.errors import DatasetError, OptionError

TEST_PERCENT = 20
VALIDATION_PERCENT = 15


class Period(NamedTuple):
    """Whole UTC days, counted from 1970-01-01; `until` is not part of it."""

    first: int
    until: int

    @property
    def days(self) -> int:
        return self.until - self.first

    @property
    def first_ms(self) -> int:
        return self.first * DAY

    @property
    def until_ms(self) -> int:
        return self.until * DAY

    def __str__(self) -> str:
        return f"{day_text(self.first)} to {day_text(self.until - 1)} ({self.days} days)"


class Periods(NamedTuple):
    fit: Period
    validation: Period
    test: Period


class Given(NamedTuple):
    """What --train or --test says; None where it is left to the data."""

    first: int | None
    until: int | None


NOT_GIVEN = Given(None, None)


def day_text(day: int) -> str:
    return to_datetime(day * DAY).date().isoformat()


def parsed_period(option: str, text: str | None) -> Given:
    """FROM..UNTIL as dates, UNTIL excluded; either may be empty."""
    if text is None:
        return NOT_GIVEN
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)?\.\.(\d{4}-\d\d-\d\d)?", text.strip())
    try:
        if match is None or not any(match.groups()):
            raise ValueError(text)
        days = [None if part is None else date_ms(part) // DAY for part in match.groups()]
    except ValueError:
        raise OptionError(
            f"{option}: got {text!r}, expected FROM..UNTIL as dates, UNTIL excluded, such as 2024-01-01..2024-04-01; "
            "one of the two may be left empty"
        ) from None
    given = Given(*days)
    if given.first is not None and given.until is not None and given.first >= given.until:
        raise OptionError(f"{option}: got {text!r}, expected a FROM that is before UNTIL")
    return given


def split_days(first: int, last: int, delay: int, train: Given = NOT_GIVEN, test: Given = NOT_GIVEN) -> Periods:
    """The periods of data that has events from day `first` to day `last`, with gaps of `delay` days."""
    data = Period(first, last + 1)
    _check_inside("--train", train, data)
    _check_inside("--test", test, data)
    tested = _test_period(data, delay, train, test)
    outer_until = tested.first - delay if train.until is None else train.until
    outer = Period(max(first, _or(train.first, first)), min(outer_until, data.until))
    if outer.until > tested.first:
        raise OptionError(
            f"--train: got days until {day_text(outer.until - 1)}, expected an end before the test begins on "
            f"{day_text(tested.first)}; a model must not be judged on days that it learned from"
        )
    # A share of all the days, unless the train period was given; then of that period.
    whole = outer.days if train != NOT_GIVEN or test != NOT_GIVEN else data.days
    validation = Period(outer.until - _share(whole, VALIDATION_PERCENT), outer.until)
    fit = Period(outer.first, validation.first - delay)
    if fit.days < 1 or tested.days < 1 or validation.days < 1:
        raise DatasetError(
            f"too few days to split: got data from {data}, of which {max(outer.days, 0)} to train on and "
            f"{max(tested.days, 0)} to test on, with a label delay of {delay} days; expected {_needed(delay)}. "
            "Bring a longer history, give a shorter --label-delay, or use --split random if the times mean nothing."
        )
    return Periods(fit, validation, tested)


def warn_of_short_gap(periods: Periods, delay: int) -> None:
    """Between fit and validation the gap is always whole; only given periods can make the other one shorter."""
    gap = periods.test.first - periods.validation.until
    if gap < delay:
        warn(
            f"got {gap} days between validation and test, expected {delay}, the label delay: frauds of the last "
            "validation days that were not reported yet when the test begins count as genuine"
        )


def _test_period(data: Period, delay: int, train: Given, test: Given) -> Period:
    if test != NOT_GIVEN:
        begin = _or(test.first, data.first if train.until is None else train.until + delay)
        return Period(max(begin, data.first), min(_or(test.until, data.until), data.until))
    if train.until is not None:
        return Period(train.until + delay, data.until)
    return Period(data.until - _share(data.days, TEST_PERCENT), data.until)


def _check_inside(option: str, given: Given, data: Period) -> None:
    if (given.first is not None and given.first >= data.until) or (
        given.until is not None and given.until <= data.first
    ):
        first, until = ("" if day is None else day_text(day) for day in given)
        raise OptionError(f"{option}: got {first}..{until}, which is outside the data, which goes from {data}")


def _needed(delay: int) -> str:
    days = next(n for n in range(1, 10_000) if _fit_days(n, delay) >= 1)
    return (
        f"at least {days} days in all (fit, {delay} days, validation, {delay} days, test), or periods that leave room"
    )


def _fit_days(days: int, delay: int) -> int:
    return days - _share(days, TEST_PERCENT) - _share(days, VALIDATION_PERCENT) - 2 * delay


def _share(days: int, percent: int) -> int:
    """Rounded up, in integers: 15 % of 20 days is 3 and not 4 because of a float."""
    return -(-days * percent // 100)


def _or(given: int | None, otherwise: int) -> int:
    return otherwise if given is None else given
