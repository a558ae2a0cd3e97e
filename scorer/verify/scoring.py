"""The pipelines of one partition: one scores, the others keep up with its histories, for a flag may name them next."""

from collections.abc import Mapping

from risk.block import Block
from risk.bundle import Bundle
from risk.engine import Verdict
from risk.kafka.log import LogReader
from risk.pipeline import Pipeline, Scored
from scorer.verify.days import DaysAlongside, NoMore, Survey, has_ledger, kind_of


class Scoring:
    def __init__(
        self, bundles: Mapping[str, Bundle], current: str, ledger: LogReader, survey: Survey, partition: int
    ) -> None:
        """`ledger`: a reader for this alone."""
        self._current = current
        self._partition = partition
        self._pipelines = {version: Pipeline(bundle, NoMore()) for version, bundle in bundles.items()}
        self._days = DaysAlongside(ledger, survey, self._pipelines.values())

    def has(self, version: str) -> bool:
        return version in self._pipelines

    def pipeline(self, version: str) -> Pipeline:
        """Of a bundle that is not at hand nothing can be recomputed, but its transactions are part of the past: the
        current one takes them in."""
        return self._pipelines.get(version, self._pipelines[self._current])

    async def score(self, pipeline: Pipeline, day: int, block: Block) -> Scored:
        """With the ledger days up to that one."""
        if has_ledger(pipeline):
            await self._days.take_in(kind_of(pipeline), day)
        scored = pipeline.score(block, self._partition)
        past = block.select(scored.verdicts == Verdict.SCORED)
        for other in self._pipelines.values():
            if other is not pipeline:
                other.engine.restore(past, self._partition)
            # The engine has this partition and will have no other.
            other.engine.forget_old_days()
        return scored
