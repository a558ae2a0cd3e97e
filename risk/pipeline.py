"""The one pipeline: features, score, decision. The worker, the backtest and the audit run this very object."""

from typing import NamedTuple

import numpy as np

from risk.block import Block
from risk.bundle import Bundle, Manifest
from risk.codes import Array
from risk.decision import Scored, decide, with_rules
from risk.engine import Engine, FeatureBlock
from risk.ledger import DaySource
from risk.rules.compiled import CompiledRules
from risk.scorer import Scorer
from risk.share import Share
from risk.versions import Versions


class Part(NamedTuple):
    """Of a block what one bundle decides."""

    manifest: Manifest
    rows: Array  # a mask of the block
    block: Block
    scored: Scored


class Decider(NamedTuple):
    """Who decides for a share of the customers: on the same engine, with the same rule set."""

    bundle: Bundle
    percent: float
    scorer: Scorer | None = None
    rules: CompiledRules | None = None


class Pipeline:
    """An engine, the scorer of one bundle, and the rules beside it; and where a challenger has a share, the same of
    that one."""

    def __init__(
        self,
        bundle: Bundle,
        days: DaySource | None,
        shared: Engine | None = None,
        scorer: Scorer | None = None,
        rules: CompiledRules | None = None,
        challenger: Decider | None = None,
    ) -> None:
        """`shared`: the engine of another pipeline, which has its own days. `scorer`: of this bundle, where it was made
        already. `rules`: where some are in force."""
        self.bundle = bundle
        manifest = self.manifest = bundle.manifest
        self.rules = rules
        self.scorer = scorer or Scorer(bundle)
        wanted = manifest.feature_set
        if challenger is not None:
            wanted |= challenger.bundle.manifest.feature_set
        if shared is None:
            self.engine = Engine(wanted, manifest.terms, days)
        else:
            self.engine = shared
            shared.serve(wanted, manifest.terms)
        self.share: Share | None = None
        self.of_share: Pipeline | None = None
        if challenger is not None:
            other = challenger.bundle
            self.share = Share(manifest.version, other.manifest.version, challenger.percent)
            self.of_share = Pipeline(other, None, self.engine, challenger.scorer, challenger.rules)
        self.versions = Versions(manifest.version, None if rules is None else rules.version, self.share)

    def score(self, block: Block, partition: int = 0) -> Scored:
        """Scores a block of one partition, in its order; its transactions are part of the past afterwards."""
        return self.decide(self.features(block, partition), block)

    def features(self, block: Block, partition: int = 0) -> FeatureBlock:
        """The first half of `score`, block after block."""
        return self.engine.features(block, partition)

    def decide(self, features: FeatureBlock, block: Block) -> Scored:
        """The other half, which changes nothing: it may run beside the first half of the next block. By the bundle in
        use, whatever share of the customers a challenger has."""
        scored = decide(self.scorer, features)
        return scored if self.rules is None else with_rules(scored, features, block, self.rules)

    def parts(self, features: FeatureBlock, block: Block) -> list[Part]:
        """What each bundle decides of the block: every row is in one part."""
        if self.share is None or self.of_share is None:
            return [self.part(features, block, np.ones(len(block), bool))]
        given = self.share.given(block.customer_id)
        each = ((self, ~given), (self.of_share, given))
        return [pipeline.part(features, block, rows) for pipeline, rows in each if rows.any() or pipeline is self]

    def part(self, features: FeatureBlock, block: Block, rows: Array) -> Part:
        """What the bundle decides of some rows: where `rows`, a mask, is true."""
        own = block.select(rows)
        return Part(self.manifest, rows, own, self.decide(features.select(rows), own))
