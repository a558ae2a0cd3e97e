"""By which bundle and rule set each transaction of a partition was decided, with which ledger days, and the pipelines
that do it again."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from risk.block import Block
from risk.block_codec import NO_TIME, Decoded
from risk.bundle import Bundle
from risk.catalogue import EngineTerms
from risk.clock import DAY
from risk.decision import Scored
from risk.engine import Engine, Verdict
from risk.errors import RuleError
from risk.kafka.log import LogReader
from risk.kafka.sending import Message
from risk.outputs import day_named, decode_flag, versions_of
from risk.pipeline import Pipeline
from risk.rules.compiled import compiled_for
from risk.rules.rule_set import RuleSet
from risk.store import FlagRow
from risk.versions import Versions
from scorer.ledger.closed_days import NEVER
from scorer.log.already_sent import is_of
from scorer.log.chunks import Chunk, Place
from scorer.verify.comparison import Comparison
from scorer.verify.days import DaysAlongside, NoMore, Survey


class Scoring:
    def __init__(
        self,
        bundles: Mapping[str, Bundle],
        rules: Mapping[str, RuleSet],
        current: str,
        ledger: LogReader,
        survey: Survey,
        partition: int,
    ) -> None:
        """`bundles`, `rules`: what is at hand. `ledger`: a reader for this alone."""
        self._current = Versions(current)
        self._partition = partition
        self._rules = rules
        self._engines: dict[EngineTerms, Engine] = {}
        self._pipelines: dict[Versions, Pipeline] = {}
        self._unfit: set[Versions] = set()  # of rule sets and bundles that are at hand
        for version, bundle in bundles.items():
            pipeline = Pipeline(bundle, NoMore(), self._engines.get(bundle.manifest.terms))
            self._engines[pipeline.engine.terms] = pipeline.engine
            self._pipelines[Versions(version)] = pipeline
        self._days = DaysAlongside(ledger, survey, self._engines.values())

    def lacks(self, versions: Versions) -> str | None:
        """What of them is not at hand, so that nothing that they decided can be recomputed."""
        bundle, rules = versions
        if Versions(bundle) not in self._pipelines:
            return f"bundle {bundle}"
        if rules is None or versions in self._pipelines:
            return None
        if rules in self._rules and versions not in self._unfit:
            try:
                self._pipelines[versions] = self._with_rules(self._pipelines[Versions(bundle)], self._rules[rules])
            except RuleError:  # one that the bundle cannot serve never decided beside it
                self._unfit.add(versions)
            else:
                return None
        return f"rule set {rules}"

    def _with_rules(self, pipeline: Pipeline, rules: RuleSet) -> Pipeline:
        compiled = compiled_for(rules, pipeline.manifest)
        return Pipeline(pipeline.bundle, None, pipeline.engine, pipeline.scorer, compiled)

    def pipeline(self, versions: Versions) -> Pipeline:
        """Of what is not at hand nothing can be recomputed, but its transactions are part of the past: the same bundle
        without rules takes them in, or the current one."""
        if self.lacks(versions) is None:
            return self._pipelines[versions]
        return self._pipelines.get(Versions(versions.bundle), self._pipelines[self._current])

    async def score(self, pipeline: Pipeline, day: int, block: Block) -> Scored:
        """With the ledger days up to that one."""
        if pipeline.manifest.feature_set.has_ledger:
            await self._days.take_in(pipeline.manifest.terms.ledger_terms, day)
        scored = pipeline.score(block, self._partition)
        past = block.select(scored.verdicts == Verdict.SCORED)
        for engine in self._engines.values():
            if engine is not pipeline.engine:
                engine.restore([past], self._partition)
            # The engine has this partition and will have no other.
            engine.forget_old_days()
        return scored


class ScoringTerms(NamedTuple):
    versions: Versions
    ledger_day: int


class Naming:
    """Goes along a partition, and keeps to what was named last where nothing is named."""

    def __init__(self, current: str, scoring: Scoring, flags: Comparison[Message]) -> None:
        self._terms = ScoringTerms(Versions(current), NEVER)
        self._scoring = scoring
        self._flags = flags

    def pieces(self, chunk: Chunk[Decoded], rows: Mapping[int, FlagRow]) -> list[tuple[Chunk[Decoded], ScoringTerms]]:
        """The chunk, cut where the terms change. Ledger days only ever come to what was there."""
        each: list[ScoringTerms] = []
        for record, time in zip(chunk.records, chunk.content.times.tolist(), strict=True):
            named = self._named(chunk.place, record.offset, rows)
            if named is not None:
                versions, day = named
                self._terms = ScoringTerms(versions, max(self._terms.ledger_day, NEVER if day is None else day))
            elif time != NO_TIME:
                self._terms = self._terms._replace(ledger_day=max(self._terms.ledger_day, self._needed(time)))
            each.append(self._terms)
        cuts = _changes(each)
        return list(zip(chunk.pieces(cuts), [each[place] for place in (0, *cuts)], strict=True))

    def _named(self, place: Place, offset: int, rows: Mapping[int, FlagRow]) -> tuple[Versions, int | None] | None:
        """The store's word first, because the store leads; then that of the flag in the topic."""
        row = rows.get(offset)
        if row is not None:
            return Versions(row.bundle_version, row.rules_version), row.ledger_day
        flags = [decode_flag(message.value) for message in self._flags.waiting(offset)]
        named = [
            (versions, day_named(flag.ledger_day))
            for flag in flags
            if is_of(flag, place) and (versions := versions_of(flag)) is not None
        ]
        # Somebody else's flag may lie beside ours, and name a bundle that nobody has.
        return min(named, key=lambda one: self._scoring.lacks(one[0]) is not None, default=None)

    def _needed(self, event_time: int) -> int:
        """What a transaction without any flag should have been scored with."""
        manifest = self._scoring.pipeline(self._terms.versions).manifest
        return event_time // DAY - manifest.label_delay_days


def _changes(each: Sequence[ScoringTerms]) -> list[int]:
    return [place for place in range(1, len(each)) if each[place] != each[place - 1]]
