"""The bundles at hand: a pipeline is kept for as long as a partition has it, and so are the ledger days for it."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition

from risk.block import block_of
from risk.bundle import Bundle, Learned, LearnedNumber, Manifest, read_bundle
from risk.catalogue import EngineTerms, FeatureSet
from risk.clock import DAY, HOUR
from risk.engine import Verdict
from risk.errors import BundleError, EngineError, StoreBusyError, StoreError
from risk.events import Transaction
from risk.kafka.log import Bounds
from risk.ledger_day import LedgerDay, LedgerTerms
from risk.ledger_log import ClosedDay
from risk.pipeline import Pipeline
from risk.rules.compiled import CompiledRules, compiled_for
from risk.rules.rule_set import RuleSet
from risk.store import Store, open_store
from risk.versions import Versions
from scorer.ledger.closed_days import LedgerDays
from scorer.store_thread import StoreThread
from scorer.verify.audit import bundles_at_hand
from scorer.verify.days import Survey
from scorer.verify.scoring import Scoring
from scorer.worker.pipelines import Pipelines, encode_manifest
from scorer.worker.unusable import MISSING_TOLD
from testing.bundles import write_bundle
from testing.rule_sets import made_of
from testing.stores import flag, store_flags

FIRST = 20_000


def sale(number: int) -> Transaction:
    return Transaction(f"t{number}", FIRST * DAY + number, "ann", "EUR", "shop", amount=100)


WITH_LEDGER = FeatureSet(frozenset({"customer_id", "merchant_id"}))
WITHOUT = FeatureSet(frozenset({"customer_id"}))
LEARNED: tuple[Learned, ...] = (
    LearnedNumber("amount", 20.0, 0.0, 1e6, 20.0),
    LearnedNumber("customer_count_1h", 1.0, 0.0, 1e6, 1.0),
)


class Empty:
    """A log of two partitions that have nothing."""

    async def ends_of(self, topic: str, partitions: int) -> dict[int, int]:
        assert topic == "transactions"
        return dict.fromkeys(range(partitions), 0)


class Bench:
    def __init__(self, folder: Path, fields: FeatureSet = WITH_LEDGER, older: FeatureSet | None = None) -> None:
        """`older`: the fields of the older bundle, where they are others."""
        self.models = folder / "models"
        self.models.mkdir()
        self.current = self._bundle(folder / "made", fields, 0.01)
        self.older = self._bundle(folder / "made", fields if older is None else older, 0.02)
        self.store = StoreThread(folder / "risk.db", name="test")
        self.days = LedgerDays(LedgerTerms(7, HOUR))
        self.rules_folder = folder / "rules"
        self.pipelines = self.new_pipelines(self.store)
        self._offset = 0

    def new_pipelines(self, store: StoreThread, rules: CompiledRules | None = None) -> Pipelines:
        return Pipelines(
            self.current, self.days, store, Empty(), topic="transactions", partitions=2, rules_folder=self.rules_folder,
            rules=rules,
        )  # fmt: skip

    def _bundle(self, made: Path, fields: FeatureSet, weight: float) -> Bundle:
        version = write_bundle(made, fields, LEARNED, [weight, weight]).version
        made.rename(self.models / version)
        return read_bundle(self.models / version)

    def take(self, partition: int, bundle: Bundle) -> Pipeline:
        return asyncio.run(self.pipelines.take(partition, Versions(bundle.manifest.version)))

    def days_come(self, count: int) -> None:
        """As the follower does it: the store first, then memory."""
        for _ in range(count):
            day = ClosedDay(LedgerDay(FIRST + self._offset, 7, HOUR, (), (), (), ()), 1, 0)
            self._offset += 1
            asyncio.run(self.store.call(lambda store, day=day: store.add_ledger_days([day], self._offset)))  # type: ignore[misc]
            self.days.add(day)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.store.close()


def test_bundles_on_equal_terms_share_an_engine_and_its_days(bench: Bench) -> None:
    current, older = bench.take(0, bench.current), bench.take(1, bench.older)
    assert current.engine is older.engine
    assert (current.manifest, older.manifest) == (bench.current.manifest, bench.older.manifest)
    bench.days_come(5)
    assert bench.days.kept == 5


def test_a_bundle_on_other_terms_has_an_engine_of_its_own_and_days_of_its_own(bench: Bench, tmp_path: Path) -> None:
    terms = EngineTerms("EUR", max_lateness_ms=HOUR)
    manifest = write_bundle(tmp_path / "made", WITH_LEDGER, LEARNED, [0.1, 0.1], terms=terms)
    (tmp_path / "made").rename(bench.models / manifest.version)
    other = asyncio.run(bench.pipelines.take(1, Versions(manifest.version)))
    assert bench.take(0, bench.current).engine is not other.engine
    bench.days_come(5)
    assert bench.days.kept == 10


def test_going_on_with_another_bundle_finds_the_histories(bench: Bench) -> None:
    """Whichever came first; what the one scored is the other's past."""
    first = bench.take(0, bench.older)
    assert not first.engine.has(0)
    first.score(block_of([sale(0)]))
    then = bench.take(0, bench.current)
    bench.pipelines.retire()
    assert then.engine.has(0)
    assert then.score(block_of([sale(0), sale(1)])).verdicts.tolist() == [Verdict.DUPLICATE, Verdict.SCORED]


def test_a_bundle_without_a_ledger_shares_the_engine_of_one_that_has_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, WITH_LEDGER, older=WITHOUT)
    assert bench.take(0, bench.current).engine is bench.take(1, bench.older).engine
    bench.pipelines.release(0)
    bench.pipelines.retire()
    bench.days_come(5)
    assert bench.days.kept == 5  # the engine still takes them in
    bench.pipelines.release(1)
    bench.pipelines.retire()
    assert bench.days.kept == 0
    bench.store.close()


def test_the_first_bundle_with_a_ledger_has_an_engine_of_its_own(tmp_path: Path) -> None:
    """No day was followed for the other; its partition's histories are put there from the store."""
    bench = Bench(tmp_path, WITH_LEDGER, older=WITHOUT)
    older = bench.take(0, bench.older)
    older.score(block_of([sale(0)]))
    current = bench.take(0, bench.current)
    assert current.engine is not older.engine
    assert not current.engine.has(0)
    bench.days_come(5)
    assert bench.days.kept == 5
    bench.store.close()


def test_an_engine_that_is_retired_while_a_bundle_joins_it_is_not_shared(bench: Bench) -> None:
    """Nobody would bring it the days that come."""
    retired = bench.take(0, bench.older).engine

    class Slow(StoreThread):
        async def call(self, ask: Callable[[Store], Any]) -> Any:
            answer = await super().call(ask)
            bench.pipelines._had_by.pop(0, None)
            bench.pipelines.retire()
            return answer

    bench.pipelines._store = Slow(bench.store._path, name="test")
    joined = bench.take(1, bench.current)
    bench.pipelines._store.close()
    assert joined.engine is not retired
    bench.days_come(5)
    assert bench.days.kept == 5


def test_no_day_is_kept_for_a_pipeline_that_no_partition_has_any_more(bench: Bench) -> None:
    """After a promotion the older bundle goes, and with it what it would have been given."""
    bench.take(0, bench.older)
    bench.days_come(5)
    bench.take(0, bench.current)
    bench.pipelines.retire()
    bench.days_come(60)
    assert bench.days.kept == 65


def test_a_worker_that_lost_its_partitions_keeps_no_day(bench: Bench) -> None:
    bench.take(0, bench.current)
    bench.pipelines.release(0)
    bench.pipelines.retire()
    bench.days_come(60)
    assert bench.days.kept == 0


def test_a_partition_that_goes_leaves_the_pipeline_to_the_others(bench: Bench) -> None:
    bench.take(0, bench.current)
    bench.take(1, bench.current)
    bench.pipelines.release(0)
    bench.pipelines.retire()
    bench.days_come(5)
    assert bench.days.kept == 5


def test_a_partition_that_comes_back_finds_the_days_that_came_meanwhile(bench: Bench) -> None:
    bench.take(0, bench.current)
    bench.pipelines.release(0)
    bench.pipelines.retire()
    bench.days_come(5)
    bench.take(0, bench.current)
    bench.days_come(1)
    assert bench.days.kept == 6


def test_no_day_is_kept_for_a_bundle_without_a_ledger(tmp_path: Path) -> None:
    """It would never ask for one."""
    bench = Bench(tmp_path, WITHOUT)
    bench.take(0, bench.current)
    bench.days_come(60)
    assert bench.days.kept == 0
    bench.store.close()


def test_days_that_no_partition_can_ask_for_go_though_nobody_asked_for_them(bench: Bench) -> None:
    """A partition may have no transaction for months, and its worker is given the days all the same."""
    bench.take(0, bench.current)
    bench.days_come(100)
    bench.pipelines.forget_days((FIRST + 100 + 7) * DAY)
    # A transaction may be a day late, and looks at thirty days before the label delay.
    assert bench.days.kept == 31


def test_days_that_a_start_left_out_are_never_taken_for_empty_ones(bench: Bench) -> None:
    """A transaction from before them would be scored with an empty ledger, and nobody would see it."""
    bench.days_come(100)
    newest = (FIRST + 100) * DAY
    for partition in (0, 1):
        rows = [flag(0, newest, partition=partition)]
        asyncio.run(bench.store.call(lambda store, rows=rows, at=partition: store_flags(store, rows, partition=at)))  # type: ignore[misc]
    pipeline = bench.take(0, bench.current)
    pipeline.score(block_of([bought(newest - DAY)]))
    with pytest.raises(EngineError, match="A worker that is started again takes them in"):
        pipeline.score(block_of([bought(newest - 2 * DAY)]), partition=1)


def bought(time: int) -> Transaction:
    return Transaction("t", time, "ann", "EUR", merchant_id="mill")


class Failing(StoreThread):
    """As a store that is locked, or a disk that cannot be read."""

    error: StoreError

    async def call(self, ask: Callable[[Store], Any]) -> Any:  # noqa: ARG002 - as it is called
        raise self.error


def version_for(bench: Bench, bundle: Bundle) -> str:
    versions = asyncio.run(bench.pipelines.versions_for([Versions(bundle.manifest.version)], None))
    assert versions.rules is None
    return versions.bundle


def test_a_bundle_whose_days_were_pruned_is_none_that_the_log_can_name(bench: Bench, tmp_path: Path) -> None:
    """A flag of somebody else's may name it, and would end every worker."""
    bench.days_come(5)
    with closing(sqlite3.connect(tmp_path / "risk.db")) as connection, connection:
        connection.execute("update ledger_days set is_pruned = 1")
    assert version_for(bench, bench.older) == bench.current.manifest.version


def test_a_bundle_that_the_store_knows_otherwise_is_none_that_the_log_can_name(bench: Bench) -> None:
    version = bench.older.manifest.version
    asyncio.run(bench.store.call(lambda store: store.remember_bundle(version, "{}")))
    assert version_for(bench, bench.older) == bench.current.manifest.version


def test_a_bundle_that_was_trained_on_two_machines_is_one_that_the_log_can_name(bench: Bench) -> None:
    """It scores alike, and the store takes it for the same; only how long its training took differs."""
    twin = msgspec.structs.replace(bench.older.manifest, timings={"fit": 9.0})
    asyncio.run(bench.store.call(lambda store: store.remember_bundle(twin.version, encode_manifest(twin))))
    assert encode_manifest(twin) != encode_manifest(bench.older.manifest)
    assert version_for(bench, bench.older) == bench.older.manifest.version


def test_a_bundle_that_is_usable_is_what_the_log_names(bench: Bench) -> None:
    assert version_for(bench, bench.older) == bench.older.manifest.version


def test_what_cannot_be_used_is_looked_for_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Anybody can write flags that name it, in turns, and more than are told."""
    looked: list[str] = []

    def gone(_: Path, version: str) -> Bundle:
        looked.append(version)
        raise BundleError("it is gone")

    monkeypatch.setattr("scorer.worker.pipelines.bundle_of_version", gone)
    named = [Versions(f"linear-{number:08x}") for number in range(MISSING_TOLD + 5)]
    for versions in (*named, *named):
        assert asyncio.run(bench.pipelines.versions_for([versions], None)) == bench.pipelines.versions
        bench.pipelines.share_with(None)  # as at each look where there is no challenger
    assert looked == [versions.bundle for versions in named]
    assert len(caplog.messages) == MISSING_TOLD


def test_no_bundle_is_read_for_a_rule_set_that_is_gone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(*_: object) -> Bundle:
        raise AssertionError("a bundle is read")

    monkeypatch.setattr("scorer.worker.pipelines.bundle_of_version", too_much)
    named = Versions(bench.older.manifest.version, "rules-0123456789abcdef")
    assert asyncio.run(bench.pipelines.versions_for([named], None)) == bench.pipelines.versions


class Unread:
    """A reader of a topic without ledger days."""

    def begin(self, _: object) -> None:
        """There is nothing to read."""


def test_the_audit_compiles_rules_that_a_bundle_cannot_serve_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody can write flags that name both."""
    asked: list[RuleSet] = []

    def compiled(rules: RuleSet, manifest: Manifest) -> CompiledRules:
        asked.append(rules)
        return compiled_for(rules, manifest)

    monkeypatch.setattr("scorer.verify.scoring.compiled_for", compiled)
    version, rules = bench.current.manifest.version, made_of({"odd": "new_device_30d"})
    none = Survey(TopicPartition("ledger", 0), Bounds(0, 0), {}, 0, ())
    scoring = Scoring({version: bench.current}, {rules.version: rules}, version, Unread(), none, 0)  # type: ignore[arg-type]
    for _ in range(3):
        assert scoring.lacks(Versions(version, rules.version)) == f"rule set {rules.version}"
    assert asked == [rules]


@pytest.mark.parametrize("error", [StoreBusyError("locked"), StoreError("disk I/O error")])
def test_a_store_that_fails_says_nothing_of_a_bundle(bench: Bench, tmp_path: Path, error: StoreError) -> None:
    """It is no reason to score with another one."""
    failing = Failing(tmp_path / "risk.db", name="test")
    failing.error = error
    pipelines = bench.new_pipelines(failing)
    with pytest.raises(type(error), match=str(error)):
        asyncio.run(pipelines.versions_for([Versions(bench.older.manifest.version)], None))
    failing.close()


def test_no_day_is_kept_for_a_bundle_that_cannot_be_used(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader of bundles refuses nearly all of them before; what is left fails while the pipeline is made."""

    def unusable(*_: object) -> Pipeline:
        raise BundleError("its model is of another format")

    monkeypatch.setattr("scorer.worker.pipelines.Pipeline", unusable)
    assert version_for(bench, bench.older) == bench.current.manifest.version
    bench.days_come(5)
    assert bench.days.kept == 0


@pytest.mark.parametrize(
    ("learned", "weights", "why"),
    [
        ((LearnedNumber("amount", 20.0, 30.0, 1e6, 20.0),), [0.01], "the median between the clip points"),
        (LEARNED, [0.01, 0.02, 0.03], "expected rows of 2 features"),
    ],
    ids=["terms that do not fit", "a model that does not fit"],
)
def test_a_bundle_that_no_pipeline_can_be_made_of_ends_neither_a_worker_nor_the_audit(
    bench: Bench, tmp_path: Path, learned: tuple[Learned, ...], weights: list[float], why: str
) -> None:
    """Though its folder is whole."""
    manifest = write_bundle(tmp_path / "made", WITH_LEDGER, learned, weights)
    (tmp_path / "made").rename(bench.models / manifest.version)
    found = asyncio.run(bench.pipelines.versions_for([Versions(manifest.version)], None))
    assert found == Versions(bench.current.manifest.version)
    notices: list[str] = []
    with open_store(tmp_path / "risk.db") as store:
        store.remember_bundle(manifest.version, encode_manifest(manifest))
        assert list(bundles_at_hand(store, bench.current, notices)) == [bench.current.manifest.version]
    [notice] = notices
    assert manifest.version in notice
    assert why in notice
