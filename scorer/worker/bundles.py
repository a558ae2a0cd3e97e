"""The bundles at hand, each with its pipeline: the one that scores now, and older ones that the log still names.

On equal terms they share an engine, so that going on with another bundle rebuilds nothing.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import msgspec

from risk.bundle import Bundle, Manifest, bundle_of_version, what_decides
from risk.engine import Engine
from risk.errors import BundleError, DaysPrunedError, EngineError, StoreError
from risk.horizon import history_horizon, ledger_horizon
from risk.ledger_log import ClosedDay
from risk.pipeline import Pipeline
from risk.scorer import Scorer
from risk.store import Store
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


log = logging.getLogger(__name__)

# A follower is milliseconds behind the store, unless something is wrong.
TRIES, REST_SECONDS = 500, 0.02
# Anybody can write flags that name bundles: so many that cannot be used are told, each once.
MISSING_TOLD = 100


class Pipelines:
    """By version, each for as long as a partition has it: ledger days are kept for it, and one that nobody feeds would
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
        scorer: Scorer | None = None,
    ) -> None:
        """`topic`: that of the transactions, and how many partitions it has. `scorer`: of the current bundle, where it
        was made already."""
        self.current = current
        self._scorer = scorer  # of the current one
        self._bounds = bounds
        self._topic = topic
        self._partitions = partitions
        self._models = current.folder.parent
        self._days = days
        self._store = store
        self._begun: dict[str, Begun] = {}
        self._had_by: dict[int, str] = {}  # which version each partition has
        self._missing: set[str] = set()
        self._remembered: set[str] = set()  # by the store

    def go_on_with(self, bundle: Bundle, scorer: Scorer) -> None:
        """It is the current one from now on: each partition takes it with its next chunk. It must be one that can share
        the engine (`risk.bundle.needs_a_restart`); its scorer is at hand, so that no chunk waits for a model."""
        self.current, self._scorer = bundle, scorer

    async def version_for(self, named: Sequence[str]) -> str:
        """The version to score with where the log names some: the first that is at hand, or else the current one."""
        ours = self.current.manifest.version
        for version in named:
            if version == ours or await self._is_at_hand(version):
                return version
        return ours

    async def _is_at_hand(self, version: str) -> bool:
        """What names a bundle came out of Kafka, so one that cannot be used is no reason to end: it would be read again
        at every start."""
        if version in self._begun:
            return True
        if version in self._missing:
            return False
        try:
            bundle = bundle_of_version(self._models, version)
            await self._store.call(partial(check_known, bundle.manifest))
            self._begun[version] = await self._begin(bundle)
        except (BundleError, EngineError, DaysPrunedError) as error:
            # Of the engine: terms that do not fit each other.
            if len(self._missing) < MISSING_TOLD:
                self._missing.add(version)
                log.warning(
                    "the log has flags of bundle %s, which cannot be used (%s); %s scores their transactions again. To "
                    "repeat what was said instead: stop the workers, bring the bundle to %s, start them again",
                    version, error, self.current.manifest.version, self._models,
                )  # fmt: skip
            return False
        return True

    async def take(self, partition: int, version: str) -> Pipeline:
        """What this partition goes on with; what it had before goes with `retire` if nobody else has it. Unless its
        engine has the partition's histories, they are to be put there by `restore`."""
        self._had_by[partition] = version
        if version not in self._begun:
            ours = version == self.current.manifest.version
            bundle = self.current if ours else bundle_of_version(self._models, version)
            self._begun[version] = await self._begin(bundle)
        pipeline = self._begun[version].pipeline
        if version not in self._remembered:
            # Only now: a bundle that nothing is scored with is none of those that `verify` and `prune` reckon with.
            text = encode_manifest(pipeline.manifest)
            await self._store.call(lambda store: store.remember_bundle(version, text))
            self._remembered.add(version)
        return pipeline

    def release(self, partition: int) -> None:
        """It belongs to somebody else now."""
        self._had_by.pop(partition, None)

    def retire(self) -> None:
        """Lets go of the pipelines that no partition has."""
        for version in set(self._begun) - set(self._had_by.values()):
            source = self._begun.pop(version).source
            if all(begun.source is not source for begun in self._begun.values()):
                self._days.leave(source)

    async def _begin(self, bundle: Bundle) -> Begun:
        """With the engine of another if there is one that can take it: terms are equal, and its ledger is followed."""
        manifest = bundle.manifest
        for other in self._begun.values():
            engine = other.pipeline.engine
            has_all = engine.feature_set.has_ledger or not manifest.feature_set.has_ledger
            if engine.terms == manifest.terms and has_all:
                scorer = self._scorer_of(bundle)
                pipeline = await self._store.call(partial(_made, bundle, other.source, engine, scorer))
                # Where the other was retired meanwhile, nobody brings its days any more.
                return Begun(pipeline, other.source) if other in self._begun.values() else await self._begin(bundle)
        return await self._begin_apart(bundle)

    async def _begin_apart(self, bundle: Bundle) -> Begun:
        manifest = bundle.manifest
        terms = manifest.terms.ledger_terms
        for _ in range(TRIES):
            ends = await self._bounds.ends_of(self._topic, self._partitions)
            reached, begun, days = await self._store.call(partial(_days_within_reach, self._topic, ends, manifest))
            # A day that came after the store was read would be in neither: then it is read again.
            if self._days.newest_of(terms) == (days[-1].closed.day if days else None):
                source = DayQueue(days, has_begun=begun)
                if manifest.feature_set.has_ledger:
                    self._days.follow(terms, source)
                try:
                    scorer = self._scorer_of(bundle)
                    pipeline = await self._store.call(partial(_made_apart, bundle, source, scorer, reached))
                except BaseException:
                    self._days.leave(source)  # or it would keep all days that come, and nobody would ask for them
                    raise
                return Begun(pipeline, source)
            await asyncio.sleep(REST_SECONDS)
        raise FollowerBehindError(
            f"ledger days of {manifest.version}: the store has days up to {days[-1].closed.day if days else None}, and "
            f"their topic brought {self._days.newest_of(terms)} so far, expected the same; start the worker again"
        )

    def _scorer_of(self, bundle: Bundle) -> Scorer | None:
        return self._scorer if bundle is self.current else None

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


def _made(bundle: Bundle, source: DayQueue, shared: Engine | None, scorer: Scorer | None, _: Store) -> Pipeline:
    return Pipeline(bundle, source, shared, scorer)


def _made_apart(bundle: Bundle, source: DayQueue, scorer: Scorer | None, slowest: int, store: Store) -> Pipeline:
    pipeline = _made(bundle, source, None, scorer, store)
    # The store was asked for no day before that: to look at one is an error, and not an empty day.
    pipeline.engine.forget_old_days(slowest)
    return pipeline


def encode_manifest(manifest: Manifest) -> str:
    return msgspec.json.encode(manifest).decode()
