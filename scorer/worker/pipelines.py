"""The bundles at hand, each with its pipeline: the one that scores now, and older ones that the log still names."""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import msgspec

from risk.bundle import Bundle, Manifest, read_bundle
from risk.clock import DAY, MONTH
from risk.errors import StoreError
from risk.ledger_log import ClosedDay
from risk.pipeline import Pipeline
from risk.store import Store
from scorer.worker.days import LedgerDays, Source
from scorer.worker.log_bounds import LogBounds
from scorer.worker.reach import slowest
from scorer.worker.store_thread import StoreThread

log = logging.getLogger(__name__)

# A follower is milliseconds behind the store, unless something is wrong.
TRIES, REST_SECONDS = 500, 0.02


class Pipelines:
    """By version. What an engine holds is touched in the store's thread alone, which is the one that scores."""

    def __init__(
        self, current: Bundle, days: LedgerDays, store: StoreThread, bounds: LogBounds, *, topic: str, partitions: int
    ) -> None:
        """`topic`: that of the transactions, and how many partitions it has."""
        self.current = current
        self._bounds = bounds
        self._topic = topic
        self._partitions = partitions
        self._models = current.folder.parent
        self._days = days
        self._store = store
        self._pipelines: dict[str, Pipeline] = {}
        self._missing: set[str] = set()

    def version_for(self, named: str | None) -> str:
        """The version to score with where the log names one: that one if it is at hand, or else the current one."""
        ours = self.current.manifest.version
        if named is None or named == ours or named in self._missing:
            return ours
        # What names a bundle came out of Kafka: it names a folder among the models, or nothing.
        if named in self._pipelines or (Path(named).name == named and (self._models / named).is_dir()):
            return named
        self._missing.add(named)
        log.warning(
            "the log has flags of bundle %s, which is not in %s; %s scores them again", named, self._models, ours
        )
        return ours

    async def get(self, version: str) -> Pipeline:
        if version not in self._pipelines:
            ours = version == self.current.manifest.version
            self._pipelines[version] = await self._begin(self.current if ours else read_bundle(self._models / version))
        return self._pipelines[version]

    async def _begin(self, bundle: Bundle) -> Pipeline:
        manifest = bundle.manifest
        kind = manifest.label_delay_days, manifest.bucket_ms
        await self._store.call(lambda store: store.remember_bundle(manifest.version, encode_manifest(manifest)))
        for _ in range(TRIES):
            ends = await self._bounds.ends_of(self._topic, self._partitions)
            since, begun, days = await self._store.call(partial(_days_within_reach, self._topic, ends, manifest))
            # A day that came after the store was read would be in neither: then it is read again.
            if self._days.newest_of(*kind) == (days[-1].closed.day if days else None):
                source = Source(days, has_begun=begun, complete_from=since if begun else None)
                self._days.follow(*kind, source)
                return await self._store.call(partial(_made, bundle, source))
            await asyncio.sleep(REST_SECONDS)
        raise StoreError(
            f"ledger days of {manifest.version}: the store has days up to {days[-1].closed.day if days else None}, and "
            f"their topic brought {self._days.newest_of(*kind)} so far, expected the same; start the worker again"
        )

    def forget(self, partition: int) -> None:
        for pipeline in self._pipelines.values():
            pipeline.engine.forget(partition)

    def let_go_of_days(self, slowest: int) -> None:
        for pipeline in self._pipelines.values():
            pipeline.engine.forget_old_days(slowest)


def restore(pipeline: Pipeline, store: Store, partition: int, newest: int | None) -> int:
    """Puts a partition's histories back, out of the store; how many rows that were."""
    pipeline.engine.forget(partition)
    if newest is None:
        return 0
    rows = 0
    since = newest - MONTH - 2 * pipeline.manifest.max_lateness_ms
    for transactions in store.history(partition, since):
        pipeline.engine.restore(transactions, partition)
        rows += len(transactions)
    return rows


def _days_within_reach(
    topic: str, ends: Mapping[int, int], manifest: Manifest, store: Store
) -> tuple[int, bool, list[ClosedDay]]:
    """From which day on, whether the ledger had begun before it, and the closed days that transactions of any partition
    can need."""
    kind = manifest.label_delay_days, manifest.bucket_ms
    reach = manifest.max_lateness_ms + (manifest.label_delay_days + 2) * DAY + MONTH
    since = (slowest(store.positions(), topic, ends) - reach) // DAY
    _, begun_day, last_day = store.ledger_bounds(*kind)
    if last_day is not None:
        since = min(since, last_day)
    return since, begun_day is not None and begun_day < since, list(store.ledger_days(*kind, since))


def _made(bundle: Bundle, source: Source, _: Store) -> Pipeline:
    return Pipeline(bundle, source)


def encode_manifest(manifest: Manifest) -> str:
    return msgspec.json.encode(manifest).decode()
