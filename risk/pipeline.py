"""The one pipeline: features, score, decision. The worker, the backtest and the audit run this very object."""

from collections.abc import Iterator
from contextlib import contextmanager
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


class DecisionError(Exception):
    """Of a bundle and the rules beside it: they raised something while they decided. That is a mistake somewhere, and
    the same transactions would raise it again."""

    def __init__(self, versions: Versions, error: Exception) -> None:
        super().__init__(f"{versions} cannot decide ({type(error).__name__}: {error})")
        self.versions = versions


@contextmanager
def blamed_on(bundle: str, rules: str | None) -> Iterator[None]:
    """Whatever a model or a rule raises."""
    try:
        yield
    except Exception as error:
        raise DecisionError(Versions(bundle, rules), error) from error


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
        share: Share | None = None,
    ) -> None:
        """`shared`: the engine of another pipeline, which has its own days. `scorer`: of this bundle, where it was made
        already. `rules`: where some are in force. `share`: one of which this bundle is either, and the other is gone,
        so that none of the other's customers may come."""
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
        self.share = share
        self.of_share: Pipeline | None = None
        if challenger is not None:
            other = challenger.bundle
            self.share = Share(manifest.version, other.manifest.version, challenger.percent)
            self.of_share = Pipeline(other, None, self.engine, challenger.scorer, challenger.rules)
        in_use = manifest.version if self.share is None else self.share.in_use
        self.versions = Versions(in_use, None if rules is None else rules.version, self.share)

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
        """What each bundle decides of the block: every row is in one part. DecisionError says which one fails."""
        found = []
        for pipeline, rows in self._sides(block):
            with blamed_on(pipeline.manifest.version, self.versions.rules):
                found.append(pipeline.part(features, block, rows))
        return found

    def _sides(self, block: Block) -> list[tuple["Pipeline", Array]]:
        if self.share is None:
            return [(self, np.ones(len(block), bool))]
        given = self.share.given(block.customer_id)
        own = given if self.manifest.version == self.share.challenger else ~given
        if self.of_share is not None:
            return [(self, own), (self.of_share, given)] if given.any() else [(self, own)]
        if not own.all():
            raise ValueError(f"got customers of either bundle of {self.versions}, expected {self.manifest.version}'s")
        return [(self, own)]

    def part(self, features: FeatureBlock, block: Block, rows: Array) -> Part:
        """What the bundle decides of some rows: where `rows`, a mask, is true."""
        own = block.select(rows)
        return Part(self.manifest, rows, own, self.decide(features.select(rows), own))
