"""What a worker goes on with while it runs, each with who watches it (watch.py): the bundle in use with the rules that
decide beside it, and the challenger."""

import logging
import sys
from abc import abstractmethod
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from risk.block import block_of
from risk.bundle import (
    CURRENT,
    Bundle,
    Manifest,
    bundle_of_version,
    current_bundle,
    needs_a_restart,
)
from risk.challenger import CHALLENGER, named_challenger
from risk.clock import DAY, EARLIEST, HOUR
from risk.errors import BundleError, RuleError
from risk.events import Transaction
from risk.ledger import SeenDays
from risk.pipeline import Decider, Pipeline
from risk.rules.compiled import CompiledRules, compiled_for
from risk.rules.rule_set import NO_RULES, named_in_force, rules_of_version
from risk.scorer import Scorer
from risk.share import of_the_customers
from risk.small_file import is_absent
from risk.store import Role, Store
from scorer.metrics import Metrics
from scorer.worker.pipelines import Pipelines, check_known, encode_manifest
from scorer.worker.shadow import Challenger, check_quick
from scorer.worker.watch import NOTHING, Found, Watch, WatchParts, found_in

log = logging.getLogger(__name__)

TURN_SECONDS = 0.0005


class Scoring(NamedTuple):
    """A bundle, ready to score, and the rules that decide beside it."""

    bundle: Bundle
    scorer: Scorer
    rules: CompiledRules | None


class _WatchOfBundles(Watch[Scoring]):
    def __init__(self, models: Path, parts: WatchParts) -> None:
        super().__init__(models, parts)
        self._begun_with = self._pipelines.current.manifest

    def _load(self, found: Found) -> Scoring:
        if found.version is None:
            raise BundleError(found.text)
        bundle = bundle_of_version(self._folder, found.version)
        self._check(bundle.manifest)
        with short_turns:
            rules = self._rules_beside(bundle.manifest, found.beside)
            return Scoring(bundle, ready_to_score(bundle), rules)

    async def _loaded(self, found: Found) -> Scoring:
        ready = await super()._loaded(found)
        await self._store.call(partial(check_known, ready.bundle.manifest))
        return ready

    @abstractmethod
    def _check(self, manifest: Manifest) -> None:
        """BundleError where a worker that runs cannot take it."""

    def _rules_beside(self, _manifest: Manifest, _named: Found | None) -> CompiledRules | None:
        return None


class BundleWatch(_WatchOfBundles):
    """Looks after the bundle in use. Where a rule set was put in force that it fits, both come into force together, for
    either alone may not fit what is there."""

    role, file, what = Role.BUNDLE, CURRENT, "the promoted bundle"

    def _find(self) -> Found:
        try:
            found = found_in(current_bundle(self._folder))
        except BundleError as error:
            found = Found(None, str(error))
        return found._replace(beside=_found_rules(self._pipelines.rules_folder))

    def _is_in_place(self, found: Found) -> bool:
        return found.version == self._pipelines.versions.bundle

    def _check(self, manifest: Manifest) -> None:
        why = needs_a_restart(manifest, self._begun_with)
        if why is not None:
            raise BundleError(
                f"{manifest.version} needs a restart of the workers ({why}). To go on with it, stop all of them, then "
                "start them; or promote another"
            )

    def _rules_beside(self, manifest: Manifest, named: Found | None) -> CompiledRules | None:
        decide = self._pipelines.rules
        if named is not None and named.version != self._pipelines.versions.rules:
            with suppress(RuleError):  # those that decide go on, and who looks after rules says why
                return _compiled(self._pipelines, named, manifest)
        return None if decide is None else compiled_for(decide.rule_set, manifest)

    async def _go_on_with(self, _: Found, ready: Scoring) -> None:
        before, manifest = self._pipelines.current.manifest, ready.bundle.manifest
        rules_before = self._pipelines.versions.rules
        self._pipelines.go_on_with(*ready)
        self._metrics.scores_with(manifest, before)
        log.info("goes on with bundle %s, in place of %s", manifest.version, before.version)
        _say_rules(self._metrics, rules_before, self._pipelines.versions.rules)

    def _go_on_without(self, _: Found) -> str:
        return f". {self._pipelines.versions.bundle} goes on"


class RulesWatch(Watch[CompiledRules | None]):
    """Looks after the rule set in force, or none, for the bundle in use."""

    role, file, what = Role.RULES, CURRENT, "the rule set that was put in force"

    def _find(self) -> Found:
        bundle = self._pipelines.versions.bundle
        return _found_rules(self._folder)._replace(beside=Found(bundle, bundle))

    def _is_in_place(self, found: Found) -> bool:
        return found.version == self._pipelines.versions.rules and found.text in ("", NO_RULES, found.version)

    def _load(self, found: Found) -> CompiledRules | None:
        with short_turns:
            return _compiled(self._pipelines, found, self._pipelines.current.manifest)

    async def _go_on_with(self, _: Found, ready: CompiledRules | None) -> None:
        before = self._pipelines.versions.rules
        self._pipelines.go_on_with_rules(ready)
        _say_rules(self._metrics, before, self._pipelines.versions.rules)

    def _go_on_without(self, _: Found) -> str:
        return f". {self._pipelines.versions.rules or 'no rule set'} goes on"


class ChallengerWatch(_WatchOfBundles):
    """Looks after the challenger, and the share of the customers that it may have."""

    role, file, what = Role.CHALLENGER, CHALLENGER, "the challenger"

    def __init__(self, models: Path, parts: WatchParts, challenger: Challenger) -> None:
        super().__init__(models, parts)
        self._challenger = challenger
        self._taken: tuple[Found, Scoring] | None = None
        self._failed: tuple[Found, str] | None = None  # what was taken and could not score, and why

    async def look(self) -> None:
        if self._challenger.failure is not None and self._taken is not None:
            self._failed = self._taken[0], self._challenger.failure
            self._have(None, None)
        await super().look()

    def _find(self) -> Found:
        try:
            named = named_challenger(self._folder)
        except BundleError as error:
            return Found(None, str(error))
        if named is None:
            is_away = is_absent(self._folder / CURRENT)  # as where the disk is not mounted that the folder is for
            return Found(None, f"{self._folder}: {CURRENT} is not there, expected bundles") if is_away else NOTHING
        rules = None if named.percent is None else self._pipelines.versions.rules
        beside = None if named.percent is None else Found(rules, rules or NO_RULES)
        return found_in(named.folder, self._folder / CHALLENGER)._replace(percent=named.percent, beside=beside)

    def _is_in_place(self, found: Found) -> bool:
        if self._names_none(found):
            return True
        share = self._pipelines.versions.share
        is_same = found.version is not None and found.version == self._challenger.version
        return is_same and found.percent == (None if share is None else share.percent)

    def _names_none(self, found: Found) -> bool:
        """Where nothing is named, or what is in use, there is no challenger."""
        return found == NOTHING or found.version == self._pipelines.versions.bundle

    def _end_unnamed(self, found: Found) -> None:
        if self._names_none(found):
            if self._challenger.version is not None:
                log.info("the challenger is %s no more", self._challenger.version)
            self._have(None, None)
            self._failed = None

    def _check(self, manifest: Manifest) -> None:
        current = self._pipelines.current.manifest
        why = needs_a_restart(manifest, self._begun_with) or needs_a_restart(manifest, current)
        if why is not None:
            raise BundleError(
                f"{manifest.version} cannot score beside {current.version} ({why}). Name a challenger that was trained "
                "on the same terms"
            )

    def _rules_beside(self, manifest: Manifest, named: Found | None) -> CompiledRules | None:
        """Only what decides needs them."""
        decide = self._pipelines.rules
        return None if named is None or decide is None else compiled_for(decide.rule_set, manifest)

    def _load(self, found: Found) -> Scoring:
        if self._failed is not None and self._failed[0] == found:
            raise BundleError(self._failed[1])  # it would fail again
        if self._taken is None or self._taken[0].version != found.version:
            ready = super()._load(found)
            check_quick(ready.scorer)
            return ready
        ready = self._taken[1]  # another share, or other rules, need no other model
        self._check(ready.bundle.manifest)
        with short_turns:
            return ready._replace(rules=self._rules_beside(ready.bundle.manifest, found.beside))

    async def _go_on_with(self, found: Found, ready: Scoring) -> None:
        version, manifest = ready.bundle.manifest.version, encode_manifest(ready.bundle.manifest)
        await self._store.call(lambda store: store.remember_challenger(version, manifest))
        bundle, scorer, rules = ready
        percent = found.percent
        self._have(scorer, None if percent is None else Decider(bundle, percent, scorer, rules))
        self._taken, self._failed = (found, ready), None
        log.info("the challenger is %s%s", version, of_the_customers(percent))

    def _go_on_without(self, found: Found) -> str:
        version, share = self._challenger.version, self._pipelines.versions.share
        if version in (None, found.version):
            self._have(None, None)
            return ""
        if share is None:  # other rules came into force, for which nobody could compile it
            self._share_with(None)
        return f". {version}{of_the_customers(None if share is None else share.percent)} goes on"

    def _have(self, scorer: Scorer | None, share: Decider | None) -> None:
        """From each partition's next chunk on."""
        self._taken = None
        self._challenger.go_on_with(scorer)
        self._share_with(share)

    def _share_with(self, share: Decider | None) -> None:
        self._pipelines.share_with(share)
        self._metrics.share.set(0 if share is None else share.percent)


def _found_rules(folder: Path) -> Found:
    try:
        named = named_in_force(folder)
    except RuleError as error:
        return Found(None, str(error))
    if named is None:
        return NOTHING
    return Found(None, NO_RULES) if named == NO_RULES else found_in(folder / named)


def _compiled(pipelines: Pipelines, found: Found, manifest: Manifest) -> CompiledRules | None:
    """RuleError where they cannot be used with the bundle, or nobody said that those which decide are to go."""
    if found.version is not None:
        return compiled_for(rules_of_version(pipelines.rules_folder, found.version), manifest)
    if found.text == NO_RULES:
        return None
    raise RuleError(found.text or _unsaid(pipelines.rules_folder, pipelines.versions.rules))


def _say_rules(metrics: Metrics, before: str | None, after: str | None) -> None:
    if after != before:
        metrics.decides_by(after)
        log.info("goes on with rules %s, in place of %s", after or NO_RULES, before or NO_RULES)


def check_none_is_meant(folder: Path, store: Store) -> None:
    """Before a worker begins without rules: RuleError where a set decided until now, and nobody said that none does."""
    decided = {start.partition: start.version for start in store.starts(Role.RULES)}
    versions = sorted(version for version in decided.values() if version is not None)
    if versions and named_in_force(folder) is None:
        raise RuleError(_unsaid(folder, versions[0]))


def _unsaid(folder: Path, decided: str | None) -> str:
    """To decide without rules because a disk is away would look like a calm day."""
    return (
        f"{folder / CURRENT}: nothing is there, expected a file that names a rule set, or none, for {decided} decided "
        "until now; a disk may be away, or TRUSTLENS_RULES name another folder. Bring it back, or say what is in force "
        "with `trainer rules promote VERSION|none`"
    )


class _ShortTurns:
    """To read a model is Python for a quarter of a second. Whoever scores goes from thread to thread meanwhile, and
    would wait for the interpreter's lock 5 ms at each step; so a chunk takes half as long in the median.

    The interval is of the whole process, and several threads may load: the first makes it short, the last usual."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._loading = 0
        self._usual = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if not self._loading:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(TURN_SECONDS)
            self._loading += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._loading -= 1
            if not self._loading:
                sys.setswitchinterval(self._usual)


short_turns = _ShortTurns()

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
