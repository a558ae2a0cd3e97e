"""Going on with another bundle while the worker runs: notices a promotion, has the bundle loaded, checked and warm
beside the one that scores, and only then has the partitions go on with it, each from its next chunk.

What cannot be taken is refused with the reason, and the one that scores goes on. Nothing here ends a worker: whoever
promotes may be wrong, and its successor would read the same.
"""

import asyncio
import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic, time
from typing import NamedTuple, TypeVar

from risk.block import block_of
from risk.bundle import (
    CURRENT,
    Bundle,
    Manifest,
    bundle_of_version,
    current_bundle,
    needs_a_restart,
)
from risk.challenger import CHALLENGER, challenger_bundle
from risk.clock import DAY, EARLIEST, HOUR
from risk.errors import BundleError, EngineError, RuleError
from risk.events import Transaction
from risk.ledger import SeenDays
from risk.pipeline import Pipeline
from risk.rules.compiled import CompiledRules, compiled_for
from risk.scorer import Scorer
from risk.store import RefusedBundle
from scorer.metrics import Metrics
from scorer.store_thread import StoreThread
from scorer.worker.bundles import Pipelines, check_known, encode_manifest
from scorer.worker.shadow import Challenger, check_quick

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

LOOKS_EVERY_SECONDS = 1.0
# What was refused is read again when its files change; and so often, for a disk may have failed for a moment.
AGAIN_SECONDS = 60.0


TURN_SECONDS = 0.0005


class Found(NamedTuple):
    """What a file says that names a bundle or a rule set, and what there is of it; equal where nothing has changed."""

    version: str | None  # None where it names none
    text: str  # the version, or why there is none
    files: tuple[tuple[str, int, int], ...] = ()  # name, size and time
    beside: str | None = None  # the bundle or the rule set that it has to fit


NOTHING = Found(None, "")  # where no file is, and none need be


class Watch(ABC):
    """Looks once a second at a file of a few bytes, which `promote` puts there whole, and has the bundle that it names
    loaded, checked and warmed."""

    _is_challengers: bool  # whether it looks after the challenger

    def __init__(
        self,
        models: Path,
        pipelines: Pipelines,
        store: StoreThread,
        metrics: Metrics,
        name: str,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`name`: by which the store knows this worker."""
        self._models = models
        self._pipelines = pipelines
        self._store = store
        self._metrics = metrics
        self._name = name
        self._clock = clock
        self._begun_with = pipelines.current.manifest
        self._refused: Found | None = None
        self._reason: str | None = ""  # None: the store has nothing of ours
        self._since = 0  # of the reason, ms
        self._seen: Found | None = None  # the last time
        self._again_at = 0.0
        # One of its own: the loop's others may wait for names of hosts.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bundle")

    async def run(self) -> None:
        try:
            while True:
                await self.look()
                await asyncio.sleep(LOOKS_EVERY_SECONDS)
        finally:
            self._thread.shutdown(wait=False)

    async def look(self) -> None:
        found = await self._in_thread(self._find)
        seen, self._seen = self._seen, found
        if self._is_settled(found):
            await self._refuse_nothing()
        elif self._is_to_be_read(found, seen):
            try:
                ready = await self._in_thread(partial(self._load, found))
                await self._store.call(partial(check_known, ready[0].manifest))
            except (BundleError, EngineError, RuleError) as error:
                await self._refuse(found, str(error))
                return
            # To load it takes a while; whoever promoted another one meanwhile wants that one.
            if (await self._in_thread(self._find)).version == found.version:
                await self._go_on_with(*ready)
                await self._refuse_nothing()

    def _is_to_be_read(self, found: Found, seen: Found | None) -> bool:
        refused = self._refused
        if refused is None or refused.text != found.text:
            return True
        # What is still being copied changes from one look to the next, and would be refused each time.
        has_changed = found != refused and found == seen
        return has_changed or self._clock() >= self._again_at

    @abstractmethod
    def _find(self) -> Found: ...

    @abstractmethod
    def _is_settled(self, found: Found) -> bool:
        """Whether nothing is to be loaded, for what is found is in place."""

    @abstractmethod
    def _check(self, manifest: Manifest) -> None:
        """BundleError where a worker that runs cannot take it."""

    @abstractmethod
    async def _go_on_with(self, bundle: Bundle, scorer: Scorer) -> None: ...

    @abstractmethod
    def _on_refusal(self, reason: str, *, is_new: bool) -> None: ...

    @abstractmethod
    def _on_no_refusal(self) -> None: ...

    def _load(self, found: Found) -> tuple[Bundle, Scorer]:
        """In the thread: nothing of it is seen by who scores."""
        if found.version is None:
            raise BundleError(found.text)
        bundle = bundle_of_version(self._models, found.version)
        self._check(bundle.manifest)
        with short_turns():
            return bundle, ready_to_score(bundle)

    async def _refuse(self, found: Found, why: str) -> None:
        """`why` names paths, which need not be text."""
        reason = why.encode("utf-8", "backslashreplace").decode()
        self._refused, self._again_at = found, self._clock() + AGAIN_SECONDS
        is_new = reason != self._reason
        if is_new:
            self._reason, self._since = reason, int(time() * 1000)
        self._on_refusal(reason, is_new=is_new)
        # Each time: while a worker has no partition, another one's refusal takes its own away.
        named = CHALLENGER if self._is_challengers else CURRENT
        refused = RefusedBundle(self._name, found.version or named, reason, self._since)
        await self._store.call(lambda store: store.refuse_bundle(refused, as_challenger=self._is_challengers))

    async def _refuse_nothing(self) -> None:
        self._refused = None
        if self._reason is not None:
            self._reason = None
            self._on_no_refusal()
            await self._store.call(lambda store: store.refuse_no_bundle(self._name, as_challenger=self._is_challengers))

    async def _in_thread(self, do: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, do)


class BundleWatch(Watch):
    """Looks after the bundle in use."""

    _is_challengers = False
    _rules: CompiledRules | None = None  # those in force, for the bundle that was checked last

    def _find(self) -> Found:
        return _found(partial(current_bundle, self._models))._replace(beside=self._pipelines.versions.rules)

    def _is_settled(self, found: Found) -> bool:
        return found.version == self._pipelines.current.manifest.version

    def _check(self, manifest: Manifest) -> None:
        why = needs_a_restart(manifest, self._begun_with)
        if why is not None:
            raise BundleError(
                f"{manifest.version} needs a restart of the workers ({why}). To go on with it, stop all of them, then "
                "start them; or promote another"
            )
        in_force = self._pipelines.rules
        with short_turns():
            self._rules = None if in_force is None else compiled_for(in_force.rule_set, manifest)

    async def _go_on_with(self, bundle: Bundle, scorer: Scorer) -> None:
        before, rules = self._pipelines.current.manifest, self._rules
        if (None if rules is None else rules.version) != self._pipelines.versions.rules:
            return  # others came into force meanwhile: it is looked at again
        self._pipelines.go_on_with(bundle, scorer, rules)
        self._metrics.scores_with(bundle.manifest, before)
        log.info("goes on with bundle %s, in place of %s", bundle.manifest.version, before.version)

    def _on_refusal(self, reason: str, *, is_new: bool) -> None:
        if is_new:
            self._metrics.bundle_refused.set(1)
            self._metrics.bundle_refusals.inc()
            version = self._pipelines.current.manifest.version
            log.warning("the promoted bundle is not taken: %s. %s goes on", reason, version)

    def _on_no_refusal(self) -> None:
        self._metrics.bundle_refused.set(0)


class ChallengerWatch(Watch):
    """Looks after the challenger. One that is refused leaves none: the one before was to be replaced."""

    _is_challengers = True

    def __init__(
        self,
        models: Path,
        pipelines: Pipelines,
        challenger: Challenger,
        store: StoreThread,
        metrics: Metrics,
        name: str,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(models, pipelines, store, metrics, name, clock)
        self._challenger = challenger

    async def look(self) -> None:
        if self._challenger.failure is not None and self._seen is not None:
            await self._refuse(self._seen, self._challenger.failure)
        await super().look()

    def _find(self) -> Found:
        return _found(partial(challenger_bundle, self._models))

    def _is_settled(self, found: Found) -> bool:
        """Where nothing is named, or what is in use, there is no challenger: that needs no loading."""
        if found == NOTHING or found.version == self._pipelines.current.manifest.version:
            if self._challenger.version is not None:
                log.info("the challenger is %s no more", self._challenger.version)
            self._challenger.go_on_with(None)
            return True
        return found.version is not None and found.version == self._challenger.version

    def _check(self, manifest: Manifest) -> None:
        current = self._pipelines.current.manifest
        why = needs_a_restart(manifest, self._begun_with) or needs_a_restart(manifest, current)
        if why is not None:
            raise BundleError(
                f"{manifest.version} cannot score beside {current.version} ({why}). Name a challenger that was trained "
                "on the same terms"
            )

    def _load(self, found: Found) -> tuple[Bundle, Scorer]:
        bundle, scorer = super()._load(found)
        check_quick(scorer)
        return bundle, scorer

    async def _go_on_with(self, bundle: Bundle, scorer: Scorer) -> None:
        version, manifest = bundle.manifest.version, encode_manifest(bundle.manifest)
        await self._store.call(lambda store: store.remember_challenger(version, manifest))
        self._challenger.go_on_with(scorer)
        log.info("the challenger is %s", version)

    def _on_refusal(self, reason: str, *, is_new: bool) -> None:
        self._challenger.go_on_with(None)
        if is_new:
            self._metrics.challenger_refused.set(1)
            log.warning("the challenger is not taken: %s", reason)

    def _on_no_refusal(self) -> None:
        self._metrics.challenger_refused.set(0)


@contextmanager
def short_turns() -> Iterator[None]:
    """To read a model is Python for a quarter of a second. Whoever scores goes from thread to thread meanwhile, and
    would wait for the interpreter's lock 5 ms at each step; so a chunk takes half as long in the median."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(TURN_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def _found(named: Callable[[], Path | None]) -> Found:
    try:
        folder = named()
    except BundleError as error:
        return Found(None, str(error))
    return NOTHING if folder is None else found_in(folder)


def found_in(folder: Path) -> Found:
    """A bundle's or a rule set's."""
    try:
        files = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    except OSError:
        files = []  # it goes just now: who reads it says so
    return Found(folder.name, folder.name, tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in files))


WARM_UP_DAYS, WARM_UP_CUSTOMERS = 24, 5


def ready_to_score(bundle: Bundle) -> Scorer:
    """Its scorer, warm: has scored a made-up history with an engine that nobody sees again."""
    manifest = bundle.manifest
    days = SeenDays(manifest.terms.ledger_terms)
    pipeline = Pipeline(bundle, days)
    block = block_of(
        [
            _made_up(day, customer, manifest.currency)
            for day in range(WARM_UP_DAYS)
            for customer in range(WARM_UP_CUSTOMERS)
        ]
    )
    for first in range(0, len(block), WARM_UP_CUSTOMERS):
        pipeline.score(block.cut(first, first + WARM_UP_CUSTOMERS))
    pipeline.engine.restore([block], 1)
    pipeline.engine.forget_old_days()
    return pipeline.scorer


def _made_up(day: int, customer: int, currency: str) -> Transaction:
    return Transaction(
        f"{day}-{customer}",
        EARLIEST + day * DAY + customer * HOUR,
        f"customer {customer}",
        currency,
        f"merchant {day % 3}",
        "category",
        1_000 + day,
        "channel",
        f"device {customer}",
        "country",
    )
