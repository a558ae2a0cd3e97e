"""Whether features and scores still are what they were in the fit period: from what a bundle remembers of it, and
counts of rows seen since.

Rows are as models get them, but that a missing number is NaN. Each feature has parts, and a row falls into one of them:
of numbers the tenths of the fit period, and one for missing; of categories missing, unseen, and each word.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from risk.bundle import Drift, Histogram, Learned, LearnedCategory
from risk.catalogue import FIRST_WORD, HISTORY_FEATURES, LEDGER_FEATURES, MISSING, UNKNOWN, label_features
from risk.codes import Array

TENTHS = np.arange(1, 10) / 10
FEWEST_ROWS = 1_000  # of fewer nothing is said
# Words of a smaller share are one part together: of rare ones the index is mostly noise.
RARE = 0.01
LOOK = 0.1  # by custom, from this index on somebody looks
# What a transaction itself brings varies less: rows of one customer do not share it. In an unchanged world it stayed
# at 0.02 or below, and amounts that rose by 30 % came to 0.04 to 0.07 within a week (`python -m bench.drift`).
LOOK_AT_ITS_OWN = 0.03


SCORE = "score"
OF_THE_PAST = {SCORE, *(feature.name for feature in (*HISTORY_FEATURES, *LEDGER_FEATURES))}


class Reference(NamedTuple):
    """What one feature, or the score, was like."""

    name: str
    rows: int
    shares: Array  # of the parts, of all rows
    edges: Array | None  # where parts of numbers begin, but for the first; None of categories
    missing: int | None  # which part that is
    unseen: int | None

    def counts(self, values: Array) -> Array:
        """How many rows fall into each part."""
        if self.edges is None:
            places = np.clip(np.nan_to_num(values), 0, len(self.shares) - 1).astype(np.int64)  # a damaged store's, too
        else:
            places = np.searchsorted(self.edges, values, side="right")
            places[np.isnan(values)] = len(self.edges) + 1
        return np.bincount(places, minlength=len(self.shares))


class DriftFigures(Struct, frozen=True):
    """Of so many rows; None where that cannot be said."""

    rows: int
    psi: float | None = None  # population stability index, less what chance makes of it
    ks: float | None = None  # Kolmogorov-Smirnov: the largest distance of the two distributions, at the edges of parts
    missing: float | None = None  # share
    unseen: float | None = None  # share, of categories


def references_of(features: Sequence[Learned], drifts: Sequence[Drift]) -> tuple[Reference, ...]:
    """One for each feature, in the bundle's order; none where it was made before bundles remembered enough."""
    if not any(each.rows for each in drifts):
        return ()
    found = []
    for learned, drift in zip(features, drifts, strict=True):
        if isinstance(learned, LearnedCategory):
            words = [drift.shares.get(word, 0.0) for word in learned.vocabulary]
            shares = np.array([drift.missing, max(0.0, 1 - drift.missing - sum(words)), *words])
            found.append(Reference(drift.name, drift.rows, shares, None, MISSING, UNKNOWN))
        else:
            shares = np.array([*(drift.parts or [0.0]), drift.missing])  # no row could see so much of the past
            found.append(Reference(drift.name, drift.rows, shares, np.array(drift.edges), len(shares) - 1, None))
    return tuple(found)


def score_reference(histogram: Histogram) -> Reference:
    counts = np.array([*histogram.counts, 0])
    rows = int(counts.sum())
    return Reference(SCORE, rows, counts / max(rows, 1), np.array(histogram.edges), len(counts) - 1, None)


def limit_of(name: str) -> float | None:
    """The index from which on a feature, or the score, counts as changed. None of features of labels, which move with
    each wave of frauds, up to 0.3 in an unchanged world."""
    if label_features([name]):
        return None
    return LOOK if name in OF_THE_PAST else LOOK_AT_ITS_OWN


def quantiles(ascending: Array, shares: float | Array) -> Array:
    """Values that occur, so that a median reads like the data and not like a mean of two. What `np.quantile` says by
    "inverted_cdf", of values that are sorted already: it would order them anew for every call."""
    places = np.ceil(len(ascending) * np.asarray(shares) - 1).astype(np.int64)
    return np.asarray(ascending[np.maximum(places, 0)])


def edges_of(known: Array) -> Array:
    """Where tenths begin. A value that takes a tenth or more is a part by itself, however many tenths it takes, so that
    what is nearly always the same is not one part as a whole."""
    return _edges(np.sort(known))


def _edges(ascending: Array) -> Array:
    values, times = np.unique(quantiles(ascending, TENTHS), return_counts=True)
    return np.unique(np.concatenate([values, np.nextafter(values[times > 1], values.dtype.type(np.inf))]))


def number_parts(ascending: Array, rows: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Edges and shares, of float32 as models get them, the known values of so many rows. Shares are of all rows."""
    edges = _edges(ascending)
    before = np.concatenate([[0], np.searchsorted(ascending, edges), [len(ascending)]])
    return tuple(edges.tolist()), tuple((np.diff(before) / rows).tolist())


def drift_of(reference: Reference, counts: Array) -> DriftFigures:
    rows = int(counts.sum())
    if min(rows, reference.rows) < FEWEST_ROWS:
        return DriftFigures(rows)
    return DriftFigures(
        rows,
        _stability(reference, counts, rows),
        None if reference.edges is None else _distance(reference.shares[:-1], counts[:-1]),
        None if reference.missing is None else float(counts[reference.missing] / rows),
        None if reference.unseen is None else float(counts[reference.unseen] / rows),
    )


def _stability(reference: Reference, counts: Array, rows: int) -> float:
    """Half a row is added to each part, for those that are empty on one side; what is empty on both is left out. Two
    samples of one population differ by (parts - 1)(1/n + 1/m) on average; that is taken off."""
    groups = _groups(reference)
    before = np.bincount(groups, weights=reference.shares * reference.rows)
    after = np.bincount(groups, weights=counts)
    seen = (before > 0) | (after > 0)
    parts = int(np.count_nonzero(seen))
    was, now = ((each[seen] + 0.5) / (total + 0.5 * parts) for each, total in ((before, reference.rows), (after, rows)))
    noise = (parts - 1) * (1 / reference.rows + 1 / rows)
    return max(0.0, float(((now - was) * np.log(now / was)).sum()) - noise)


def _groups(reference: Reference) -> Array:
    """The rare words of a category are one."""
    places = np.arange(len(reference.shares))
    if reference.edges is None:
        rare = (reference.shares < RARE) & (places >= FIRST_WORD)
        places[rare] = int(np.argmax(rare))
    return places


def _distance(shares: Array, counts: Array) -> float | None:
    """Of known values. None where either has none."""
    was, now = shares.sum(), counts.sum()
    if not was or not now:
        return None
    return float(np.abs(np.cumsum(shares) / was - np.cumsum(counts) / now).max())
