"""Why a transaction scored high: up to five features, each with its part in the score and a sentence for people.

A feature's part is what the score drops by when that feature alone is set to its reference value. That works for any
model; all alerts of a batch are scored again in one call.
"""

from collections.abc import Callable

import numpy as np

from risk.bundle import Manifest
from risk.codes import Array
from risk.engine import FeatureBatch
from risk.events import Reason
from risk.prepare import LearnedNumber, Preparation
from risk.sentences import sentence

MOST_REASONS = 5
LEAST_SHARE = 0.01  # of the score; what moves it by less is no reason


class Reasons:
    def __init__(self, manifest: Manifest, preparation: Preparation, probabilities: Callable[[Array], Array]) -> None:
        self._features = manifest.features
        self._currency = manifest.currency
        self._label_delay_days = manifest.label_delay_days
        self._references = preparation.references
        self._number_places = {feature.name: place for place, feature in enumerate(manifest.feature_set.numbers)}
        self._probabilities = probabilities

    def explain(self, batch: FeatureBatch, rows: Array, values: Array, scores: Array) -> list[tuple[Reason, ...]]:
        """The reasons of each row: `values` are its prepared features, `rows` its places in the batch."""
        width = len(self._features)
        variants = np.repeat(values, width, axis=0)
        each = np.arange(len(variants))
        variants[each, each % width] = self._references[each % width]
        drops = scores[:, None] - self._probabilities(variants).reshape(len(rows), width)
        return [self._of(batch, row, drops[place], scores[place]) for place, row in enumerate(rows.tolist())]

    def _of(self, batch: FeatureBatch, row: int, drops: Array, score: float) -> tuple[Reason, ...]:
        # Stable, so that equal parts stand in the bundle's order everywhere.
        largest = np.argsort(-drops, kind="stable")[:MOST_REASONS].tolist()
        return tuple(
            self._reason(batch, row, column, float(drops[column]))
            for column in largest
            if drops[column] > 0 and drops[column] >= LEAST_SHARE * score
        )

    def _reason(self, batch: FeatureBatch, row: int, column: int, drop: float) -> Reason:
        feature = self._features[column]
        value: float | str | None
        if isinstance(feature, LearnedNumber):
            number = float(batch.values[row, self._number_places[feature.name]])
            value = None if np.isnan(number) else number
        else:
            value = batch.categories[feature.name][row]
        return Reason(
            feature.name,
            value,
            feature.reference,
            drop,
            sentence(feature.name, value, feature.reference, self._currency, self._label_delay_days),
        )
