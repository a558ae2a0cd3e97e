"""The one pipeline: features, score, decision. The worker, the backtest and the audit run this very object."""

from risk.block import Block
from risk.bundle import Bundle
from risk.decision import Scored, decide, with_rules
from risk.engine import Engine, FeatureBlock
from risk.ledger import DaySource
from risk.rules.compiled import CompiledRules
from risk.scorer import Scorer
from risk.versions import Versions


class Pipeline:
    """An engine, the scorer of one bundle, and the rules beside it."""

    def __init__(
        self,
        bundle: Bundle,
        days: DaySource | None,
        shared: Engine | None = None,
        scorer: Scorer | None = None,
        rules: CompiledRules | None = None,
    ) -> None:
        """`shared`: the engine of another pipeline, which has its own days. `scorer`: of this bundle, where it was made
        already. `rules`: where some are in force."""
        self.bundle = bundle
        manifest = self.manifest = bundle.manifest
        self.rules = rules
        self.versions = Versions(manifest.version, None if rules is None else rules.version)
        self.scorer = scorer or Scorer(bundle)
        if shared is None:
            self.engine = Engine(manifest.feature_set, manifest.terms, days)
        else:
            self.engine = shared
            shared.serve(manifest.feature_set, manifest.terms)

    def score(self, block: Block, partition: int = 0) -> Scored:
        """Scores a block of one partition, in its order; its transactions are part of the past afterwards."""
        return self.decide(self.features(block, partition), block)

    def features(self, block: Block, partition: int = 0) -> FeatureBlock:
        """The first half of `score`, block after block."""
        return self.engine.features(block, partition)

    def decide(self, features: FeatureBlock, block: Block) -> Scored:
        """The other half, which changes nothing: it may run beside the first half of the next block."""
        scored = decide(self.scorer, features)
        return scored if self.rules is None else with_rules(scored, features, block, self.rules)
