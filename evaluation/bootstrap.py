"""95 % intervals: the figures again and again, each time with the customers, or the merchants, drawn anew.

Transactions of one customer, and frauds at one merchant, hang together, so whole customers or whole merchants are
drawn. A draw gives each a whole number of copies, Poisson with mean 1, which is drawing with replacement for as many
as there are here. Everything that is judged gets the same draws, so differences can be taken draw by draw.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from evaluation.ranking import NO_MERCHANT, Predictions, Ranking
from evaluation.result import Figure
from risk.codes import Array

Formula = Callable[[Mapping[str, Array]], Array]
Draws = dict[str, Array]
DrawsByUnit = Mapping[str, Draws]  # of one model or policy, by what was drawn

CONFIDENCE = 0.95
FEWEST_MERCHANTS = 30  # fewer cannot stand for all merchants there might have been
# Memory is bounded, however many units, columns and draws there are: by fewer draws at a time, and by fewer columns at
# a time, for which the same draws are made once more.
BLOCK = 32  # draws at a time, at most
COPY_BYTES = 2**27  # of copies that are drawn at once
UNIT_BYTES = 2 + 4 + 8  # of one copy: as it is drawn, as it is counted, as it is multiplied
COLUMN_BYTES = 2**28  # of sums by unit that are kept at once
STEPS = 2**16


class Sampled(NamedTuple):
    """What is needed to compute one model's or policy's figures for any draw."""

    columns: Mapping[str, Array]  # for each row, what it adds to a sum; a count as bool, an eighth of the memory
    formulas: Mapping[str, Formula]  # figures, of these sums
    ranking: Ranking | None  # for the two areas, where they are wanted


class Units(NamedTuple):
    """What is drawn as one."""

    name: str  # "customers" or "merchants"
    of_row: Array  # int32, 0 to size - 1
    size: int


def units_of(predictions: Predictions) -> tuple[Units, ...]:
    """Customers, and merchants where there are enough. A row without merchant hangs together with its customer's."""
    _, customers = np.unique(predictions.customers, return_inverse=True)
    own = Units("customers", customers.astype(np.int32), int(customers.max(initial=-1)) + 1)
    names = np.unique(predictions.merchants[predictions.merchants != NO_MERCHANT])
    if len(names) < FEWEST_MERCHANTS:
        return (own,)
    places = np.searchsorted(names, predictions.merchants)
    places = np.where(predictions.merchants == NO_MERCHANT, len(names) + customers, places)
    _, merchants = np.unique(places, return_inverse=True)
    return (own, Units("merchants", merchants.astype(np.int32), int(merchants.max()) + 1))


def draw_all(
    sampled: Sequence[Sampled],
    units: Units,
    *,
    seed: int,
    resamples: int,
    column_bytes: int = COLUMN_BYTES,
    copy_bytes: int = COPY_BYTES,
) -> list[Draws]:
    """For each of them, each figure in each draw; the same draws for all."""
    keys = [(place, name) for place, each in enumerate(sampled) for name in each.columns]
    totals = np.empty((resamples, len(keys)))
    drawn = np.empty((resamples, 1))
    rankings = {
        place: each.ranking.weighed_by(units.of_row) for place, each in enumerate(sampled) if each.ranking is not None
    }
    found = np.full((len(sampled), 2, resamples), np.nan)
    at_once = max(1, column_bytes // (8 * max(1, units.size)))
    # More threads would split the sums by the number of cores, and they get into each other's way.
    with threadpool_limits(1):
        for first in range(0, max(1, len(keys)), at_once):
            some = slice(first, min(first + at_once, len(keys)))
            by_unit = np.empty((units.size, some.stop - some.start))
            for column, (place, name) in enumerate(keys[some]):
                values = sampled[place].columns[name]
                by_unit[:, column] = np.bincount(units.of_row, weights=values, minlength=units.size)
            for draws, copies in _copies(units.size, seed, resamples, copy_bytes):
                totals[draws, some] = copies.astype(np.float64) @ by_unit
                if first == 0:
                    drawn[draws, 0] = copies.sum(axis=1)
                    for place, ranking in rankings.items():
                        found[place, :, draws] = np.array(ranking.areas_of_draws(copies)).T
    # The number of units drawn varies a little; sums are brought back to as many as there are.
    totals = totals * np.divide(units.size, drawn, out=np.zeros_like(drawn), where=drawn > 0)
    answers: list[Draws] = []
    for place, each in enumerate(sampled):
        sums = {name: totals[:, column] for column, (owner, name) in enumerate(keys) if owner == place}
        answer = {name: formula(sums) for name, formula in each.formulas.items()}
        if each.ranking is not None:
            answer |= {"roc_auc": found[place, 0], "average_precision": found[place, 1]}
        answers.append(answer)
    return answers


def figure(value: float | None, draws: Mapping[str, Array]) -> Figure:
    """The value with the widest of the intervals that the draws of each unit give."""
    if value is None or math.isnan(value):
        return Figure(None)
    tail = (1 - CONFIDENCE) / 2
    intervals = []
    for unit, values in draws.items():
        said = values[np.isfinite(values)]
        if len(said):
            low, high = np.quantile(said, (tail, 1 - tail)).tolist()
            intervals.append((high - low, low, high, unit))
    if not intervals:
        return Figure(float(value))
    _, low, high, unit = max(intervals, key=lambda interval: interval[0])
    return Figure(float(value), low, high, unit)


def drawn_figure(value: float | None, draws: DrawsByUnit, name: str) -> Figure:
    return figure(value, {unit: answer[name] for unit, answer in draws.items()})


def _copies(size: int, seed: int, resamples: int, copy_bytes: int) -> Iterator[tuple[slice, Array]]:
    """How many copies of each unit, for some draws at a time; the same at every call, however many at a time."""
    random, table = np.random.default_rng(seed), _poisson_table()
    # An even number, because two numbers of 16 bits are drawn as one of 32: an odd end would throw half of one away.
    at_once = max(2, min(BLOCK, copy_bytes // (UNIT_BYTES * max(1, size))) // 2 * 2)
    for start in range(0, resamples, at_once):
        draws = slice(start, min(start + at_once, resamples))
        yield draws, table[random.integers(0, STEPS, (draws.stop - start, size), dtype=np.uint16)]


def _poisson_table() -> Array:
    """Uniform 16-bit numbers to copies: a draw is then two array operations, and the same on every machine."""
    below = np.cumsum([math.exp(-1) / math.factorial(copies) for copies in range(12)])
    return np.searchsorted(below, (np.arange(STEPS) + 0.5) / STEPS).astype(np.int32)
