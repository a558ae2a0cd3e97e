"""Going on with another rule set while the worker runs, or with none: notices what was put in force, has it loaded,
checked and compiled beside the one that decides, and only then has the partitions go on with it, each from its next
chunk. As with bundles (swap.py), what cannot be taken is refused with the reason, and the one that decides goes on.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import monotonic, time
from typing import TypeVar

from risk.bundle import CURRENT, Manifest
from risk.errors import RuleError
from risk.rules.compiled import CompiledRules, compiled_for
from risk.rules.rule_set import rules_of_version, version_in_force
from risk.store import RefusedBundle
from scorer.metrics import Metrics
from scorer.store_thread import StoreThread
from scorer.worker.bundles import Pipelines
from scorer.worker.swap import AGAIN_SECONDS, LOOKS_EVERY_SECONDS, NOTHING, Found, found_in, short_turns

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class RulesWatch:
    """Looks at `current` in the folder of rule sets once a second: a file of a few bytes, or none."""

    def __init__(
        self,
        folder: Path,
        pipelines: Pipelines,
        store: StoreThread,
        metrics: Metrics,
        name: str,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`name`: by which the store knows this worker."""
        self._folder = folder
        self._pipelines = pipelines
        self._store = store
        self._metrics = metrics
        self._name = name
        self._clock = clock
        self._refused: Found | None = None
        self._reason: str | None = ""  # None: the store has nothing of ours
        self._since = 0  # of the reason, ms
        self._seen: Found | None = None  # the last time
        self._again_at = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rules")

    async def run(self) -> None:
        try:
            while True:
                await self.look()
                await asyncio.sleep(LOOKS_EVERY_SECONDS)
        finally:
            self._thread.shutdown(wait=False)

    async def look(self) -> None:
        found = await self._find()
        seen, self._seen = self._seen, found
        if found.version == self._pipelines.versions.rules and found.version == (found.text or None):
            await self._refuse_nothing()
        elif self._is_to_be_read(found, seen):
            try:
                ready = await self._in_thread(partial(self._load, found, self._pipelines.current.manifest))
            except RuleError as error:
                await self._refuse(found, str(error))
                return
            # To load it takes a while; whoever put another one in force meanwhile wants that one.
            now = await self._find()
            if (now.version, now.beside) == (found.version, found.beside):
                await self._go_on_with(ready)

    async def _find(self) -> Found:
        found = await self._in_thread(partial(_find, self._folder))
        return found._replace(beside=self._pipelines.versions.bundle)

    def _is_to_be_read(self, found: Found, seen: Found | None) -> bool:
        refused = self._refused
        if refused is None or refused.text != found.text:
            return True
        # What is still being copied changes from one look to the next, and would be refused each time.
        has_changed = found != refused and found == seen
        return has_changed or self._clock() >= self._again_at

    def _load(self, found: Found, manifest: Manifest) -> CompiledRules | None:
        """In the thread: nothing of it is seen by who scores."""
        if found.version is None:
            if found.text:
                raise RuleError(found.text)
            return None
        with short_turns():
            return compiled_for(rules_of_version(self._folder, found.version), manifest)

    async def _go_on_with(self, rules: CompiledRules | None) -> None:
        before = self._pipelines.versions.rules
        self._pipelines.go_on_with_rules(rules)
        version = None if rules is None else rules.version
        self._metrics.decides_by(version)
        log.info("goes on with rules %s, in place of %s", version or "none", before or "none")
        await self._refuse_nothing()

    async def _refuse(self, found: Found, why: str) -> None:
        """`why` names paths, which need not be text."""
        reason = why.encode("utf-8", "backslashreplace").decode()
        self._refused, self._again_at = found, self._clock() + AGAIN_SECONDS
        if reason != self._reason:
            self._reason, self._since = reason, int(time() * 1000)
            self._metrics.rules_refused.set(1)
            self._metrics.rules_refusals.inc()
            goes_on = self._pipelines.versions.rules or "no rule set"
            log.warning("the rule set that was put in force is not taken: %s. %s goes on", reason, goes_on)
        # Each time: while a worker has no partition, another one's refusal takes its own away.
        refused = RefusedBundle(self._name, found.version or CURRENT, reason, self._since)
        await self._store.call(lambda store: store.refuse_rules(refused))

    async def _refuse_nothing(self) -> None:
        self._refused = None
        if self._reason is not None:
            self._reason = None
            self._metrics.rules_refused.set(0)
            await self._store.call(lambda store: store.refuse_no_rules(self._name))

    async def _in_thread(self, do: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, do)


def _find(folder: Path) -> Found:
    try:
        version = version_in_force(folder)
    except RuleError as error:
        return Found(None, str(error))
    return NOTHING if version is None else found_in(folder / version)
