"""A rule set is put in force while a worker runs, or taken out of it: it is taken at a chunk's edge, or refused with
the reason."""

import asyncio
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from risk.block import block_of
from risk.bundle import CURRENT, read_bundle
from risk.catalogue import FeatureSet
from risk.rules.compiled import CompiledRules
from risk.rules.rule_set import SEALED, RuleSet
from risk.store import RefusedBundle
from risk.versions import Versions
from scorer.metrics import Metrics
from scorer.worker.rules_watch import RulesWatch
from scorer.worker.swap import AGAIN_SECONDS, BundleWatch
from testing.bundles import write_bundle
from testing.rule_sets import keep, made_of, put_in_force
from tests.test_scorer_pipelines import LEARNED, WITH_LEDGER, Bench, sale
from trainer.in_force import make_current

ME = "box:1"
BIG, SMALL = made_of({"big": "amount > 0.5"}), made_of({"small": "amount < 0.5"})
UNFIT = made_of({"odd": "new_device_30d"})  # the bundle has no devices


class Watched:
    """A worker's rules, and who looks after them and its bundles; the time goes on when told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bench = Bench(folder, WITH_LEDGER)
        self.pipelines, self.rules = self.bench.pipelines, self.bench.rules_folder
        self.registry = CollectorRegistry()
        self.time = 0.0
        metrics, store, clock = Metrics(self.registry), self.bench.store, lambda: self.time
        metrics.scores_with(self.bench.current.manifest)
        self.watch = RulesWatch(self.rules, self.pipelines, store, metrics, ME, clock)
        self.of_bundles = BundleWatch(self.bench.models, self.pipelines, store, metrics, ME, clock)
        make_current(self.bench.models, self.pipelines.versions.bundle)
        asyncio.run(store.call(lambda store: store.take_over("transactions", 0, first_offset=0, owner=ME)))

    @property
    def version(self) -> str | None:
        return self.pipelines.versions.rules

    def put_in_force(self, rules: RuleSet | None) -> None:
        put_in_force(rules, self.rules)
        self.look()

    def look(self) -> None:
        asyncio.run(self.watch.look())

    def promote(self, fields: FeatureSet) -> str:
        manifest = write_bundle(self.folder / "made", fields, LEARNED, [0.5, 0.5])
        (self.folder / "made").rename(self.bench.models / manifest.version)
        make_current(self.bench.models, manifest.version)
        asyncio.run(self.of_bundles.look())
        return manifest.version

    def refused(self) -> list[RefusedBundle]:
        return asyncio.run(self.bench.store.call(lambda store: store.refused_rules()))

    def counted(self) -> tuple[float | None, float | None]:
        value = self.registry.get_sample_value
        return value("trustlens_rules_refusals_total"), value("trustlens_rules_refused")

    def in_metrics(self, version: str) -> float | None:
        return self.registry.get_sample_value("trustlens_rules_info", {"version": version})

    def decided(self) -> str | None:
        """By what the next chunk is decided."""
        pipeline = asyncio.run(self.pipelines.take(0, self.pipelines.versions))
        decided = pipeline.score(block_of([sale(int(self.time))])).decided
        self.time += 1
        return None if decided is None else decided.rules_versions[0]


@pytest.fixture
def watched(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Watched]:
    caplog.set_level(logging.INFO, "scorer")
    made = Watched(tmp_path)
    yield made
    made.bench.store.close()


def test_a_set_comes_into_force_another_takes_its_place_and_none_decides_again(watched: Watched) -> None:
    """With the engine and the scorer that are there."""
    watched.look()
    assert watched.decided() is None
    engine = asyncio.run(watched.pipelines.take(0, watched.pipelines.versions)).engine
    for rules in (BIG, SMALL, None, BIG):
        watched.put_in_force(rules)
        wanted = None if rules is None else rules.version
        assert watched.version == watched.decided() == wanted
        assert asyncio.run(watched.pipelines.take(0, watched.pipelines.versions)).engine is engine
        assert [watched.in_metrics(each.version) for each in (BIG, SMALL)] == [
            1 if rules is each else None for each in (BIG, SMALL)
        ]
    assert watched.counted() == (0, 0)


def test_no_chunk_waits_for_rules_or_a_model(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.decided()
    watched.put_in_force(BIG)

    def too_late(*_: object) -> None:
        raise AssertionError("something is loaded while a chunk waits")

    monkeypatch.setattr("risk.pipeline.Scorer", too_late)
    monkeypatch.setattr("scorer.worker.bundles.rules_of_version", too_late)
    assert watched.decided() == BIG.version


def test_a_set_that_the_bundle_cannot_serve_is_refused_once_and_the_old_one_goes_on(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.put_in_force(BIG)
    caplog.clear()
    watched.put_in_force(UNFIT)
    for _ in range(5):
        watched.look()
        watched.time += AGAIN_SECONDS
    [refused] = watched.refused()
    assert (refused.owner, refused.refused) == (ME, UNFIT.version)
    assert "rule odd of" in refused.reason
    assert "got new_device_30d, expected a feature that" in refused.reason
    assert watched.counted() == (1, 1)
    assert watched.version == BIG.version
    [said] = caplog.messages
    assert said.startswith("the rule set that was put in force is not taken: rule odd")
    assert said.endswith(f". {BIG.version} goes on")
    watched.put_in_force(None)
    assert (watched.version, watched.refused(), watched.counted()) == (None, [], (1, 0))


def test_a_set_that_is_not_whole_is_taken_once_it_is(watched: Watched) -> None:
    """As where a folder is copied: what was refused is read again when it has stopped changing."""
    whole = watched.folder / "whole"
    keep(BIG, whole)
    watched.rules.mkdir()
    (watched.rules / BIG.version).mkdir()
    (watched.rules / BIG.version / SEALED).write_bytes(b"{}")
    (watched.rules / CURRENT).write_text(BIG.version)
    watched.look()
    assert (watched.version, watched.counted()) == (None, (1, 1))
    shutil.copy(whole / BIG.version / SEALED, watched.rules / BIG.version / SEALED)
    watched.look()
    assert watched.version is None
    watched.look()
    assert (watched.version, watched.counted()) == (BIG.version, (1, 0))


@pytest.mark.parametrize("text", ["", "../elsewhere", "rules-0123456789abcdef", "rules-01234567", "\0"])
def test_a_current_that_names_no_set_is_refused_and_is_not_taken_for_none(watched: Watched, text: str) -> None:
    """To decide without rules would look like a calm day."""
    watched.put_in_force(BIG)
    (watched.rules / CURRENT).write_text(text)
    for _ in range(3):
        watched.look()
    [refused] = watched.refused()
    assert refused.refused == CURRENT
    assert "expected a rule set in" in refused.reason
    assert (watched.version, watched.counted()) == (BIG.version, (1, 1))


def test_while_none_decides_a_current_that_names_no_set_is_refused_too(watched: Watched) -> None:
    watched.rules.mkdir()
    (watched.rules / CURRENT).write_text("rules-0123456789abcdef")
    watched.look()
    assert [refused.refused for refused in watched.refused()] == [CURRENT]


def test_a_set_in_force_goes_with_a_bundle_that_is_promoted(watched: Watched) -> None:
    watched.put_in_force(BIG)
    version = watched.promote(FeatureSet(WITH_LEDGER.fields | {"device_id"}))
    assert watched.pipelines.versions == Versions(version, BIG.version)
    assert watched.decided() == BIG.version
    watched.put_in_force(UNFIT)  # which this one can serve
    assert watched.decided() == UNFIT.version


def test_a_bundle_that_the_set_in_force_cannot_be_used_with_is_refused_until_the_set_is_gone(watched: Watched) -> None:
    with_devices = watched.promote(FeatureSet(WITH_LEDGER.fields | {"device_id"}))
    watched.put_in_force(UNFIT)
    without = watched.bench.older.manifest.version
    make_current(watched.bench.models, without)
    asyncio.run(watched.of_bundles.look())
    assert watched.pipelines.versions == Versions(with_devices, UNFIT.version)
    [refused] = asyncio.run(watched.bench.store.call(lambda store: store.refused_bundles()))
    assert "got new_device_30d, expected a feature that" in refused.reason
    watched.put_in_force(None)
    for _ in range(2):
        asyncio.run(watched.of_bundles.look())
    assert watched.pipelines.versions == Versions(without)


def test_rules_compiled_for_a_bundle_that_went_meanwhile_are_not_taken(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = watched.watch._load

    def slow(*asked: object) -> CompiledRules | None:
        ready = load(*asked)  # type: ignore[arg-type]
        older = watched.bench.older
        pipeline = asyncio.run(watched.pipelines.take(1, Versions(older.manifest.version)))
        watched.pipelines.go_on_with(read_bundle(older.folder), pipeline.scorer, None)
        return ready

    monkeypatch.setattr(watched.watch, "_load", slow)
    watched.put_in_force(BIG)
    assert watched.version is None
    monkeypatch.undo()
    watched.look()
    assert watched.pipelines.versions == Versions(watched.bench.older.manifest.version, BIG.version)
