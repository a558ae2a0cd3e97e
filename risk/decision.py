"""From scores to levels and reasons: what a bundle's thresholds make of its scores."""

from typing import NamedTuple

import numpy as np

from risk.codes import Array
from risk.engine import FeatureBlock
from risk.events import Level, Reason
from risk.ledger import NO_DAY
from risk.scorer import Scorer

LEVELS = (Level.LOW, Level.MEDIUM, Level.HIGH)


class Scored(NamedTuple):
    """What a block came to. `rows` are the places of the scored transactions; the others run along with them."""

    verdicts: Array  # of every transaction of the block
    rows: list[int]
    scores: list[float]
    levels: list[Level]
    reasons: list[tuple[Reason, ...]]
    imputed: list[tuple[str, ...]]
    ledger_days: list[int | None]


def decide(scorer: Scorer, features: FeatureBlock) -> Scored:
    """By this bundle; others may decide on the same features."""
    manifest = scorer.manifest
    prepared = scorer.prepare(features)
    scores = scorer.scores(prepared.values)
    high = np.flatnonzero(scores >= manifest.thresholds.high)
    why = scorer.explain(features, prepared.rows[high], prepared.values[high], scores[high])
    reasons: list[tuple[Reason, ...]] = [()] * len(scores)
    for place, these in zip(high.tolist(), why, strict=True):
        reasons[place] = these
    codes = (scores >= manifest.thresholds.medium).astype(np.int8) + (scores >= manifest.thresholds.high)
    # The engine may read the ledger for another bundle.
    days = features.ledger_days[prepared.rows].tolist() if manifest.feature_set.has_ledger else [NO_DAY] * len(scores)
    return Scored(
        features.verdicts,
        prepared.rows.tolist(),
        scores.tolist(),
        [LEVELS[code] for code in codes.tolist()],
        reasons,
        prepared.imputed,
        [None if day == NO_DAY else day for day in days],
    )
