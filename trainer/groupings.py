"""By what a report divides the rows that it judges, and which rows of the same days it cannot judge."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from evaluation.comparison import Context
from evaluation.segments import MOST, NOT_GIVEN, Grouping
from risk.catalogue import ATTRIBUTE_PREFIX
from risk.codes import Array
from trainer.matrix import Matrix
from trainer.splits import Part

BANDS = (0.2, 0.4, 0.6, 0.8, 0.95)  # of the amounts judged; the highest are worth a band of their own
MOST_NUMBERS = 6  # attributes that are numbers; a file may have hundreds
NEW_AND_KNOWN = "earlier transactions of the customer in 30 days"
KNOWN_FROM = (1, 5, 20)


def context_of(matrix: Matrix, part: Part) -> Context:
    return Context(tuple(_groupings(matrix, part.rows)), _unlabelled(matrix, part), is_random=part.period is None)


def _groupings(matrix: Matrix, rows: Array) -> Iterator[Grouping]:
    numbers = [feature.name for feature in matrix.feature_set.numbers]
    for name, column in matrix.sensitive.items():
        learned = name in matrix.categories or ATTRIBUTE_PREFIX + name in (*matrix.categories, *numbers)
        yield _of_people(name, column.words, column.codes[rows])._replace(is_sensitive=True, is_learned_from=learned)
    for name, column in matrix.categories.items():
        if name.removeprefix(ATTRIBUTE_PREFIX) in matrix.sensitive:
            continue
        yield Grouping(_plain(name), column.words, column.codes[rows])
    if "customer_count_30d" in numbers:
        words = ("none: new, or long away", "1 to 4", "5 to 19", "20 or more")
        yield _bands(NEW_AND_KNOWN, matrix.number("customer_count_30d")[rows], KNOWN_FROM, words)
    attributes = [name for name in numbers if name.startswith(ATTRIBUTE_PREFIX)]
    others = [name for name in attributes if name.removeprefix(ATTRIBUTE_PREFIX) not in matrix.sensitive]
    for name in ("amount", *others[:MOST_NUMBERS]):
        values = matrix.number(name)[rows]
        if not np.isnan(values).all():
            yield _in_bands(_plain(name), values)


def _of_people(name: str, words: tuple[str, ...], codes: Array) -> Grouping:
    """In bands, where its words are many numbers, such as an age."""
    if len(words) <= MOST:
        return Grouping(_plain(name), words, codes)
    try:
        numbers = np.array([*map(float, words), np.nan])
    except ValueError:
        return Grouping(_plain(name), words, codes)
    return _in_bands(_plain(name), numbers[codes])


def _in_bands(name: str, values: Array) -> Grouping:
    known = values[~np.isnan(values)]
    edges = np.unique([_two_digits(edge) for edge in np.quantile(known, BANDS)]).tolist() if len(known) else [0.0]
    return _bands(name, values, edges, _words(edges))


def _bands(name: str, values: Array, edges: Sequence[float], words: tuple[str, ...]) -> Grouping:
    codes = np.searchsorted(edges, values, side="right")
    return Grouping(name, words, np.where(np.isnan(values), NOT_GIVEN, codes), is_in_order=True)


def _words(edges: Sequence[float]) -> tuple[str, ...]:
    said = [f"{edge:,.0f}" if edge.is_integer() else f"{edge:g}" for edge in edges]
    between = [f"{low} to below {high}" for low, high in pairwise(said)]
    return (f"below {said[0]}", *between, f"{said[-1]} or more")


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}")


def _plain(name: str) -> str:
    return name.removeprefix(ATTRIBUTE_PREFIX).replace("_", " ")


def _unlabelled(matrix: Matrix, part: Part) -> Array:
    if part.period is None:
        return np.empty(0, np.int64)
    times = matrix.event_times
    within = (times >= part.period.first_ms) & (times < part.period.until_ms)
    return times[within & (matrix.is_fraud < 0)]
