"""By which bundle each transaction of a partition was scored, with which ledger days, and the pipelines that score it
again."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from risk.block import Block
from risk.block_codec import NO_TIME, Decoded
from risk.bundle import Bundle
from risk.catalogue import EngineTerms
from risk.clock import DAY
from risk.decision import Scored
from risk.engine import Engine, Verdict
from risk.kafka.log import LogReader
from risk.kafka.sending import Message
from risk.outputs import day_named, decode_flag
from risk.pipeline import Pipeline
from risk.store import FlagRow
from scorer.ledger.closed_days import NEVER
from scorer.log.already_sent import is_of
from scorer.log.decoding import Chunk, Place
from scorer.verify.comparison import Comparison
from scorer.verify.days import DaysAlongside, NoMore, Survey


class Scoring:
    def __init__(
        self, bundles: Mapping[str, Bundle], current: str, ledger: LogReader, survey: Survey, partition: int
    ) -> None:
        """`ledger`: a reader for this alone."""
        self._current = current
        self._partition = partition
        self._engines: dict[EngineTerms, Engine] = {}
        self._pipelines: dict[str, Pipeline] = {}
        for version, bundle in bundles.items():
            pipeline = Pipeline(bundle, NoMore(), self._engines.get(bundle.manifest.terms))
            self._engines[pipeline.engine.terms] = pipeline.engine
            self._pipelines[version] = pipeline
        self._days = DaysAlongside(ledger, survey, self._engines.values())

    def has(self, version: str) -> bool:
        return version in self._pipelines

    def pipeline(self, version: str) -> Pipeline:
        """Of a bundle that is not at hand nothing can be recomputed, but its transactions are part of the past: the
        current one takes them in."""
        return self._pipelines.get(version, self._pipelines[self._current])

    async def score(self, pipeline: Pipeline, day: int, block: Block) -> Scored:
        """With the ledger days up to that one."""
        if pipeline.manifest.feature_set.has_ledger:
            await self._days.take_in(pipeline.manifest.terms.ledger_terms, day)
        scored = pipeline.score(block, self._partition)
        past = block.select(scored.verdicts == Verdict.SCORED)
        for engine in self._engines.values():
            if engine is not pipeline.engine:
                engine.restore(past, self._partition)
            # The engine has this partition and will have no other.
            engine.forget_old_days()
        return scored


class ScoringTerms(NamedTuple):
    bundle: str
    ledger_day: int


class Naming:
    """Goes along a partition, and keeps to what was named last where nothing is named."""

    def __init__(self, current: str, scoring: Scoring, flags: Comparison[Message]) -> None:
        self._terms = ScoringTerms(current, NEVER)
        self._scoring = scoring
        self._flags = flags

    def pieces(self, chunk: Chunk[Decoded], rows: Mapping[int, FlagRow]) -> list[tuple[Chunk[Decoded], ScoringTerms]]:
        """The chunk, cut where the terms change. Ledger days only ever come to what was there."""
        each: list[ScoringTerms] = []
        for record, time in zip(chunk.records, chunk.content.times.tolist(), strict=True):
            named = self._named(chunk.place, record.offset, rows)
            if named is not None:
                bundle, day = named
                self._terms = ScoringTerms(bundle, max(self._terms.ledger_day, NEVER if day is None else day))
            elif time != NO_TIME:
                self._terms = self._terms._replace(ledger_day=max(self._terms.ledger_day, self._needed(time)))
            each.append(self._terms)
        cuts = _changes(each)
        return list(zip(chunk.pieces(cuts), [each[place] for place in (0, *cuts)], strict=True))

    def _named(self, place: Place, offset: int, rows: Mapping[int, FlagRow]) -> tuple[str, int | None] | None:
        """The store's word first, because the store leads; then that of the flag in the topic."""
        row = rows.get(offset)
        if row is not None:
            return row.bundle_version, row.ledger_day
        flags = [decode_flag(message.value) for message in self._flags.waiting(offset)]
        named = [flag for flag in flags if is_of(flag, place)]
        # Somebody else's flag may lie beside ours, and name a bundle that nobody has.
        named.sort(key=lambda flag: not self._scoring.has(flag.bundle_version))
        return (named[0].bundle_version, day_named(named[0].ledger_day)) if named else None

    def _needed(self, event_time: int) -> int:
        """What a transaction without any flag should have been scored with."""
        manifest = self._scoring.pipeline(self._terms.bundle).manifest
        return event_time // DAY - manifest.label_delay_days


def _changes(each: Sequence[ScoringTerms]) -> list[int]:
    return [place for place in range(1, len(each)) if each[place] != each[place - 1]]
