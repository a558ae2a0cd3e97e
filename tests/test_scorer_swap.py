"""Another bundle is promoted while a worker runs: it is taken at a chunk's edge, or refused with the reason."""

import asyncio
import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from risk.block import block_of
from risk.bundle import CURRENT, MANIFEST, Bundle, read_bundle
from risk.catalogue import EngineTerms, FeatureSet
from risk.clock import DAY, HOUR
from risk.engine import Verdict
from risk.store import Refusal, Role
from scorer.metrics import Metrics
from scorer.worker.swap import TURN_SECONDS, BundleWatch, short_turns
from scorer.worker.watch import WatchParts
from testing.bundles import write_bundle
from tests.test_scorer_pipelines import LEARNED, WITH_LEDGER, WITHOUT, Bench, sale
from trainer.in_force import make_current

ME = "box:1"


class Watched:
    """A worker's bundles, and who looks after them; the time goes on when told to."""

    def __init__(self, folder: Path, fields: FeatureSet = WITH_LEDGER) -> None:
        self.folder = folder
        self.bench = Bench(folder, fields)
        self.models = self.bench.models
        self.pipelines = self.bench.pipelines
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.metrics.scores_with(self.bench.current.manifest)
        self.time = 0.0
        self.parts = WatchParts(self.pipelines, self.bench.store, self.metrics, ME, lambda: self.time)
        self.watch = BundleWatch(self.models, self.parts)
        make_current(self.models, self.version)
        asyncio.run(self.bench.store.call(lambda store: store.take_over("transactions", 0, first_offset=0, owner=ME)))

    @property
    def version(self) -> str:
        return self.pipelines.current.manifest.version

    def another(
        self, weight: float = 0.5, fields: FeatureSet = WITH_LEDGER, terms: EngineTerms | None = None
    ) -> Bundle:
        terms = terms or EngineTerms("EUR")
        manifest = write_bundle(self.folder / "made", fields, LEARNED, [weight, weight], terms=terms)
        (self.folder / "made").rename(self.models / manifest.version)
        return read_bundle(self.models / manifest.version)

    def promote(self, bundle: Bundle) -> None:
        make_current(self.models, bundle.manifest.version)
        self.look()

    def look(self) -> None:
        asyncio.run(self.watch.look())

    def refused(self) -> list[Refusal]:
        return asyncio.run(self.bench.store.call(lambda store: store.refusals(Role.BUNDLE)))

    def counted(self) -> tuple[float | None, float | None]:
        value = self.registry.get_sample_value
        return value("trustlens_bundle_refusals_total"), value("trustlens_bundle_refused")

    def in_metrics(self) -> list[str]:
        said = generate_latest(self.registry).decode().splitlines()
        return [line.split('version="')[1].split('"')[0] for line in said if line.startswith("trustlens_bundle_info{")]


@pytest.fixture
def watched(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Watched]:
    caplog.set_level(logging.INFO, "scorer")
    made = Watched(tmp_path)
    yield made
    made.bench.store.close()


def test_a_promoted_bundle_goes_on_with_the_same_histories(watched: Watched) -> None:
    """Nothing is rebuilt: what the one scored is the other's past."""
    first = watched.bench.take(0, watched.bench.current)
    first.score(block_of([sale(0)]))
    new = watched.another()
    watched.promote(new)
    assert watched.version == new.manifest.version
    then = watched.bench.take(0, new)
    watched.pipelines.retire()
    assert then.engine is first.engine
    assert then.score(block_of([sale(0), sale(1)])).verdicts.tolist() == [Verdict.DUPLICATE, Verdict.SCORED]


def test_no_chunk_waits_for_a_model(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scorer that was made and warmed beside the chunks is the one that scores them."""
    watched.bench.take(0, watched.bench.current)
    new = watched.another()
    watched.promote(new)

    def too_late(*_: object) -> None:
        raise AssertionError("a model is loaded while a chunk waits")

    monkeypatch.setattr("risk.pipeline.Scorer", too_late)
    assert watched.bench.take(0, new).score(block_of([sale(0)])).rows == [0]


def test_metrics_and_what_the_store_knows_follow(watched: Watched) -> None:
    watched.look()
    old, new = watched.version, watched.another()
    watched.promote(new)
    assert watched.in_metrics() == [new.manifest.version]
    assert watched.counted() == (0, 0)
    assert old != new.manifest.version


def test_the_histories_that_the_new_bundle_needs_are_what_history_days_are_said_of(watched: Watched) -> None:
    before = watched.registry.get_sample_value("trustlens_history_needed_seconds")
    manifest = write_bundle(watched.folder / "made", WITH_LEDGER, LEARNED[:1], [0.5])
    (watched.folder / "made").rename(watched.models / manifest.version)
    watched.promote(read_bundle(watched.models / manifest.version))
    assert before == DAY / 1000
    assert watched.registry.get_sample_value("trustlens_history_needed_seconds") == 0


def test_of_two_promotions_within_a_second_the_last_one_counts(watched: Watched) -> None:
    first, second = watched.another(0.5), watched.another(0.6)
    make_current(watched.models, first.manifest.version)
    make_current(watched.models, second.manifest.version)
    watched.look()
    assert watched.version == second.manifest.version


def without_a_manifest(bundle: Bundle) -> str:
    (bundle.folder / MANIFEST).unlink()
    return "expected a bundle's manifest"


def without_a_folder(bundle: Bundle) -> str:
    shutil.rmtree(bundle.folder)
    return "expected a bundle in"


def where_no_folder_can_be(bundle: Bundle) -> str:
    """As where a link leads to what the worker may not see, or a disk is away: to ask for it is an error itself."""
    shutil.rmtree(bundle.folder)
    bundle.folder.symlink_to("x" * 300)
    return "expected a bundle in"


@pytest.mark.parametrize("damage", [without_a_manifest, without_a_folder, where_no_folder_can_be])
def test_a_bundle_that_is_not_whole_is_refused_and_the_old_one_goes_on(
    watched: Watched, damage: Callable[[Bundle], str]
) -> None:
    old, new = watched.version, watched.another()
    why = damage(new)
    watched.promote(new)
    [refused] = watched.refused()
    assert why in refused.reason
    assert watched.version == old
    assert watched.in_metrics() == [old]


def test_a_current_that_is_gone_is_refused(watched: Watched) -> None:
    (watched.models / CURRENT).unlink()
    watched.look()
    assert "expected a file that names a bundle" in watched.refused()[0].reason


def test_a_share_of_the_bundle_in_use_is_none(watched: Watched) -> None:
    """It belongs into the file of the challenger; here it would be passed over, and all customers be decided by it."""
    other, before = watched.another(), watched.version
    (watched.models / CURRENT).write_text(f"{other.manifest.version}\nshare 10\n")
    watched.look()
    assert watched.version == before
    assert f"got '{other.manifest.version}\\nshare 10', expected a bundle" in watched.refused()[0].reason


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        (EngineTerms("USD"), "currency: got USD, expected EUR"),
        (EngineTerms("EUR", label_delay_days=8), "label_delay_days: got 8, expected 7"),
        (EngineTerms("EUR", bucket_ms=2 * HOUR), f"bucket_ms: got {2 * HOUR}, expected {HOUR}"),
        (EngineTerms("EUR", max_lateness_ms=HOUR), f"max_lateness_ms: got {HOUR}, expected {DAY}"),
    ],
)
def test_other_terms_need_a_restart(watched: Watched, terms: EngineTerms, why: str) -> None:
    old, new = watched.version, watched.another(terms=terms)
    watched.promote(new)
    [refused] = watched.refused()
    assert refused.refused == new.manifest.version
    assert f"{new.manifest.version} needs a restart of the workers ({why}" in refused.reason
    assert watched.version == old


def test_the_first_bundle_with_a_ledger_needs_a_restart(tmp_path: Path) -> None:
    """Nobody follows the ledger, and no chunk waits for its days."""
    watched = Watched(tmp_path, WITHOUT)
    watched.promote(watched.another(fields=WITH_LEDGER))
    assert "needs a restart of the workers (fields: got merchant_id" in watched.refused()[0].reason
    watched.bench.store.close()


def test_a_bundle_with_more_fields_and_attributes_shares_the_engine(watched: Watched) -> None:
    """The engine computes what both want."""
    engine = watched.bench.take(0, watched.bench.current).engine
    new = watched.another(fields=FeatureSet(WITH_LEDGER.fields | {"device_id"}, ("age",), ("plan",)))
    watched.promote(new)
    assert watched.bench.take(0, new).engine is engine
    assert {"new_device_30d", "attribute_age"} <= {feature.name for feature in engine.feature_set.numbers}


def test_a_bundle_without_the_ledger_may_come_and_go(watched: Watched) -> None:
    """It was begun with a ledger, which is followed all the time."""
    old, new = watched.bench.current, watched.another(fields=WITHOUT)
    engine = watched.bench.take(0, old).engine
    watched.promote(new)
    watched.bench.take(0, new)
    watched.pipelines.retire()
    watched.promote(old)
    assert watched.bench.take(0, old).engine is engine
    assert watched.counted() == (0, 0)


def test_a_bundle_whose_folder_goes_while_it_scores_goes_on(watched: Watched) -> None:
    new = watched.another()
    watched.promote(new)
    shutil.rmtree(new.folder)
    watched.look()
    assert watched.bench.take(0, new).score(block_of([sale(0)])).rows == [0]
    assert "expected a bundle in" in watched.refused()[0].reason


def test_a_bundle_stays_for_a_partition_that_has_it(watched: Watched) -> None:
    """A partition goes on with its next chunk, and another one's chunk retires what nobody has."""
    old = watched.bench.current
    mine, theirs = watched.bench.take(0, old), watched.bench.take(1, old)
    new = watched.another()
    watched.promote(new)
    watched.bench.take(1, new)
    watched.pipelines.retire()
    shutil.rmtree(old.folder)
    assert watched.bench.take(0, old) is mine
    assert theirs is mine


def test_turns_of_threads_are_as_usual_once_nothing_is_loaded() -> None:
    """Two may load at once, and the one that began first may end first."""
    usual, first, second = sys.getswitchinterval(), ExitStack(), ExitStack()
    for loading in (first, second):
        loading.enter_context(short_turns)
    first.close()
    assert sys.getswitchinterval() == pytest.approx(TURN_SECONDS)
    second.close()
    assert sys.getswitchinterval() == pytest.approx(usual)
