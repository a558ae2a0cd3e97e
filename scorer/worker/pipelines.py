"""The bundles at hand, each with its pipeline: the one that scores now, and older ones that the log still names."""

import logging

import msgspec
from risk.store import Store

from risk.bundle import Bundle, Manifest, read_bundle
from risk.clock import DAY
from risk.ledger_log import ClosedDay
from risk.pipeline import Pipeline
from risk.windows import MONTH
from scorer.worker.days import NEVER, LedgerDays, Source
from scorer.worker.store_thread import StoreThread

log = logging.getLogger(__name__)


class Pipelines:
    """By version. What an engine holds is touched in the store's thread alone, which is the one that scores."""

    def __init__(self, current: Bundle, days: LedgerDays, store: StoreThread) -> None:
        self.current = current
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
        if named in self._pipelines or (self._models / named).is_dir():
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
        while True:
            begun, days = await self._store.call(lambda store: _days_within_reach(store, manifest))
            # A day that came after the store was read would be in neither: then it is read again.
            if self._days.newest_of(*kind) == (days[-1].closed.day if days else None):
                break
        source = Source(days, has_begun=begun)
        self._days.follow(*kind, source)
        return await self._store.call(lambda _: Pipeline(bundle, source))

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


def _days_within_reach(store: Store, manifest: Manifest) -> tuple[bool, list[ClosedDay]]:
    """Whether the ledger had begun before them, and the closed days that transactions of any partition can need."""
    kind = manifest.label_delay_days, manifest.bucket_ms
    newest = [position.newest_event_time for position in store.positions() if position.newest_event_time is not None]
    reach = manifest.max_lateness_ms + (manifest.label_delay_days + 2) * DAY + MONTH
    since = (min(newest, default=NEVER) - reach) // DAY
    _, begun_day, last_day = store.ledger_bounds(*kind)
    if last_day is not None:
        since = min(since, last_day)
    return begun_day is not None and begun_day < since, list(store.ledger_days(*kind, since))


def encode_manifest(manifest: Manifest) -> str:
    return msgspec.json.encode(manifest).decode()
