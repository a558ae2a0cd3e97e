"""Watches what a worker is to go on with while it runs. A small file names it, which `promote` puts there whole; what
it names is loaded, checked and warmed beside what runs, and only then gone on with, from the next chunks.

What cannot be taken is refused with the reason, and what runs goes on. Nothing here ends a worker: whoever promotes may
be wrong, and its successor would read the same.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import monotonic, time
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from risk.errors import BundleError, EngineError, RuleError, TrustLensError
from risk.store import Refusal, Role
from scorer.metrics import Metrics
from scorer.store_thread import StoreThread
from scorer.worker.pipelines import Pipelines

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Ready = TypeVar("Ready")

LOOKS_EVERY_SECONDS = 1.0
# What was refused is read again when its files change; and so often, for a disk may have failed for a moment.
AGAIN_SECONDS = 60.0


class Found(NamedTuple):
    """What the file names, and what there is of it; equal where nothing has changed."""

    version: str | None  # None where it names none
    text: str  # the version, or what stands in its place, or why there is none; nothing where there is no file
    files: tuple[tuple[str, int, int], ...] = ()  # name, size and time
    beside: "Found | None" = None  # the rule set or the bundle that it has to fit
    percent: float | None = None  # of the customers, for whom a challenger is to decide

    @property
    def named(self) -> tuple[str, str | None, float | None]:
        return self.text, None if self.beside is None else self.beside.text, self.percent


NOTHING = Found(None, "")


def found_in(folder: Path, *more: Path) -> Found:
    """A bundle's or a rule set's. `more`: files whose change counts, too."""
    try:
        files = [(path.name, path.stat()) for path in (*sorted(folder.iterdir()), *more)]
    except OSError:
        files = []  # it goes just now: who reads it says so
    return Found(folder.name, folder.name, tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in files))


class WatchParts(NamedTuple):
    """What watches see of their worker."""

    pipelines: Pipelines
    store: StoreThread
    metrics: Metrics
    name: str  # by which the store knows it
    clock: Callable[[], float] = monotonic


class Watch(ABC, Generic[Ready]):
    """Looks after one thing that a worker goes on with."""

    role: ClassVar[Role]
    file: ClassVar[str]  # its name
    what: ClassVar[str]  # what it names, as the log says it

    def __init__(self, folder: Path, parts: WatchParts) -> None:
        """`folder`: where the file is, and what it may name."""
        self._folder = folder
        self._pipelines, self._store, self._metrics, self._name, self._clock = parts
        self._refused: Found | None = None
        self._reason: str | None = ""  # None: the store has nothing of ours
        self._since = 0  # of the reason, ms
        self._seen: Found | None = None  # the last time
        self._again_at = 0.0
        # One of its own: the loop's others may wait for names of hosts.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=self.role)

    async def look(self) -> None:
        found = await self._in_thread(self._find)
        seen, self._seen = self._seen, found
        if self._is_in_place(found):
            self._end_unnamed(found)
            await self._refuse_nothing()
        elif self._is_to_be_read(found, seen):
            try:
                ready = await self._loaded(found)
            except (BundleError, EngineError, RuleError) as error:
                await self._refuse(found, str(error))
                return
            # To load it takes a while; whoever promoted another one meanwhile wants that one.
            if (await self._in_thread(self._find)).named == found.named:
                await self._go_on_with(found, ready)
                await self._refuse_nothing()

    def _is_to_be_read(self, found: Found, seen: Found | None) -> bool:
        refused = self._refused
        if refused is None or refused.named != found.named:
            return True
        # What is still being copied changes from one look to the next, and would be refused each time.
        has_changed = found != refused and found == seen
        return has_changed or self._clock() >= self._again_at

    @abstractmethod
    def _find(self) -> Found:
        """In the thread."""

    @abstractmethod
    def _is_in_place(self, found: Found) -> bool:
        """Whether nothing is to be loaded."""

    def _end_unnamed(self, found: Found) -> None:
        """Ends what is named no more, where nothing takes its place."""

    @abstractmethod
    def _load(self, found: Found) -> Ready:
        """In the thread: nothing of it is seen by who scores. BundleError, EngineError or RuleError where a worker that
        runs cannot take it."""

    async def _loaded(self, found: Found) -> Ready:
        try:
            return await self._in_thread(partial(self._load, found))
        except TrustLensError:
            raise
        except Exception as error:  # whatever a model raises on what it is tried with
            raise BundleError(f"{found.text} cannot be used ({type(error).__name__}: {error})") from error

    @abstractmethod
    async def _go_on_with(self, found: Found, ready: Ready) -> None: ...

    @abstractmethod
    def _go_on_without(self, found: Found) -> str:
        """It is refused; what goes on instead, as the end of a sentence in the log."""

    async def _refuse(self, found: Found, why: str) -> None:
        """`why` names paths, which need not be text."""
        reason = why.encode("utf-8", "backslashreplace").decode()
        self._refused, self._again_at = found, self._clock() + AGAIN_SECONDS
        goes_on = self._go_on_without(found)
        if reason != self._reason:
            self._reason, self._since = reason, int(time() * 1000)
            self._metrics.refused[self.role].set(1)
            self._metrics.refusals[self.role].inc()
            log.warning("%s is not taken: %s%s", self.what, reason, goes_on)
        # Each time: while a worker has no partition, another one's refusal takes its own away.
        refusal = Refusal(self._name, found.version or self.file, reason, self._since)
        await self._store.call(lambda store: store.refuse(self.role, refusal))

    async def _refuse_nothing(self) -> None:
        self._refused = None
        if self._reason is not None:
            self._reason = None
            self._metrics.refused[self.role].set(0)
            await self._store.call(lambda store: store.refuse_nothing(self.role, self._name))

    async def _in_thread(self, do: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, do)

    def close(self) -> None:
        self._thread.shutdown(wait=False)


async def look_after(*watches: Watch[Any]) -> None:
    """One after the other, so that nothing of what they look after changes while another one decides."""
    try:
        while True:
            for watch in watches:
                await watch.look()
            await asyncio.sleep(LOOKS_EVERY_SECONDS)
    finally:
        for watch in watches:
            watch.close()
