"""What each feature adds to the champion's log odds, on a sample of test rows: the strongest features and their effect.

The contributions are exact (TreeSHAP): those of a row and a constant add up to its raw score in log odds.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from evaluation.result import Contribution, Contributions, Effect
from risk.codes import Array

STRONGEST = 12
WITH_EFFECT = 6
BINS = 6


class ContributionSample(NamedTuple):
    """Rows of the test, and what each feature adds to each."""

    names: tuple[str, ...]
    meanings: Mapping[str, str]
    words: Mapping[str, tuple[str, ...]]  # of features that are categories: what each code stands for
    values: Array  # as the model sees them, a column for each feature
    contributions: Array  # the same shape
    is_fraud: Array
    durations: Collection[str] = ()  # features that count seconds

    def strongest(self, most: int) -> list[int]:
        """Columns, by mean absolute contribution; of equal ones the first."""
        return np.argsort(-self.strengths(), kind="stable")[:most].tolist()  # type: ignore[no-any-return]

    def strengths(self) -> Array:
        return np.asarray(np.abs(self.contributions).mean(axis=0))


def contributions_of(sample: ContributionSample | None) -> Contributions | None:
    if sample is None or not len(sample.values):
        return None
    strengths = sample.strengths()
    features = tuple(
        Contribution(
            name=sample.names[column],
            meaning=sample.meanings.get(sample.names[column], ""),
            mean_absolute=float(strengths[column]),
            effects=_effects(sample, column) if place < WITH_EFFECT else (),
        )
        for place, column in enumerate(sample.strongest(STRONGEST))
    )
    return Contributions(len(sample.values), int(sample.is_fraud.sum()), features)


def _effects(sample: ContributionSample, column: int) -> tuple[Effect, ...]:
    """The mean contribution over values: bins of about as many rows each, or the most frequent words."""
    values, contributions = sample.values[:, column], sample.contributions[:, column]
    words = sample.words.get(sample.names[column])
    if words is not None:
        codes = values.astype(np.int64)
        counts = np.bincount(codes, minlength=len(words))
        shown = [code for code in np.argsort(-counts, kind="stable")[:BINS].tolist() if counts[code]]
        return tuple(
            Effect(words[code], int(counts[code]), float(contributions[codes == code].mean())) for code in shown
        )
    edges = np.unique(np.quantile(values, np.arange(1, BINS) / BINS, method="inverted_cdf"))
    bins = np.searchsorted(edges, values, side="left")
    said = _duration if sample.names[column] in sample.durations else _short
    found = []
    for place in np.unique(bins).tolist():
        mine = bins == place
        low, high = values[mine].min(), values[mine].max()
        name = said(low) if low == high else f"{said(low)} to {said(high)}"
        found.append(Effect(name, int(mine.sum()), float(contributions[mine].mean())))
    return tuple(found)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _duration(seconds: float) -> str:
    """In the largest unit of which there are two."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} s"
