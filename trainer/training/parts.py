"""Which rows are learned from, which choose, and which judge; and what is known of them there."""

from typing import NamedTuple

import numpy as np

from console.terminal import notice, warn
from risk.clock import DAY
from risk.codes import Array
from risk.errors import DatasetError
from trainer.training.known import known_frauds, true_frauds
from trainer.training.matrix import Matrix
from trainer.training.periods import TEST_PERCENT, VALIDATION_PERCENT, Period, Periods

LEAST_FRAUDS = 20
LEAST_ROWS = 1000


class Part(NamedTuple):
    """Rows of a matrix in event-time order."""

    rows: Array
    is_fraud: Array  # bool: as it was known then; in the test the truth
    days: int  # of the period, for figures per day
    period: Period | None  # None where rows were drawn at random


class Parts(NamedTuple):
    fit: Part
    validation: Part
    test: Part


def parts_by_time(matrix: Matrix, periods: Periods) -> Parts:
    """Fit knows what was known when validation starts, validation what was known when the test starts."""
    fit, validation, tested = (_labelled(matrix, _rows_of(matrix, period)) for period in periods)
    return Parts(
        _part(fit, known_frauds(matrix, fit, periods.validation.first_ms), periods.fit),
        _part(validation, known_frauds(matrix, validation, periods.test.first_ms), periods.validation),
        _part(tested, true_frauds(matrix, tested), periods.test),
    )


def parts_at_random(matrix: Matrix, seed: int) -> Parts:
    """For data whose times mean nothing: shares of the rows, with as many frauds in each as in all."""
    rows = _labelled(matrix, np.arange(matrix.row_count))
    dice = np.random.default_rng(seed)
    place = np.empty(len(rows))
    frauds = true_frauds(matrix, rows)
    for of_class in (np.flatnonzero(frauds), np.flatnonzero(~frauds)):
        place[dice.permutation(of_class)] = (np.arange(len(of_class)) + 0.5) / max(len(of_class), 1)
    test_from = 1 - TEST_PERCENT / 100
    validation_from = test_from * (1 - VALIDATION_PERCENT / 100)
    span = int(np.ptp(matrix.event_times)) // DAY + 1
    fit, validation, tested = (
        rows[chosen]
        for chosen in (place < validation_from, (place >= validation_from) & (place < test_from), place >= test_from)
    )
    return Parts(
        Part(fit, known_frauds(matrix, fit, None), _thinned(span, fit, rows), None),
        Part(validation, known_frauds(matrix, validation, None), _thinned(span, validation, rows), None),
        Part(tested, true_frauds(matrix, tested), _thinned(span, tested, rows), None),
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
                f"least {LEAST_FRAUDS}. Bring a longer history, choose other periods with --train and --test, or check "
                "the label and labelled_at."
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


def _labelled(matrix: Matrix, rows: Array) -> Array:
    """Where it is not known whether a row was a fraud it can neither teach nor judge."""
    return rows[matrix.is_fraud[rows] >= 0]


def _part(rows: Array, is_fraud: Array, period: Period) -> Part:
    return Part(rows, is_fraud, period.days, period)


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
    if unknown:
        notice(
            f"{path}: {unknown:,} transactions have no label: they count as history only, and neither teach nor judge"
        )
