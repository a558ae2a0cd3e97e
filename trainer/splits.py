"""Which rows are learned from, which choose, and which judge; and the labels as they were known at each time.

By days: fit, a gap, validation, a gap, test. Cuts are UTC midnights. The gaps are as long as the label delay, so that
what is learned from has had its labels before what comes next begins. A short history has no room for the gap between
fit and validation: then both have the labels that are known when the test begins, which is when a training would run.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from console.terminal import notice, warn
from risk.clock import DAY, date_ms, to_datetime
from risk.codes import Array
from risk.errors import DatasetError, OptionError
from trainer.matrix import Matrix

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
    """What --train, --validation or --test says; None where it is left to the data."""

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


def split_days(
    first: int,
    last: int,
    delay: int,
    train: Given = NOT_GIVEN,
    test: Given = NOT_GIVEN,
    validation: Given = NOT_GIVEN,
) -> Periods:
    """The periods of data that has events from day `first` to day `last`, with gaps of `delay` days."""
    data = Period(first, last + 1)
    for option, given in (("--train", train), ("--validation", validation), ("--test", test)):
        _check_inside(option, given, data)
    tested = _test_period(data, delay, train, test)
    outer_until = tested.first - delay if train.until is None else train.until
    outer = Period(max(first, _or(train.first, first)), min(outer_until, data.until))
    if outer.until > tested.first:
        raise OptionError(
            f"--train: got days until {day_text(outer.until - 1)}, expected an end before the test begins on "
            f"{day_text(tested.first)}; a model must not be judged on days that it learned from"
        )
    if validation == NOT_GIVEN:
        # A share of all the days, unless the train period was given; then of that period.
        whole = outer.days if train != NOT_GIVEN or test != NOT_GIVEN else data.days
        chosen = Period(outer.until - _share(whole, VALIDATION_PERCENT), outer.until)
    else:
        chosen = _validation_period(validation, data, outer, tested, delay, is_open=train.until is None)
    fit = _fit_period(outer, chosen, delay)
    if fit.days < 1 or tested.days < 1 or chosen.days < 1:
        raise DatasetError(
            f"too few days to split: got data from {data}, of which {max(outer.days, 0)} to train on and "
            f"{max(tested.days, 0)} to test on, with a label delay of {delay} days; expected {_needed(delay)}. "
            "Bring a longer history, give a shorter --label-delay, or use --split random if the times mean nothing."
        )
    return Periods(fit, chosen, tested)


def _validation_period(
    given: Given, data: Period, outer: Period, tested: Period, delay: int, *, is_open: bool
) -> Period:
    """Open, it ends with the training period, or behind that where the gap before the test begins. `is_open`: the
    training period has no end of its own, and ends with validation."""
    first = max(_or(given.first, data.first), data.first)
    until = _or(given.until, outer.until if first < outer.until else tested.first - delay)
    if until <= first:
        raise OptionError(
            f"--validation: got {day_text(first)} as its first day, expected one that is more than {delay} days, the "
            f"label delay, before the test begins on {day_text(tested.first)}; begin earlier, or give UNTIL"
        )
    if until > tested.first:
        raise OptionError(
            f"--validation: got days until {day_text(until - 1)}, expected an end before the test begins on "
            f"{day_text(tested.first)}; what is chosen there must not have seen the test"
        )
    if outer.first < first and until < outer.until and not is_open:
        raise OptionError(
            f"--validation: got {day_text(first)}..{day_text(until)}, which cuts the training period {outer} in two; "
            "expected it before that period, at its beginning, at its end, or after it"
        )
    return Period(first, until)


def _fit_period(outer: Period, validation: Period, delay: int) -> Period:
    """What is left of the training period: behind validation where that comes first, or else before it. The gap
    between them is whole where the fit period stays as long as validation with it, and otherwise there is none."""
    if validation.first <= outer.first:
        return Period(max(outer.first, validation.until), outer.until)
    with_gap = Period(outer.first, min(outer.until, validation.first - delay))
    return with_gap if with_gap.days >= validation.days else Period(outer.first, min(outer.until, validation.first))


def has_whole_gap(periods: Periods, delay: int) -> bool:
    """Whether all labels of the fit period were there when validation began."""
    return periods.validation.first - periods.fit.until >= delay


def moved_to_end(periods: Periods, first: int, last: int) -> Periods:
    """The same lengths and gaps, so that the test ends with day `last`; what would lie before day `first` is cut off,
    and nothing may be left of a period then."""
    shift = last + 1 - periods.test.until
    moved = Periods(*(Period(max(period.first + shift, first), period.until + shift) for period in periods))
    if min(period.days for period in moved) < 1:
        raise DatasetError(
            f"too few days: got data from {Period(first, last + 1)}, expected enough for periods as long as those of "
            f"the bundle in use: fit {periods.fit.days} days, validation {periods.validation.days}, test "
            f"{periods.test.days}, and the gaps between them. Wait for more, or train a bundle without naming days."
        )
    return moved


def warn_of_short_gaps(periods: Periods, delay: int) -> None:
    fit, validation, test = periods
    if validation.first < fit.first:
        notice(
            "validation lies before the fit period: thresholds, calibration and the champion are chosen by scores of "
            "days that are older than what the models learned from"
        )
    elif not has_whole_gap(periods, delay):
        warn(
            f"got {validation.first - fit.until} days between fit and validation, expected {delay}, the label delay: "
            "validation follows what the models learned from more closely than the test will, so what it chooses may "
            "look better there than it is"
        )
    gap = test.first - max(fit.until, validation.until)
    if gap < delay:
        warn(
            f"got {gap} days between {'validation' if validation.until >= fit.until else 'fit'} and test, expected "
            f"{delay}, the label delay: frauds of the last days before the test that were not reported yet when it "
            "begins count as genuine"
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
    return f"at least {days} days in all (fit, validation, {delay} days, test), or periods that leave room"


def _fit_days(days: int, delay: int) -> int:
    return days - _share(days, TEST_PERCENT) - _share(days, VALIDATION_PERCENT) - delay


def _share(days: int, percent: int) -> int:
    """Rounded up, in integers: 15 % of 20 days is 3 and not 4 because of a float."""
    return -(-days * percent // 100)


def _or(given: int | None, otherwise: int) -> int:
    return otherwise if given is None else given


def known_frauds(matrix: Matrix, rows: Array, when: int | None) -> Array:
    """Which of these rows were known as frauds before a moment (None: ever). Reported later, or never, is genuine."""
    reported = matrix.labelled_at[rows]
    is_known = reported >= 0
    if when is not None:
        is_known &= reported < when
    return np.asarray(true_frauds(matrix, rows) & is_known)


def true_frauds(matrix: Matrix, rows: Array) -> Array:
    return np.asarray(matrix.is_fraud[rows] == 1)


LEAST_FRAUDS = 20
LEAST_ROWS = 1000


class Part(NamedTuple):
    """Rows of a matrix in event-time order."""

    rows: Array
    is_fraud: Array  # bool: as it was known then; in the test the truth
    days: int  # that something is known of, for figures per day
    period: Period | None  # None where rows were drawn at random
    unlabelled: Array = np.empty(0, np.int64)  # and rows of which nobody knows whether they were frauds


class Parts(NamedTuple):
    fit: Part
    validation: Part
    test: Part


def parts_by_time(matrix: Matrix, periods: Periods, delay: int) -> Parts:
    """Validation knows what was known when the test starts. Fit knows what was known when validation starts, or where
    no whole label delay lies between them, when the test starts: without labels nothing could be learned."""
    fit, validation, tested = (_labelled(matrix, _rows_of(matrix, period))[0] for period in periods)
    fitted_on = periods.validation.first_ms if has_whole_gap(periods, delay) else periods.test.first_ms
    return Parts(
        part_of(matrix, known_frauds(matrix, fit, fitted_on), periods.fit),
        part_of(matrix, known_frauds(matrix, validation, periods.test.first_ms), periods.validation),
        part_of(matrix, true_frauds(matrix, tested), periods.test),
    )


def refit_part(matrix: Matrix, parts: Parts) -> Part:
    """Fit and validation as one, with the days between them: their labels are those known when the test begins."""
    fit, validation, test = (part.period for part in parts)
    if fit is None or validation is None or test is None:
        rows = np.sort(np.concatenate([parts.fit.rows, parts.validation.rows]))
        return Part(rows, known_frauds(matrix, rows, None), parts.fit.days + parts.validation.days, None)
    period = Period(min(fit.first, validation.first), max(fit.until, validation.until))
    rows, _ = _labelled(matrix, _rows_of(matrix, period))
    return part_of(matrix, known_frauds(matrix, rows, test.first_ms), period)


def parts_at_random(matrix: Matrix, seed: int) -> Parts:
    """For data whose times mean nothing: shares of the rows, with as many frauds in each as in all, and as much of what
    has no label."""
    rows, others = _labelled(matrix, np.arange(matrix.row_count))
    dice = np.random.default_rng(seed)
    place = np.empty(matrix.row_count)
    frauds = true_frauds(matrix, rows)
    for of_class in (rows[frauds], rows[~frauds], others):
        place[dice.permutation(of_class)] = (np.arange(len(of_class)) + 0.5) / max(len(of_class), 1)
    test_from = 1 - TEST_PERCENT / 100
    validation_from = test_from * (1 - VALIDATION_PERCENT / 100)
    span = int(np.ptp(matrix.event_times)) // DAY + 1

    def part(first: float, until: float, known: Callable[[Array], Array]) -> Part:
        mine, unlabelled = (some[(place[some] >= first) & (place[some] < until)] for some in (rows, others))
        return Part(mine, known(mine), _thinned(span, mine, rows), None, unlabelled)

    return Parts(
        part(0, validation_from, lambda some: known_frauds(matrix, some, None)),
        part(validation_from, test_from, lambda some: known_frauds(matrix, some, None)),
        part(test_from, 1, lambda some: true_frauds(matrix, some)),
    )


def check_parts(parts: Parts, path: object) -> None:
    """Refuses what nothing can be learned from; says what cannot be judged."""
    for name, part in (("fit", parts.fit), ("validation", parts.validation)):
        where = f"{name} period {part.period}" if part.period else f"{name} rows"
        frauds, genuine = int(part.is_fraud.sum()), int((~part.is_fraud).sum())
        if not genuine:
            raise DatasetError(
                f"{path}: got {frauds:,} frauds and no genuine transaction in the {where}, expected both. Bring a "
                "history that has both, or check which values of the label mean fraud."
            )
        if frauds < LEAST_FRAUDS:
            raise DatasetError(
                f"{path}: got {frauds} known frauds among {len(part.rows):,} transactions in the {where}, expected at "
                f"least {LEAST_FRAUDS}. Bring a longer history, choose other periods with --train, --validation and "
                "--test, or check the label and labelled_at."
            )
    if not len(parts.test.rows):
        raise DatasetError(
            f"{path}: got no labelled transaction in the test period {parts.test.period}, expected some. Choose "
            "another with --test."
        )
    if not parts.test.is_fraud.any():
        warn("there is no fraud in the test, so every figure that needs one is missing from the report")


def _rows_of(matrix: Matrix, period: Period) -> Array:
    return np.flatnonzero((matrix.event_times >= period.first_ms) & (matrix.event_times < period.until_ms))


def _labelled(matrix: Matrix, rows: Array) -> tuple[Array, Array]:
    """And the others: where it is not known whether a row was a fraud it can neither teach nor judge."""
    is_labelled = matrix.is_fraud[rows] >= 0
    return rows[is_labelled], rows[~is_labelled]


def part_of(matrix: Matrix, is_fraud: Array, period: Period) -> Part:
    """`is_fraud`: of the labelled rows of the period. A day that has transactions and not one label is no quiet day: it
    counts in no figure per day."""
    rows, unlabelled = _labelled(matrix, _rows_of(matrix, period))
    silent = np.setdiff1d(matrix.event_times[unlabelled] // DAY, matrix.event_times[rows] // DAY)
    return Part(rows, is_fraud, max(period.days - len(silent), 1), period, unlabelled)


def _thinned(span: int, rows: Array, all_rows: Array) -> int:
    """A share of the rows of every day is as many as all rows of a share of the days."""
    return max(1, round(span * len(rows) / max(len(all_rows), 1)))


def check_rows(matrix: Matrix, path: object) -> None:
    if matrix.row_count < LEAST_ROWS:
        raise DatasetError(
            f"{path}: got {matrix.row_count:,} transactions, expected at least {LEAST_ROWS:,}; so few teach nothing. "
            "Bring a longer history."
        )


def check_labels(matrix: Matrix, path: object) -> None:
    """What every kind of split needs."""
    unknown = int((matrix.is_fraud < 0).sum())
    if unknown == matrix.row_count:
        raise DatasetError(
            f"{path}: got no label in {matrix.row_count:,} transactions, expected is_fraud in most of them. Name the "
            "label's column in a column map; inspect proposes one."
        )
    frauds = int((matrix.is_fraud == 1).sum())
    if frauds in (0, matrix.row_count - unknown):
        which = "no fraud" if not frauds else "frauds only"
        raise DatasetError(
            f"{path}: got {which} among {matrix.row_count - unknown:,} labelled transactions, expected both classes. "
            "Bring a history that has both, or check which values mean fraud."
        )
