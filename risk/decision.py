"""From scores to levels and reasons, by a bundle's thresholds; and to decisions, by model and rules together."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from risk.block import Block
from risk.bundle import Thresholds
from risk.codes import Array
from risk.engine import FeatureBlock
from risk.events import DECISIONS, LEVELS, OF_LEVEL, Decision, FiredRule, Level, Reason
from risk.ledger import NO_DAY
from risk.rules.compiled import NONE, CompiledRules
from risk.scorer import Prepared, Scorer

_PLACE_OF_LEVEL = {level: DECISIONS.index(decision) for level, decision in OF_LEVEL.items()}


class Decided(NamedTuple):
    """What model and rules come to together: one entry for each scored transaction."""

    rules_versions: list[str | None]  # None: of a schedule, where no rule set was in force
    decisions: list[Decision]
    fired: list[Collection[FiredRule]]  # those in the shadow too

    def of(self, places: Array) -> "Decided":
        """Of some of them."""
        chosen = places.tolist()
        return Decided(
            [self.rules_versions[place] for place in chosen],
            [self.decisions[place] for place in chosen],
            [self.fired[place] for place in chosen],
        )

    @property
    def strictness(self) -> Array:
        """Places in DECISIONS."""
        return np.fromiter(map(DECISIONS.index, self.decisions), np.int64, len(self.decisions))


class Scored(NamedTuple):
    """What a block came to. `rows` are the places of the scored transactions; the others run along with them."""

    verdicts: Array  # of every transaction of the block
    rows: list[int]
    scores: list[float]
    levels: list[Level]
    reasons: list[tuple[Reason, ...]]
    imputed: list[tuple[str, ...]]
    ledger_days: list[int | None]
    decided: Decided | None = None  # None while no rule set is in force
    prepared: Prepared | None = None  # what was scored, where one bundle scored all


def with_rules(scored: Scored, features: FeatureBlock, block: Block, rules: CompiledRules) -> Scored:
    """The strictest of what the model's level and the rules say; none where a rule allows."""
    results = rules.evaluate(features, block, np.array(scored.rows, np.int64), np.array(scored.scores))
    model = np.fromiter(map(_PLACE_OF_LEVEL.__getitem__, scored.levels), np.int8, len(scored.levels))
    strictest = np.where(results.is_allowed, NONE, np.maximum(model, results.strictest))
    decisions = [DECISIONS[place] for place in strictest.tolist()]
    return scored._replace(decided=Decided([rules.version] * len(decisions), decisions, results.fired))


def without_rules(scored: Scored) -> Decided:
    """What the model alone comes to, beside transactions that rules decide."""
    count = len(scored.levels)
    return Decided([None] * count, [OF_LEVEL[level] for level in scored.levels], [()] * count)


def level_codes(scores: Array, thresholds: Thresholds) -> Array:
    """Places in LEVELS."""
    return (scores >= thresholds.medium).astype(np.int8) + (scores >= thresholds.high)


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
    # The engine may read the ledger for another bundle.
    days = features.ledger_days[prepared.rows].tolist() if manifest.feature_set.has_ledger else [NO_DAY] * len(scores)
    return Scored(
        features.verdicts,
        prepared.rows.tolist(),
        scores.tolist(),
        [LEVELS[code] for code in level_codes(scores, manifest.thresholds).tolist()],
        reasons,
        scorer.imputed(prepared),
        [None if day == NO_DAY else day for day in days],
        prepared=prepared,
    )
