"""Another bundle is promoted while a worker runs: it is taken at a chunk's edge, or refused with the reason."""

import asyncio
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from risk.block import block_of
from risk.bundle import CURRENT, MANIFEST, ONNX, Bundle, read_bundle
from risk.catalogue import EngineTerms, FeatureSet
from risk.clock import DAY, HOUR
from risk.engine import Verdict
from risk.errors import BundleError
from risk.scorer import Scorer
from risk.store import RefusedBundle, Store
from scorer.metrics import Metrics
from scorer.worker.swap import AGAIN_SECONDS, BundleWatch, Found
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
        self.watch = BundleWatch(
            self.models, self.pipelines, self.bench.store, self.metrics, ME, clock=lambda: self.time
        )
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

    def refused(self) -> list[RefusedBundle]:
        return asyncio.run(self.bench.store.call(lambda store: store.refused_bundles()))

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


def test_the_same_version_again_changes_nothing(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    before = watched.pipelines.current
    watched.promote(before)
    assert watched.pipelines.current is before
    assert caplog.messages == []


def test_of_two_promotions_within_a_second_the_last_one_counts(watched: Watched) -> None:
    first, second = watched.another(0.5), watched.another(0.6)
    make_current(watched.models, first.manifest.version)
    make_current(watched.models, second.manifest.version)
    watched.look()
    assert watched.version == second.manifest.version


def test_what_is_promoted_while_a_bundle_is_loaded_goes_before_it(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = watched.another(0.5), watched.another(0.6)
    load = watched.watch._load

    def slow(found: Found) -> tuple[Bundle, Scorer]:
        ready = load(found)
        make_current(watched.models, second.manifest.version)
        return ready

    monkeypatch.setattr(watched.watch, "_load", slow)
    old = watched.version
    watched.promote(first)
    assert watched.version == old
    watched.look()
    assert watched.version == second.manifest.version


def cut(bundle: Bundle) -> str:
    path = bundle.folder / ONNX
    path.write_bytes(path.read_bytes()[:-1])
    return "the file was changed"


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


@pytest.mark.parametrize("damage", [cut, without_a_manifest, without_a_folder, where_no_folder_can_be])
def test_a_bundle_that_is_not_whole_is_refused_once_and_the_old_one_goes_on(
    watched: Watched, caplog: pytest.LogCaptureFixture, damage: Callable[[Bundle], str]
) -> None:
    old, new = watched.version, watched.another()
    why = damage(new)
    watched.promote(new)
    for _ in range(5):
        watched.look()
        watched.time += AGAIN_SECONDS  # it is read again, and nothing is said again
    [refused] = watched.refused()
    assert why in refused.reason
    assert refused.owner == ME
    assert watched.counted() == (1, 1)
    [said] = caplog.messages
    assert said.startswith("the promoted bundle is not taken: ")
    assert said.endswith(f". {old} goes on")
    assert watched.version == old
    assert watched.in_metrics() == [old]


@pytest.mark.parametrize("text", ["", "\n", "../elsewhere", "linear-0000000", "linear-00000000\nlinear-11111111", "\0"])
def test_a_current_that_names_no_bundle_is_refused(watched: Watched, text: str) -> None:
    old = watched.version
    (watched.models / CURRENT).write_text(text)
    for _ in range(3):
        watched.look()
    [refused] = watched.refused()
    assert refused.refused == CURRENT
    assert "expected a bundle in" in refused.reason
    assert watched.counted() == (1, 1)
    assert watched.version == old


def test_a_current_that_is_gone_is_refused(watched: Watched) -> None:
    (watched.models / CURRENT).unlink()
    watched.look()
    assert "expected a file that names a bundle" in watched.refused()[0].reason


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


def test_a_later_promotion_is_taken_and_the_refusal_is_over(watched: Watched) -> None:
    torn, good = watched.another(0.5), watched.another(0.6)
    cut(torn)
    watched.promote(torn)
    watched.promote(good)
    assert watched.version == good.manifest.version
    assert watched.refused() == []
    assert watched.counted() == (1, 0)


def test_back_to_the_one_in_force_ends_a_refusal(watched: Watched) -> None:
    old, torn = watched.pipelines.current, watched.another()
    cut(torn)
    watched.promote(torn)
    watched.promote(old)
    assert watched.pipelines.current is old
    assert watched.refused() == []
    assert watched.counted() == (1, 0)


def test_a_bundle_that_arrives_after_its_promotion_is_taken_once_it_is_whole(watched: Watched) -> None:
    """As where a folder is copied file by file: it is read when it has stopped changing, and refused once."""
    new = watched.another()
    elsewhere = watched.folder / "elsewhere"
    new.folder.rename(elsewhere)
    watched.promote(new)
    new.folder.mkdir()
    for name in sorted(path.name for path in elsewhere.iterdir()):
        shutil.copy(elsewhere / name, new.folder / name)
        watched.look()
    assert watched.version != new.manifest.version
    watched.look()
    assert watched.version == new.manifest.version
    assert watched.refused() == []
    assert watched.counted() == (2, 0)  # it was not there, and then it was not whole


def test_what_was_refused_is_read_again_after_a_while(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk may have failed for a moment, which no file shows."""
    new, fails = watched.another(), True
    read = watched.watch._load

    def load(found: Found) -> tuple[Bundle, Scorer]:
        if fails:
            raise BundleError("Input/output error")
        return read(found)

    monkeypatch.setattr(watched.watch, "_load", load)
    watched.promote(new)
    fails = False
    watched.look()
    assert watched.version != new.manifest.version
    watched.time += AGAIN_SECONDS
    watched.look()
    assert watched.version == new.manifest.version


def test_a_refusal_is_known_once_its_worker_has_a_partition(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """One that waits for a partition has none: another one's refusal takes its own away."""

    def in_store(ask: Callable[[Store], object]) -> None:
        asyncio.run(watched.bench.store.call(ask))

    in_store(lambda store: store.take_over("transactions", 0, first_offset=0, owner="box:2"))
    torn = watched.another()
    cut(torn)
    watched.promote(torn)
    in_store(lambda store: store.refuse_bundle(RefusedBundle("box:2", torn.manifest.version, "torn", 1)))
    in_store(lambda store: store.take_over("transactions", 0, first_offset=0, owner=ME))
    assert watched.refused() == []
    watched.time += AGAIN_SECONDS
    watched.look()
    [refused] = watched.refused()
    assert (refused.owner, refused.refused) == (ME, torn.manifest.version)
    assert watched.counted() == (1, 1)
    assert len(caplog.messages) == 1


def test_a_reason_that_is_no_unicode_ends_no_worker(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names paths, and of some file systems these are bytes of any kind."""

    def load(_: Found) -> tuple[Bundle, Scorer]:
        raise BundleError("/models/caf\udce9: No such file or directory")

    monkeypatch.setattr(watched.watch, "_load", load)
    watched.promote(watched.another())
    assert watched.refused()[0].reason == "/models/caf\\udce9: No such file or directory"


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


def test_a_worker_that_starts_forgets_what_one_of_its_name_refused(watched: Watched) -> None:
    """Numbers of processes come again."""
    asyncio.run(watched.bench.store.call(lambda store: store.refuse_bundle(RefusedBundle(ME, "x", "torn", 1))))
    watched.look()
    assert watched.refused() == []
