"""By which bundle and rule set each transaction of a partition was decided, with which ledger days, whether the store
says that they were in force there, and the pipelines that do it again."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from risk.block import Block
from risk.block_codec import Decoded
from risk.bundle import Bundle
from risk.catalogue import EngineTerms
from risk.clock import DAY
from risk.codes import Array
from risk.engine import Engine, Verdict
from risk.errors import RuleError
from risk.kafka.log import LogReader
from risk.kafka.sending import Message
from risk.outputs import day_named, decode_flag, versions_of
from risk.pipeline import Part, Pipeline
from risk.rules.compiled import compiled_for
from risk.rules.rule_set import RuleSet
from risk.share import Share, is_percent, share_of
from risk.store import FlagRow, Role, ShareStart, Store
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
        return next(filter(None, (self.lacks_of(version, versions) for version in versions.bundles)), None)

    def lacks_of(self, bundle: str, versions: Versions) -> str | None:
        """Likewise, of what this one of their bundles decided."""
        alone = Versions(bundle, versions.rules)
        if Versions(bundle) not in self._pipelines:
            return f"bundle {bundle}"
        if bundle != versions.bundle and not self._can_share(versions.bundle, bundle):
            return f"bundle of other terms {bundle}"
        if (rules := alone.rules) is None or alone in self._pipelines:
            return None
        if rules in self._rules and alone not in self._unfit:
            try:
                self._pipelines[alone] = self._with_rules(self._pipelines[Versions(bundle)], self._rules[rules])
            except RuleError:  # one that the bundle cannot serve never decided beside it
                self._unfit.add(alone)
            else:
                return None
        return f"rule set {rules}"

    def _can_share(self, in_use: str, challenger: str) -> bool:
        """Anybody may name two that no worker took together. Where the one in use is gone, another takes it in."""
        engine = self._pipelines.get(Versions(in_use), self._pipelines[self._current]).engine
        return self._pipelines[Versions(challenger)].engine is engine

    def _with_rules(self, pipeline: Pipeline, rules: RuleSet) -> Pipeline:
        compiled = compiled_for(rules, pipeline.manifest)
        return Pipeline(pipeline.bundle, None, pipeline.engine, pipeline.scorer, compiled)

    def pipeline(self, versions: Versions) -> Pipeline:
        """That of the bundle in use. Of what is not at hand nothing can be recomputed, but its transactions are part of
        the past: the same bundle without rules takes them in, or the current one."""
        bundle, rules, _ = versions
        if self.lacks_of(bundle, versions) is None:
            return self._pipelines[Versions(bundle, rules)]
        return self._pipelines.get(Versions(bundle), self._pipelines[self._current])

    async def score(self, versions: Versions, day: int, block: Block, given: Array) -> tuple[Array, list[Part]]:
        """With the ledger days up to that one. `given`: a mask of what the challenger decided, while it had a share.
        Every row's verdict, and what each bundle decides."""
        pipeline = other = self.pipeline(versions)
        if versions.share is not None and self.lacks_of(versions.share.challenger, versions) is None:
            other = self._pipelines[Versions(versions.share.challenger, versions.rules)]
        if any(one.manifest.feature_set.has_ledger for one in (pipeline, other)):
            await self._days.take_in(pipeline.manifest.terms.ledger_terms, day)
        features = pipeline.features(block, self._partition)
        past = block.select(features.verdicts == Verdict.SCORED)
        for engine in self._engines.values():
            if engine is not pipeline.engine:
                engine.restore([past], self._partition)
            # The engine has this partition and will have no other.
            engine.forget_old_days()
        each = ((pipeline, ~given), (other, given))
        return features.verdicts, [one.part(features, block, rows) for one, rows in each if rows.any()]


class Starts:
    """What was in force where in a partition, as the store says it: from which transaction on which bundle, which rule
    set and whose share. It says so in tables of their own, beside what each row names."""

    def __init__(self, store: Store, partition: int) -> None:
        bundles, rules = (
            {one.first_offset: one for one in store.starts(role) if one.partition == partition}
            for role in (Role.BUNDLE, Role.RULES)
        )
        shares = {one.first_offset: one for one in store.share_starts() if one.partition == partition}
        # By offset what begins there, and when its first transaction happened.
        self.begins: dict[int, list[tuple[str, int]]] = {}
        for what, each in (("bundle", bundles), ("rule set", rules), ("share", shares)):
            for offset, one in each.items():
                self.begins.setdefault(offset, []).append((what, one.event_time))
        self._offsets = sorted(self.begins)
        self._versions: list[Versions | None] = [None]
        bundle: str | None = None
        rule_set: str | None = None
        given: ShareStart | None = None
        for offset in self._offsets:
            bundle = bundles[offset].version if offset in bundles else bundle
            rule_set = rules[offset].version if offset in rules else rule_set
            given = shares.get(offset, given)
            share = None if bundle is None or given is None else _share_from(bundle, given)
            self._versions.append(None if bundle is None else Versions(bundle, rule_set, share))

    def at(self, offset: int) -> Versions | None:
        """None where the store says nothing, as of what was pruned before stores had starts."""
        return self._versions[bisect_right(self._offsets, offset)]


def _share_from(in_use: str, start: ShareStart) -> Share | None:
    """None where somebody wrote one into the store that none can be, as of a row; so what a flag names is another."""
    challenger, percent = start.challenger, start.percent
    if challenger is None or percent is None or challenger == in_use or not is_percent(percent):
        return None
    return Share(in_use, challenger, percent)


class ScoringTerms(NamedTuple):
    versions: Versions
    ledger_day: int
    in_force: Versions | None = None  # as the store says it; None where it says nothing


class Piece(NamedTuple):
    """Of a chunk what was scored on the same terms."""

    chunk: Chunk[Decoded]
    terms: ScoringTerms
    decided_by: Sequence[str | None]  # the bundle that is named of each record; None where none is


class Naming:
    """Goes along a partition. Where nothing is named, it keeps to what the store says was in force, or else to what was
    named last."""

    def __init__(self, current: str, scoring: Scoring, flags: Comparison[Message], starts: Starts) -> None:
        self._terms = ScoringTerms(Versions(current), NEVER)
        self._scoring = scoring
        self._flags = flags
        self._starts = starts

    def pieces(self, chunk: Chunk[Decoded], rows: Mapping[int, FlagRow]) -> list[Piece]:
        """The chunk, cut where the terms change. Ledger days only ever come to what was there."""
        each: list[ScoringTerms] = []
        decided_by: list[str | None] = []
        for record, time in zip(chunk.records, chunk.content.times.tolist(), strict=True):
            in_force, (last, newest, _) = self._starts.at(record.offset), self._terms
            named = self._named(chunk.place, record.offset, rows, in_force)
            versions = (in_force or last) if named is None else named.versions
            day = self._needed(versions, time)
            if named is not None:  # anybody may have written it, and no worker names a newer day than it needs
                day = NEVER if named.ledger_day is None else min(day, named.ledger_day)
            self._terms = ScoringTerms(versions, max(newest, day), in_force)
            each.append(self._terms)
            decided_by.append(None if named is None else named.bundle)
        cuts = [0, *_changes(each), len(each)]
        ends = pairwise(cuts)
        return [
            Piece(piece, each[first], decided_by[first:last])
            for piece, (first, last) in zip(chunk.pieces(cuts[1:-1]), ends, strict=True)
        ]

    def _named(
        self, place: Place, offset: int, rows: Mapping[int, FlagRow], in_force: Versions | None
    ) -> "_Named | None":
        """The store's word first, because the store leads; then that of the flag in the topic."""
        row = rows.get(offset)
        if row is not None:
            return _Named(_versions_of(row), row.bundle_version, row.ledger_day)
        flags = [decode_flag(message.value) for message in self._flags.waiting(offset)]
        named = [
            _Named(versions, flag.bundle_version, day_named(flag.ledger_day))
            for flag in flags
            if is_of(flag, place) and (versions := versions_of(flag)) is not None
        ]
        # Somebody else's flag may lie beside ours, and name what was not in force, or a bundle that nobody has.
        return min(
            named,
            key=lambda one: (one.versions != in_force, self._scoring.lacks(one.versions) is not None),
            default=None,
        )

    def _needed(self, versions: Versions, event_time: int) -> int:
        """The newest day that a transaction can be scored with, and without any flag should have been. Of what cannot
        be read, one before all."""
        manifest = self._scoring.pipeline(versions).manifest
        return event_time // DAY - manifest.label_delay_days


class _Named(NamedTuple):
    """What a flag says."""

    versions: Versions
    bundle: str  # that decided it
    ledger_day: int | None


def _versions_of(row: FlagRow) -> Versions:
    """Where somebody wrote a share into the store that none can be, there is none; so the row differs from what is
    due."""
    try:
        share = None if row.share is None else share_of(row.share)
    except msgspec.DecodeError:
        share = None
    if share is None or row.bundle_version not in (share.in_use, share.challenger):
        return Versions(row.bundle_version, row.rules_version)
    return Versions(share.in_use, row.rules_version, share)


def _changes(each: Sequence[ScoringTerms]) -> list[int]:
    return [place for place in range(1, len(each)) if each[place] != each[place - 1]]
