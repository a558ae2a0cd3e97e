"""The bundles and rule sets at hand, each pair with its pipeline: those that decide now, and older ones that the log
still names. Where a challenger has a share of the customers, its bundle is part of the pipeline.

On equal terms they share an engine, so that going on with another one rebuilds nothing.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from risk.bundle import Bundle, Manifest, bundle_of_version, what_decides
from risk.engine import Engine
from risk.errors import BundleError, DaysPrunedError, EngineError, RuleError, StoreError
from risk.horizon import history_horizon, ledger_horizon
from risk.ledger_log import ClosedDay
from risk.pipeline import Decider, Pipeline
from risk.rules.compiled import CompiledRules, compiled_for
from risk.rules.rule_set import RuleSet, rules_of_version
from risk.scorer import Scorer
from risk.share import Share
from risk.store import Store
from risk.versions import Versions
from scorer.ledger.closed_days import DayQueue, LedgerDays, slowest
from scorer.store_thread import StoreThread


class LogEnds(Protocol):
    """Who knows where the partitions of a topic end."""

    async def ends_of(self, topic: str, partitions: int) -> dict[int, int]: ...


class FollowerBehindError(StoreError):
    """The store has ledger days that their topic did not bring."""


class Begun(NamedTuple):
    pipeline: Pipeline
    source: DayQueue  # of its engine's ledger days


class _Parts(NamedTuple):
    """What a pipeline is made of; a scorer where there is one already."""

    bundle: Bundle
    scorer: Scorer | None
    rules: CompiledRules | None
    challenger: Decider | None = None  # while it has a share

    @property
    def has_ledger(self) -> bool:
        """Whether any of it needs the merchant ledger."""
        bundles = [self.bundle] if self.challenger is None else [self.bundle, self.challenger.bundle]
        return any(bundle.manifest.feature_set.has_ledger for bundle in bundles)


log = logging.getLogger(__name__)

# A follower is milliseconds behind the store, unless something is wrong.
TRIES, REST_SECONDS = 500, 0.02
# Anybody can write flags that name bundles and rule sets: so many that cannot be used are told, each once, and so many
# are known, the newest.
MISSING_TOLD, MISSING_KEPT = 100, 10_000


class Pipelines:
    """By versions, each for as long as a partition has it: ledger days are kept for it, and one that nobody feeds would
    keep all that come. What an engine holds is touched in the store's thread alone, which is the one that scores."""

    def __init__(
        self,
        current: Bundle,
        days: LedgerDays,
        store: StoreThread,
        bounds: LogEnds,
        *,
        topic: str,
        partitions: int,
        rules_folder: Path,
        scorer: Scorer | None = None,
        rules: CompiledRules | None = None,
    ) -> None:
        """`topic`: that of the transactions, and how many partitions it has. `scorer`: of the current bundle, where it
        was made already. `rules`: the set that is in force, for that bundle."""
        self.current = current
        self.rules = rules
        self.challenger: Decider | None = None  # one that has a share
        self._scorer = scorer  # of the current one
        self.rules_folder = rules_folder
        self._bounds = bounds
        self._topic = topic
        self._partitions = partitions
        self._models = current.folder.parent
        self._days = days
        self._store = store
        self._begun: dict[Versions, Begun] = {}
        self._had_by: dict[int, Versions] = {}  # what each partition has
        self._missing: dict[Versions, None] = {}  # a bundle without rules: with none
        self._told = 0
        self._remembered: set[str] = set()  # by the store

    @property
    def versions(self) -> Versions:
        """What decides now."""
        version, rules = self.current.manifest.version, _version_of(self.rules)
        other, share = self.challenger, None
        # Where other rules came into force, the bundle in use decides for all until they are compiled for the other;
        # and where that was put in use, it decides for all.
        if other is not None and _version_of(other.rules) == rules and other.bundle.manifest.version != version:
            share = Share(version, other.bundle.manifest.version, other.percent)
        return Versions(version, rules, share)

    def go_on_with(self, bundle: Bundle, scorer: Scorer, rules: CompiledRules | None) -> None:
        """It is the current one from now on: each partition takes it with its next chunk. It must be one that can share
        the engine (`risk.bundle.needs_a_restart`); its scorer is at hand, so that no chunk waits for a model. `rules`:
        the set that is in force, for this bundle."""
        self.current, self._scorer, self.rules = bundle, scorer, rules
        self._missing.clear()  # it may be one of them

    def go_on_with_rules(self, rules: CompiledRules | None) -> None:
        """They are in force from now on; for the current bundle."""
        self.rules = rules

    def share_with(self, challenger: Decider | None) -> None:
        """It decides for its share of the customers from each partition's next chunk on; None: the current bundle
        decides for all again. It must be one that can share the engine, with its scorer, and with the rules in force
        compiled for it: while others are, it decides nothing."""
        self.challenger = challenger
        if challenger is not None:
            self._missing.clear()  # it may be one of them

    async def versions_for(self, named: Sequence[Versions]) -> Versions:
        """What to decide with where the log names some: the first that is at hand, or else the current ones."""
        ours = self.versions
        for versions in named:
            if versions == ours or await self._is_at_hand(versions):
                return versions
        return ours

    async def _is_at_hand(self, versions: Versions) -> bool:
        """What names them came out of Kafka, so what cannot be used is no reason to end: it would be read again at
        every start."""
        if versions in self._begun:
            return True
        if versions in self._missing or any(Versions(version) in self._missing for version in versions.bundles):
            return False
        try:
            parts = await self._parts(versions)
            await self._store.call(partial(check_known, parts.bundle.manifest))
            if parts.challenger is not None:
                await self._store.call(partial(check_known, parts.challenger.bundle.manifest))
            self._begun[versions] = await self._begin(parts)
        except (BundleError, RuleError, EngineError, DaysPrunedError) as error:
            # Of the engine: terms that do not fit each other.
            is_of_rules = isinstance(error, RuleError)
            is_of_both = is_of_rules or versions.share is not None
            self._missing[versions if is_of_both else Versions(versions.bundle)] = None
            if len(self._missing) > MISSING_KEPT:
                del self._missing[next(iter(self._missing))]
            self._told += 1
            if self._told <= MISSING_TOLD:
                what, folder = ("rule set", self.rules_folder) if is_of_rules else ("bundle", self._models)
                log.warning(
                    "the log has flags of %s, which cannot be used (%s); %s scores their transactions again. To "
                    "repeat what was said instead: stop the workers, bring the %s to %s, start them again",
                    versions, error, self.versions, what, folder,
                )  # fmt: skip
            return False
        return True

    async def take(self, partition: int, versions: Versions) -> Pipeline:
        """What this partition goes on with; what it had before goes with `retire` if nobody else has it. Unless its
        engine has the partition's histories, they are to be put there by `restore`."""
        self._had_by[partition] = versions
        if versions not in self._begun:
            self._begun[versions] = await self._begin(await self._parts(versions))
        pipeline = self._begun[versions].pipeline
        for one in filter(None, (pipeline, pipeline.of_share)):
            await self._remember(one.manifest)
        return pipeline

    async def _remember(self, manifest: Manifest) -> None:
        """Only now: a bundle that nothing is scored with is none of those that `verify` and `prune` reckon with."""
        if manifest.version not in self._remembered:
            text = encode_manifest(manifest)
            await self._store.call(lambda store: store.remember_bundle(manifest.version, text))
            self._remembered.add(manifest.version)

    async def _parts(self, versions: Versions) -> _Parts:
        """What is in memory already is not read again: its files may be gone."""
        bundle, rules, share = versions
        parts = await self._parts_of(bundle, rules)
        if share is None:
            return parts
        other = await self._parts_of(share.challenger, rules)
        if other.bundle.manifest.terms != parts.bundle.manifest.terms:
            raise EngineError(f"{versions}: got two bundles of different terms, which no worker can have had decide")
        return parts._replace(challenger=Decider(other.bundle, share.percent, other.scorer, other.rules))

    async def _parts_of(self, version: str, rules: str | None) -> _Parts:
        """Of one bundle."""
        compiled = self._compiled_already(version, rules)
        rule_set: RuleSet | None = None
        if rules is not None and compiled is None:
            # First, for to read a bundle takes longer.
            rule_set = await self._store.call(partial(_rule_set, self.rules_folder, rules))
        same = next((one for one in self._pipelines() if one.manifest.version == version), None)
        scorer: Scorer | None
        if same is not None:
            bundle, scorer = same.bundle, same.scorer
        elif version == self.current.manifest.version:
            bundle, scorer = self.current, self._scorer
        elif self.challenger is not None and version == self.challenger.bundle.manifest.version:
            bundle, scorer = self.challenger.bundle, self.challenger.scorer
        else:
            bundle, scorer = bundle_of_version(self._models, version), None
        if rule_set is not None:
            compiled = await self._store.call(partial(_compiled, rule_set, bundle.manifest))
        return _Parts(bundle, scorer, compiled)

    def _compiled_already(self, version: str, rules: str | None) -> CompiledRules | None:
        """What is in force is in memory, and its files may be gone."""
        ours = self.versions
        if rules != ours.rules:
            return None
        if version == ours.bundle:
            return self.rules
        is_given = ours.share is not None and version == ours.share.challenger
        return self.challenger.rules if is_given and self.challenger is not None else None

    def _pipelines(self) -> Iterator[Pipeline]:
        """Of single bundles."""
        for pipeline, _ in self._begun.values():
            yield pipeline
            if pipeline.of_share is not None:
                yield pipeline.of_share

    def release(self, partition: int) -> None:
        """It belongs to somebody else now."""
        self._had_by.pop(partition, None)

    def retire(self) -> None:
        """Lets go of the pipelines that no partition has."""
        for versions in set(self._begun) - set(self._had_by.values()):
            source = self._begun.pop(versions).source
            if all(begun.source is not source for begun in self._begun.values()):
                self._days.leave(source)

    async def _begin(self, parts: _Parts) -> Begun:
        """With the engine of another if there is one that can take it: terms are equal, and its ledger is followed."""
        manifest = parts.bundle.manifest
        for other in self._begun.values():
            engine = other.pipeline.engine
            has_all = engine.feature_set.has_ledger or not parts.has_ledger
            if engine.terms == manifest.terms and has_all:
                pipeline = await self._store.call(partial(_made, parts, other.source, engine))
                # Where the other was retired meanwhile, nobody brings its days any more.
                return Begun(pipeline, other.source) if other in self._begun.values() else await self._begin(parts)
        return await self._begin_apart(parts)

    async def _begin_apart(self, parts: _Parts) -> Begun:
        manifest = parts.bundle.manifest
        terms = manifest.terms.ledger_terms
        for _ in range(TRIES):
            ends = await self._bounds.ends_of(self._topic, self._partitions)
            reached, begun, days = await self._store.call(partial(_days_within_reach, self._topic, ends, manifest))
            # A day that came after the store was read would be in neither: then it is read again.
            if self._days.newest_of(terms) == (days[-1].closed.day if days else None):
                source = DayQueue(days, has_begun=begun)
                if parts.has_ledger:
                    self._days.follow(terms, source)
                try:
                    pipeline = await self._store.call(partial(_made_apart, parts, source, reached))
                except BaseException:
                    self._days.leave(source)  # or it would keep all days that come, and nobody would ask for them
                    raise
                return Begun(pipeline, source)
            await asyncio.sleep(REST_SECONDS)
        raise FollowerBehindError(
            f"ledger days of {manifest.version}: the store has days up to {days[-1].closed.day if days else None}, and "
            f"their topic brought {self._days.newest_of(terms)} so far, expected the same; start the worker again"
        )

    def forget(self, partition: int) -> None:
        for pipeline, _ in list(self._begun.values()):
            pipeline.engine.forget(partition)

    def restore(self, pipeline: Pipeline, store: Store, partition: int, newest: int | None) -> int:
        """Puts a partition's histories into this pipeline, out of the store, and none remain in another; how many rows
        that were."""
        self.forget(partition)
        if newest is None:
            return 0
        since = history_horizon(newest, pipeline.manifest.max_lateness_ms)
        return pipeline.engine.restore(store.history(partition, since), partition)

    def forget_days(self, slowest: int) -> None:
        for pipeline, source in list(self._begun.values()):
            pipeline.engine.forget_old_days(slowest)
            source.forget_before(_ledger_horizon(slowest, pipeline.manifest))


def _version_of(rules: CompiledRules | None) -> str | None:
    return None if rules is None else rules.version


def _days_within_reach(
    topic: str, ends: Mapping[int, int], manifest: Manifest, store: Store
) -> tuple[int, bool, list[ClosedDay]]:
    """How far the slowest partition has come, the closed days that transactions of any partition can need, and whether
    the ledger had begun before them."""
    reached = slowest(store.positions(), topic, ends)
    since = _ledger_horizon(reached, manifest)
    _, begun_day, last_day = store.ledger_bounds(manifest.terms.ledger_terms)
    if last_day is not None:
        since = min(since, last_day)
    return (
        reached,
        begun_day is not None and begun_day < since,
        list(store.ledger_days(manifest.terms.ledger_terms, since)),
    )


def _ledger_horizon(slowest: int, manifest: Manifest) -> int:
    return ledger_horizon(slowest, manifest.max_lateness_ms, manifest.label_delay_days)


def check_known(manifest: Manifest, store: Store) -> None:
    """What the store would refuse once something was scored with it."""
    version = manifest.version
    decides = what_decides(msgspec.to_builtins(manifest))
    known = [stored.manifest for stored in (*store.bundles(), *store.challengers()) if stored.version == version]
    if any(what_decides(msgspec.json.decode(text)) != decides for text in known):
        raise BundleError(
            f"{version}: got another manifest than the store remembers by this version; bring back the folder "
            "that scored"
        )


# Both in the thread that scores, as they may take a while; the loop answers brokers meanwhile.


def _rule_set(folder: Path, version: str, _: Store) -> RuleSet:
    return rules_of_version(folder, version)


def _compiled(rule_set: RuleSet, manifest: Manifest, _: Store) -> CompiledRules:
    return compiled_for(rule_set, manifest)


def _made(parts: _Parts, source: DayQueue, shared: Engine | None, _: Store) -> Pipeline:
    return Pipeline(parts.bundle, source, shared, parts.scorer, parts.rules, parts.challenger)


def _made_apart(parts: _Parts, source: DayQueue, slowest: int, store: Store) -> Pipeline:
    pipeline = _made(parts, source, None, store)
    # The store was asked for no day before that: to look at one is an error, and not an empty day.
    pipeline.engine.forget_old_days(slowest)
    return pipeline


def encode_manifest(manifest: Manifest) -> str:
    return msgspec.json.encode(manifest).decode()
