"""The bundles and rule sets at hand, each pair with its pipeline: those that decide now, and older ones that the log
still names. Where a challenger has a share of the customers, its bundle is part of the pipeline.

On equal terms they share an engine, so that going on with another one rebuilds nothing.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from risk.bundle import Bundle, Manifest, bundle_of_version, what_decides
from risk.engine import Engine
from risk.errors import BundleError, DaysPrunedError, EngineError, RuleError, StoreError
from risk.horizon import history_horizon
from risk.pipeline import Decider, Pipeline
from risk.rules.compiled import CompiledRules, compiled_for
from risk.rules.rule_set import RuleSet, rules_of_version
from risk.scorer import Scorer
from risk.share import Share
from risk.store import Store
from risk.versions import Versions
from scorer.ledger.closed_days import DayQueue, LedgerDays, days_within_reach, ledger_horizon_of
from scorer.store_thread import StoreThread
from scorer.worker.unusable import Unusable


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
    share: Share | None = None  # where its other bundle is gone

    @property
    def versions(self) -> Versions:
        """Of the bundle alone."""
        return Versions(self.bundle.manifest.version, _version_of(self.rules))

    @property
    def has_ledger(self) -> bool:
        """Whether any of it needs the merchant ledger."""
        bundles = [self.bundle] if self.challenger is None else [self.bundle, self.challenger.bundle]
        return any(bundle.manifest.feature_set.has_ledger for bundle in bundles)


# A follower is milliseconds behind the store, unless something is wrong.
TRIES, REST_SECONDS = 500, 0.02


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
        self._unusable = Unusable(self._models, rules_folder)
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
        self._unusable.look_again(bundle.manifest.version, _version_of(rules))

    def go_on_with_rules(self, rules: CompiledRules | None) -> None:
        """They are in force from now on; for the current bundle."""
        self.rules = rules
        self._unusable.look_again(_version_of(rules))

    def share_with(self, challenger: Decider | None) -> None:
        """It decides for its share of the customers from each partition's next chunk on; None: the current bundle
        decides for all again. It must be one that can share the engine, with its scorer, and with the rules in force
        compiled for it: while others are, it decides nothing."""
        self.challenger = challenger
        if challenger is not None:
            self._unusable.look_again(challenger.bundle.manifest.version)

    def go_on_without(self, failed: Versions) -> bool:
        """This bundle raised something beside these rules: nothing is decided by them any more, though the log may name
        them. False of what is in use: nobody said what should decide in its place."""
        if failed == Versions(self.current.manifest.version, _version_of(self.rules)):
            return False
        if self.challenger is not None and self.challenger.bundle.manifest.version == failed.bundle:
            self.challenger = None
        self._unusable.add(failed)
        return True

    async def versions_for(self, named: Sequence[Versions], customer: str | None) -> Versions:
        """What to decide a transaction of this customer by where the log names some: the first of which everything is
        at hand; else the first of which that is at hand which decides this customer; else the current ones."""
        for whose in (None, customer):
            for versions in named:
                if await self.can_decide(versions, whose):
                    return versions
        return self.versions

    async def can_decide(self, versions: Versions, customer: str | None) -> bool:
        """Whether what decides this customer's transactions is at hand; None: whoever the customer is."""
        if versions == self.versions:
            return True
        usable = tuple([one.bundle.manifest.version for one in await self._usable(versions)])
        if versions.share is None or customer is None:
            return usable == versions.bundles
        return versions.share.decides(customer) in usable

    async def _usable(self, versions: Versions) -> list[_Parts]:
        """Those of the bundles that can decide. Where one of two is gone, the current one decides for its customers, in
        turns with the other: each turn would rebuild the histories if they had engines of their own."""
        share = versions.share
        each = [await self._one_usable(Versions(one, versions.rules)) for one in versions.bundles]
        found = [one for one in each if one is not None]
        if share is None or not found:
            return found
        first, last = ([one.bundle.manifest for one in found] + [self.current.manifest])[:2]
        has_all = len(found) > 1 or last.feature_set.has_ledger or not first.feature_set.has_ledger
        if first.terms == last.terms and has_all:
            return found
        pair = Versions(versions.bundle, None, Share(share.in_use, share.challenger, 0.0))  # whatever the percentage
        if pair not in self._unusable:
            self._unusable.add(pair)
            self._unusable.tell(versions, f"{first.version} and {last.version} cannot have one engine", self.versions)
        return []

    async def _one_usable(self, single: Versions) -> _Parts | None:
        """Nothing here knows of shares: anybody can name as many as there are percentages."""
        if self._unusable.has(single):
            return None
        if found := next((one for one in self._in_memory() if one.versions == single), None):
            return found
        try:
            parts = await self._parts_of(single)
            await self._store.call(partial(check_known, parts.bundle.manifest))
            self._begun[single] = await self._begin(parts)
        except (BundleError, RuleError, EngineError, DaysPrunedError) as error:
            # Of the engine: terms that do not fit each other.
            is_of_rules = isinstance(error, RuleError)
            missing = single if is_of_rules else Versions(single.bundle)
            self._unusable.add(missing)
            self._unusable.tell(missing, str(error), self.versions, is_of_rules=is_of_rules)
            return None
        return parts._replace(scorer=self._begun[single].pipeline.scorer)

    async def take(self, partition: int, versions: Versions) -> Pipeline:
        """What this partition goes on with; what it had before goes with `retire` if nobody else has it. Unless its
        engine has the partition's histories, they are to be put there by `restore`."""
        self._had_by[partition] = versions
        begun = self._begun.get(versions)
        # Where one of two bundles was gone, it may be there again.
        if begun is None or (begun.pipeline.share is not None and begun.pipeline.of_share is None):
            self._begun[versions] = await self._begin(await self._parts(versions))
        # Anybody can name as many shares as there are percentages. The bundles stay: a chunk may come back to them.
        self._retire(one for one in self._begun if one.share is not None)
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
        share = versions.share
        if share is None:
            return await self._parts_of(versions)
        parts, *others = await self._usable(versions)
        if not others:
            return parts._replace(share=share)
        [other] = others
        return parts._replace(challenger=Decider(other.bundle, share.percent, other.scorer, other.rules))

    async def _parts_of(self, single: Versions) -> _Parts:
        """Of one bundle. What is in memory is neither read nor compiled again: its files may be gone."""
        version, rules, _ = single
        if found := next((one for one in self._in_memory() if one.versions == single), None):
            return found
        rule_set: RuleSet | None = None
        if rules is not None:
            # First, for to read a bundle takes longer.
            known = next((one.rules for one in self._in_memory() if _version_of(one.rules) == rules), None)
            rule_set = known.rule_set if known else await self._store.call(partial(_rule_set, self.rules_folder, rules))
        same = next((one for one in self._in_memory() if one.bundle.manifest.version == version), None)
        parts = same or _Parts(bundle_of_version(self._models, version), None, None)
        if rule_set is None:
            return parts._replace(rules=None)
        return parts._replace(rules=await self._store.call(partial(_compiled, rule_set, parts.bundle.manifest)))

    def _in_memory(self) -> Iterator[_Parts]:
        """Single bundles, each with the rules that were compiled for it."""
        scorers = {}
        for pipeline, _ in self._begun.values():
            for one in filter(None, (pipeline, pipeline.of_share)):
                scorers[one.manifest.version] = one.scorer
                yield _Parts(one.bundle, one.scorer, one.rules)
        yield _Parts(self.current, self._scorer or scorers.get(self.current.manifest.version), self.rules)
        if self.challenger is not None:
            yield _Parts(self.challenger.bundle, self.challenger.scorer, self.challenger.rules)

    def release(self, partition: int) -> None:
        """It belongs to somebody else now."""
        self._had_by.pop(partition, None)

    def retire(self) -> None:
        """Lets go of the pipelines that no partition has."""
        self._retire(self._begun)

    def _retire(self, some: Iterable[Versions]) -> None:
        for versions in set(some) - set(self._had_by.values()):
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
            reached, begun, days = await self._store.call(partial(days_within_reach, self._topic, ends, manifest))
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
            source.forget_before(ledger_horizon_of(slowest, pipeline.manifest))


def _version_of(rules: CompiledRules | None) -> str | None:
    return None if rules is None else rules.version


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
    return Pipeline(parts.bundle, source, shared, parts.scorer, parts.rules, parts.challenger, parts.share)


def _made_apart(parts: _Parts, source: DayQueue, slowest: int, store: Store) -> Pipeline:
    pipeline = _made(parts, source, None, store)
    # The store was asked for no day before that: to look at one is an error, and not an empty day.
    pipeline.engine.forget_old_days(slowest)
    return pipeline


def encode_manifest(manifest: Manifest) -> str:
    return msgspec.json.encode(manifest).decode()
