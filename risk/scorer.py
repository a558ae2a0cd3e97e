"""What a bundle makes of the engine's features: prepared, scored, calibrated, explained.

The engine says what is. Everything that was learned in training is applied here, and only here, so that one engine can
serve several scorers: each picks its columns by name.
"""

import math
from collections.abc import Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np

from risk.bundle import Bundle, Learned, LearnedCategory, LearnedNumber
from risk.catalogue import ATTRIBUTE_PREFIX, DIRECT_FEATURES, FIRST_WORD, MISSING, UNKNOWN
from risk.codes import Array
from risk.engine import FeatureBlock, Verdict
from risk.errors import EngineError
from risk.events import Reason
from risk.model import model_of
from risk.sentences import sentence

LARGEST = float(np.finfo(np.float32).max)
MOST_REASONS = 5
LEAST_SHARE = 0.01  # of the score; what moves it by less is no reason


class Prepared(NamedTuple):
    """The scored rows of a block, as a model wants them."""

    rows: Array  # their places in the block
    values: Array  # float32: a row for each of them, a column for each learned feature
    missing: Array  # bool: a row for each of them, a column for each number
    number_columns: Array  # where numbers stand among the values

    def with_gaps(self, rows: Array) -> Array:
        """The values of these rows, with NaN where a number was missing: what drift is measured by."""
        values = self.values[rows]
        places, numbers = np.nonzero(self.missing[rows])
        values[places, self.number_columns[numbers]] = np.nan
        return values


class Preparation:
    """Codes categories (0 missing, 1 unknown, then the vocabulary), puts medians where values are missing, clips to
    what training saw, and casts to the float32 that models are trained on and served with."""

    def __init__(self, learned: Sequence[Learned]) -> None:
        numbers = [(column, f) for column, f in enumerate(learned) if isinstance(f, LearnedNumber)]
        for _, f in numbers:
            if not -LARGEST <= f.clip_low <= f.median <= f.clip_high <= LARGEST or not math.isfinite(f.reference):
                raise EngineError(
                    f"feature {f.name}: got median {f.median}, clipped to {f.clip_low}..{f.clip_high}, reference "
                    f"{f.reference}, expected finite float32 numbers, the median between the clip points. Train again."
                )
        self._width = len(learned)
        self._columns = np.array([column for column, _ in numbers], np.int64)
        self._span = _span([column for column, _ in numbers])
        self._names = [f.name for _, f in numbers]
        self._medians = np.array([f.median for _, f in numbers])
        self._lows = np.array([f.clip_low for _, f in numbers])
        self._highs = np.array([f.clip_high for _, f in numbers])
        self._codes: list[tuple[int, str, dict[str | None, int]]] = [
            (column, f.name, {None: MISSING, **{word: code for code, word in enumerate(f.vocabulary, FIRST_WORD)}})
            for column, f in enumerate(learned)
            if isinstance(f, LearnedCategory)
        ]
        self.references = self._coded_references(learned)
        # An empty window is a fact about the past; what the transaction itself lacks is what a reader must know.
        direct = {feature.name for feature in DIRECT_FEATURES}
        self._own = [
            (place, name)
            for place, name in enumerate(self._names)
            if name in direct or name.startswith(ATTRIBUTE_PREFIX)
        ]

    def prepare(self, features: FeatureBlock) -> Prepared:
        scored = np.flatnonzero(features.verdicts == Verdict.SCORED)
        try:
            sources = [features.columns[name] for name in self._names]
            texts = [features.categories[name] for _, name, _ in self._codes]
        except KeyError as error:
            computed = ", ".join((*features.columns, *features.categories))
            raise EngineError(
                f"feature: got {error.args[0]!r}, expected one of {computed}; the bundle wants what the engine does "
                "not compute: have the engine serve it first"
            ) from None
        is_whole = len(scored) == len(features.verdicts)
        numbers = (features.values if is_whole else features.values[scored])[:, _span(sources)]
        missing = np.isnan(numbers)
        numbers = np.where(missing, self._medians, numbers)
        values = np.empty((len(scored), self._width), np.float32)
        values[:, self._span] = np.clip(numbers, self._lows, self._highs, out=numbers)
        rows = scored.tolist()
        for (column, _, codes), words in zip(self._codes, texts, strict=True):
            known = words if len(rows) == len(words) else [words[row] for row in rows]
            values[:, column] = list(map(codes.get, known, repeat(UNKNOWN)))
        return Prepared(scored, values, missing, self._columns)

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

    def imputed(self, prepared: Prepared) -> list[tuple[str, ...]]:
        """For each row, which of the transaction's own values were missing."""
        missing = prepared.missing
        names: list[tuple[str, ...]] = [()] * len(missing)
        places = [place for place, _ in self._own]
        for row in np.flatnonzero(missing[:, places].any(axis=1)):
            names[row] = tuple(name for place, name in self._own if missing[row, place])
        return names


def _span(places: list[int]) -> slice | list[int]:
    """Columns that stand side by side, as a slice: copied like that they take a tenth of the time."""
    first = places[0] if places else 0
    return slice(first, first + len(places)) if places == list(range(first, first + len(places))) else places


class Scorer:
    """One bundle, ready to score what an engine that serves it says."""

    def __init__(self, bundle: Bundle) -> None:
        self.manifest = bundle.manifest
        features = bundle.manifest.features
        self._preparation = Preparation(features)
        self._model = model_of(bundle.onnx, len(features), str(bundle.folder / "model.onnx"), bundle.manifest.scored_by)

    def prepare(self, features: FeatureBlock) -> Prepared:
        return self._preparation.prepare(features)

    def imputed(self, prepared: Prepared) -> list[tuple[str, ...]]:
        return self._preparation.imputed(prepared)

    def scores(self, values: Array) -> Array:
        """Calibrated scores of prepared rows."""
        return self.manifest.calibration.apply(self._model.raw_scores(values))

    def explain(self, features: FeatureBlock, rows: Array, values: Array, scores: Array) -> list[tuple[Reason, ...]]:
        """Why these rows scored as they did, up to five features each: `values` are their prepared features, `rows`
        their places in the block.

        A feature's part is what the score drops by when that feature alone is set to its reference value. That works
        for any model; all rows are scored again in one call. A row whose feature is there already would score the same.
        """
        references = self._preparation.references
        which, columns = np.nonzero(values != references)
        variants = values[which]
        variants[np.arange(len(variants)), columns] = references[columns]
        drops = np.zeros(values.shape)
        drops[which, columns] = scores[which] - self.scores(variants)
        # Stable, so that equal parts stand in the bundle's order everywhere.
        largest = np.argsort(-drops, axis=1, kind="stable")[:, :MOST_REASONS]
        parts = np.take_along_axis(drops, largest, axis=1)
        each = zip(rows.tolist(), scores.tolist(), largest.tolist(), parts.tolist(), strict=True)
        return [self._reasons(features, *one) for one in each]

    def _reasons(
        self, features: FeatureBlock, row: int, score: float, largest: list[int], drops: list[float]
    ) -> tuple[Reason, ...]:
        return tuple(
            self._reason(features, row, self.manifest.features[column], drop)
            for column, drop in zip(largest, drops, strict=True)
            if drop > 0 and drop >= LEAST_SHARE * score
        )

    def _reason(self, features: FeatureBlock, row: int, learned: Learned, drop: float) -> Reason:
        name = learned.name
        value: float | str | None
        if isinstance(learned, LearnedNumber):
            number = float(features.values[row, features.columns[name]])
            value = None if np.isnan(number) else number
        else:
            value = features.categories[name][row]
        terms = self.manifest.terms
        words = sentence(name, value, learned.reference, terms.currency, terms.label_delay_days)
        return Reason(name, value, learned.reference, drop, words)
