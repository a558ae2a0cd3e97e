"""What was learned in training is applied here, and only here: the step between the engine and a model.

The engine says what is; this codes categories (0 missing, 1 unknown, then the vocabulary), puts medians where values
are missing, clips to what training saw, and casts to the float32 that models are trained on and served with.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct

from risk.catalogue import ATTRIBUTE_PREFIX, DIRECT_FEATURES, FeatureSet
from risk.engine import FeatureBatch, Verdict
from risk.errors import EngineError

Array = np.ndarray[Any, Any]

MISSING, UNKNOWN, FIRST_WORD = 0, 1, 2


class LearnedNumber(Struct, frozen=True, tag="number"):
    name: str
    median: float
    clip_low: float
    clip_high: float


class LearnedCategory(Struct, frozen=True, tag="category"):
    name: str
    vocabulary: tuple[str, ...]


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
        self._codes = [
            (column, f.name, {None: MISSING, **{word: code for code, word in enumerate(f.vocabulary, FIRST_WORD)}})
            for column, f in enumerate(learned)
            if isinstance(f, LearnedCategory)
        ]
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
            values[:, column] = [codes.get(words[row], UNKNOWN) for row in rows]
        return Prepared(values, self._named(missing))

    def _named(self, missing: Array) -> tuple[tuple[str, ...], ...]:
        names: list[tuple[str, ...]] = [()] * len(missing)
        places = [place for place, _ in self._own]
        for row in np.flatnonzero(missing[:, places].any(axis=1)):
            names[row] = tuple(name for place, name in self._own if missing[row, place])
        return tuple(names)
