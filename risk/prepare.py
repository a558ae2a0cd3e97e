"""What was learned in training is applied here, and only here: the step between the engine and a model.

The engine says what is; this codes categories (0 missing, 1 unknown, then the vocabulary), puts medians where values
are missing, clips to what training saw, and casts to the float32 that models are trained on and served with.
"""

import math
from collections.abc import Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from risk.catalogue import ATTRIBUTE_PREFIX, DIRECT_FEATURES, FeatureSet
from risk.codes import Array
from risk.engine import FeatureBatch, Verdict
from risk.errors import EngineError

MISSING, UNKNOWN, FIRST_WORD = 0, 1, 2
LARGEST = float(np.finfo(np.float32).max)


class LearnedNumber(Struct, frozen=True, tag="number"):
    """The reference is what reasons compare a value with: the catalogue's, or the median."""

    name: str
    median: float
    clip_low: float
    clip_high: float
    reference: float


class LearnedCategory(Struct, frozen=True, tag="category"):
    """The reference is the most common word; None where the column was empty."""

    name: str
    vocabulary: tuple[str, ...]
    reference: str | None


Learned = LearnedNumber | LearnedCategory


class Prepared(NamedTuple):
    values: Array  # float32: a row for each scored transaction, a column for each learned feature
    imputed: tuple[tuple[str, ...], ...]  # for each row, which of the transaction's own values were missing


class Preparation:
    """Ready to prepare batches of one engine for one bundle: the bundle's features in the bundle's order."""

    def __init__(self, feature_set: FeatureSet, learned: Sequence[Learned]) -> None:
        number_places = {feature.name: place for place, feature in enumerate(feature_set.numbers)}
        category_names = {feature.name for feature in feature_set.categories}
        for feature in learned:
            known = number_places if isinstance(feature, LearnedNumber) else category_names
            if feature.name not in known:
                raise EngineError(
                    f"feature: got {feature.name!r} ({type(feature).__name__}), expected one of {', '.join(known)}; "
                    "the bundle wants what the engine does not compute from this dataset's fields"
                )
        numbers = [(column, f) for column, f in enumerate(learned) if isinstance(f, LearnedNumber)]
        for _, f in numbers:
            if not -LARGEST <= f.clip_low <= f.median <= f.clip_high <= LARGEST or not math.isfinite(f.reference):
                raise EngineError(
                    f"feature {f.name}: got median {f.median}, clipped to {f.clip_low}..{f.clip_high}, reference "
                    f"{f.reference}, expected finite float32 numbers, the median between the clip points. Train again."
                )
        self._width = len(learned)
        self._columns = [column for column, _ in numbers]
        self._sources = [number_places[f.name] for _, f in numbers]
        self._medians, self._lows, self._highs = (
            np.array(values)
            for values in (
                [f.median for _, f in numbers],
                [f.clip_low for _, f in numbers],
                [f.clip_high for _, f in numbers],
            )
        )
        self._codes: list[tuple[int, str, dict[str | None, int]]] = [
            (column, f.name, {None: MISSING, **{word: code for code, word in enumerate(f.vocabulary, FIRST_WORD)}})
            for column, f in enumerate(learned)
            if isinstance(f, LearnedCategory)
        ]
        self.references = self._coded_references(learned)
        # An empty window is a fact about the past; what the transaction itself lacks is what a reader must know.
        direct = {feature.name for feature in DIRECT_FEATURES}
        self._own = [
            (place, f.name)
            for place, (_, f) in enumerate(numbers)
            if f.name in direct or f.name.startswith(ATTRIBUTE_PREFIX)
        ]

    def prepare(self, batch: FeatureBatch) -> Prepared:
        """The scored rows of a batch, as a model wants them."""
        scored = np.flatnonzero(batch.verdicts == Verdict.SCORED)
        numbers = batch.values[scored[:, None], self._sources]
        missing = np.isnan(numbers)
        numbers = np.clip(np.where(missing, self._medians, numbers), self._lows, self._highs)
        values = np.empty((len(scored), self._width), np.float32)
        values[:, self._columns] = numbers
        rows = scored.tolist()
        for column, name, codes in self._codes:
            words = batch.categories[name]
            known = words if len(rows) == len(words) else [words[row] for row in rows]
            values[:, column] = list(map(codes.get, known, repeat(UNKNOWN)))
        return Prepared(values, self._named(missing))

    def _coded_references(self, learned: Sequence[Learned]) -> Array:
        """What each column of the prepared values holds where a feature is as it usually is."""
        codes = {name: codes for _, name, codes in self._codes}
        return np.array(
            [
                min(max(f.reference, f.clip_low), f.clip_high)
                if isinstance(f, LearnedNumber)
                else codes[f.name].get(f.reference, UNKNOWN)
                for f in learned
            ],
            np.float32,
        )

    def _named(self, missing: Array) -> tuple[tuple[str, ...], ...]:
        names: list[tuple[str, ...]] = [()] * len(missing)
        places = [place for place, _ in self._own]
        for row in np.flatnonzero(missing[:, places].any(axis=1)):
            names[row] = tuple(name for place, name in self._own if missing[row, place])
        return tuple(names)
