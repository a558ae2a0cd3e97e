"""The one pipeline: features, score, decision. The worker, the backtest and the audit run this very object."""

from risk.block import Block
from risk.bundle import Bundle
from risk.decision import Scored, decide
from risk.engine import Engine
from risk.ledger import DaySource
from risk.scorer import Scorer


class Pipeline:
    """The engine and the scorer of one bundle."""

    def __init__(self, bundle: Bundle, days: DaySource | None) -> None:
        self.manifest = bundle.manifest
        self.engine = Engine(self.manifest.feature_set, self.manifest.terms, days)
        self.scorer = Scorer(bundle)

    def score(self, block: Block, partition: int = 0) -> Scored:
        """Scores a block of one partition, in its order; its transactions are part of the past afterwards."""
        return decide(self.scorer, self.engine.features(block, partition))
