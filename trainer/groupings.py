"""By what a report divides the rows that it judges, and which rows of the same days it cannot judge."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from evaluation.comparison import Context
from evaluation.segments import NOT_GIVEN, Grouping
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
    for name, column in matrix.categories.items():
        yield Grouping(_plain(name), column.words, column.codes[rows])
    if "customer_count_30d" in numbers:
        words = ("none: new, or long away", "1 to 4", "5 to 19", "20 or more")
        yield _bands(NEW_AND_KNOWN, matrix.number("customer_count_30d")[rows], KNOWN_FROM, words)
    attributes = [name for name in numbers if name.startswith(ATTRIBUTE_PREFIX)][:MOST_NUMBERS]
    for name in ("amount", *attributes):
        values = matrix.number(name)[rows]
        known = values[~np.isnan(values)]
        edges = np.unique([_two_digits(edge) for edge in np.quantile(known, BANDS)]) if len(known) else np.empty(0)
        if len(edges):
            yield _bands(_plain(name), values, edges.tolist(), _words(edges.tolist()))


def _bands(name: str, values: Array, edges: Sequence[float], words: tuple[str, ...]) -> Grouping:
    codes = np.searchsorted(edges, values, side="right")
    return Grouping(name, words, np.where(np.isnan(values), NOT_GIVEN, codes), is_in_order=True)


def _words(edges: Sequence[float]) -> tuple[str, ...]:
    between = [f"{low:,g} to below {high:,g}" for low, high in pairwise(edges)]
    return (f"below {edges[0]:,g}", *between, f"{edges[-1]:,g} or more")


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
