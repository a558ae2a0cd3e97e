"""The challenger: what it scores, when it gives way, how it comes and goes, and that what is in use never notices."""

import asyncio
import logging
import shutil
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from risk.block import block_of
from risk.block_codec import decoded_of
from risk.bundle import CHALLENGER, ONNX, Bundle, LearnedNumber, read_bundle
from risk.catalogue import EngineTerms, FeatureSet
from risk.clock import HOUR
from risk.events import Transaction
from risk.ledger import SeenDays
from risk.pipeline import Pipeline
from risk.store import ChallengerStart, RefusedBundle, ShadowPair, ShadowSpan, Store
from risk.topics import topics_of
from scorer.log.decoding import Chunk, Place
from scorer.metrics import Metrics
from scorer.worker import shadow
from scorer.worker.batch import Batches
from scorer.worker.partition import TransactionPartition
from scorer.worker.shadow import Challenger, Waiting
from scorer.worker.swap import AGAIN_SECONDS, BundleWatch, ChallengerWatch
from testing.bundles import write_bundle
from tests.scorer_fakes import FakeSend
from tests.test_scorer_buffer import Given, unreadable
from tests.test_scorer_pipelines import LEARNED, WITH_LEDGER, WITHOUT, Bench, sale
from trainer.promotion import make_current

ME = "box:1"
SOURCE = Place("transactions", 0)


def given(offset: int, number: int | None = None) -> Given:
    """The sale of that number, or of the offset's."""
    return Given(offset, sale(offset if number is None else number), key=b"ann")


class Rig:
    """A worker with real bundles and a real store, which has partition 0; Kafka is a fake. What waits for the
    challenger is scored when a test says so."""

    def __init__(self, folder: Path, fields: FeatureSet = WITH_LEDGER) -> None:
        self.folder = folder
        self._loop = asyncio.Runner()  # one, as a call waits for tasks of the call before
        self.bench = Bench(folder, fields)
        self.models, self.pipelines, self.store = self.bench.models, self.bench.pipelines, self.bench.store
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.has_time = True
        self.journal: list[str] = []
        self.failed: list[BaseException] = []
        self.time = 0.0
        self.challenger = Challenger(self.store, self.store, self.metrics, lambda: self.has_time, gathers_seconds=0)
        watched = self.store, self.metrics, ME, lambda: self.time
        self.watch = ChallengerWatch(self.models, self.pipelines, self.challenger, *watched)
        self.current_watch = BundleWatch(self.models, self.pipelines, *watched)
        self.batches = Batches(
            topics=topics_of(""),
            pipelines=self.pipelines,
            days=self.bench.days,
            scoring=self.store,
            send=FakeSend(self.journal),
            metrics=self.metrics,
            confirm=self._confirm,
            shadow=self.challenger,
        )
        make_current(self.models, self.current)
        self.partition = self.take_over()

    def close(self) -> None:
        self._loop.close()
        self.store.close()

    def run(self, asked: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run(asked)

    @property
    def current(self) -> str:
        return self.pipelines.current.manifest.version

    async def _confirm(self, *_: object) -> None:
        """The topics are the same."""

    async def _end(self) -> None:
        """Nobody waits for it."""

    def ask(self, question: Callable[[Store], Any]) -> Any:
        return self.run(self.store.call(question))

    def take_over(self) -> TransactionPartition:
        taken = self.ask(lambda store: store.take_over(*SOURCE, first_offset=0, owner=ME))
        return TransactionPartition(SOURCE, taken, self.store, self.failed.append, self.current)

    def another(self, weight: float = 0.5, fields: FeatureSet = WITH_LEDGER, **terms: Any) -> Bundle:
        made = self.folder / "made"
        manifest = write_bundle(made, fields, LEARNED, [weight, weight], terms=EngineTerms("EUR", **terms))
        made.rename(self.models / manifest.version)
        return read_bundle(self.models / manifest.version)

    def name(self, text: str | None) -> None:
        """In the file that names the challenger; None removes it."""
        path = self.models / CHALLENGER
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        self.look()

    def begin(self, weight: float = 0.5, **made: Any) -> Bundle:
        bundle = self.another(weight, **made)
        self.name(bundle.manifest.version)
        assert self.challenger.version == bundle.manifest.version
        return bundle

    def look(self) -> None:
        self.run(self.watch.look())

    def score(self, *chunks: Sequence[Given], first: int | None = None) -> None:
        async def scored() -> None:
            expected = chunks[0][0].offset if first is None else first
            for records in chunks:
                content = decoded_of([record.event for record in records])
                await self.batches.score(self.partition, Chunk(SOURCE, records, content, 1, expected), self._end)
                expected = records[-1].offset + 1
            await self.partition.queue_is_empty()

        self.run(scored())
        assert self.failed == []

    def work(self) -> None:
        self.run(self.challenger.work())

    def spans(self, bundle: Bundle) -> list[ShadowSpan]:
        found: list[ShadowSpan] = self.ask(lambda store: store.shadow_spans(bundle.manifest.version))
        return found

    def pairs(self, bundle: Bundle) -> list[ShadowPair]:
        version = bundle.manifest.version
        return [pair for pairs in self.ask(lambda store: list(store.shadow_pairs(version, 0))) for pair in pairs]

    def starts(self) -> list[tuple[int, str | None]]:
        found: list[ChallengerStart] = self.ask(lambda store: store.challenger_starts())
        return [(start.first_offset, start.version) for start in found]

    def refused(self) -> list[RefusedBundle]:
        found: list[RefusedBundle] = self.ask(lambda store: store.refused_bundles(as_challenger=True))
        return found

    def counted(self, name: str) -> float | None:
        return self.registry.get_sample_value(f"trustlens_{name}")


@pytest.fixture
def rig(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Rig]:
    caplog.set_level(logging.INFO, "scorer")
    made = Rig(tmp_path)
    yield made
    made.close()


def alone(bundle: Bundle, transactions: Sequence[Transaction]) -> list[tuple[float, str]]:
    """What this bundle says where nothing else scores."""
    scored = Pipeline(bundle, SeenDays(bundle.manifest.terms.ledger_terms)).score(block_of(transactions))
    return list(zip(scored.scores, map(str, scored.levels), strict=True))


def test_every_transaction_is_scored_as_by_the_challenger_alone(rig: Rig) -> None:
    bundle = rig.begin()
    rig.score([given(n) for n in range(5)], [given(5)], [given(n) for n in range(6, 30)])
    rig.work()
    sales = [sale(n) for n in range(30)]
    pairs = rig.pairs(bundle)
    assert [(pair.challenger_score, pair.challenger_level) for pair in pairs] == alone(bundle, sales)
    assert [(pair.score, pair.level) for pair in pairs] == alone(rig.bench.current, sales)
    assert {pair.bundle_version for pair in pairs} == {rig.current}
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 30, 30)]
    assert (rig.counted("shadow_transactions_total"), rig.counted("shadow_given_up_total")) == (30, 0)


def test_what_is_sent_and_stored_is_what_it_would_be_without_one(tmp_path: Path) -> None:
    said = []
    for name in ("with", "without"):
        (tmp_path / name).mkdir()
        rig = Rig(tmp_path / name)
        if name == "with":
            rig.begin()
        rig.score([given(n) for n in range(20)], [given(n) for n in range(20, 23)])
        rig.work()
        starts = [start[:4] for start in rig.ask(lambda store: store.bundle_starts())]  # without the wall clock's time
        said.append((rig.journal, rig.ask(lambda store: list(store.flags())), starts))
        rig.close()
    assert said[0] == said[1]


def test_nothing_is_scored_before_the_chunk_itself_is_stored(rig: Rig) -> None:
    bundle = rig.begin()
    rig.score([given(0)])
    assert rig.ask(lambda store: len(list(store.flags()))) == 1
    assert rig.spans(bundle) == []
    rig.work()
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 1, 1)]


def test_duplicates_and_rejects_have_no_score_and_part_no_span(rig: Rig) -> None:
    bundle = rig.begin()
    rig.score([given(0), given(1, number=0), unreadable(2), given(3)], [unreadable(4)], [given(5)])
    rig.work()
    assert [pair.offset for pair in rig.pairs(bundle)] == [0, 3, 5]
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 6, 3)]


def test_a_challenger_may_want_more_fields_and_attributes(tmp_path: Path) -> None:
    rig = Rig(tmp_path, WITHOUT)
    made = tmp_path / "made"
    wants = FeatureSet(frozenset({"customer_id", "device_id"}), ("age",))
    learned = (LearnedNumber("new_device_30d", 0.0, 0.0, 1.0, 0.0), LearnedNumber("attribute_age", 9.0, 0.0, 99.0, 9.0))
    version = write_bundle(made, wants, learned, [0.5, 0.1]).version
    made.rename(rig.models / version)
    rig.score([given(0)])
    rig.name(version)
    sales = [
        Transaction(
            f"d{n}", sale(n).event_time, "ann", "EUR", device_id=f"device {n // 2}", attributes={"age": 30.0 + n}
        )
        for n in range(1, 6)
    ]
    rig.score([Given(n, event, key=b"ann") for n, event in enumerate(sales, 1)])
    rig.work()
    bundle = read_bundle(rig.models / version)
    said = [(pair.challenger_score, pair.challenger_level) for pair in rig.pairs(bundle)]
    assert said == alone(bundle, [sale(0), *sales])[1:]
    assert len(set(said)) > 2
    rig.close()


def test_what_finds_no_room_is_given_up_in_whole_chunks(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "MOST_WAITING", 5)
    bundle = rig.begin()
    rig.score([given(n) for n in range(4)], [given(n) for n in range(4, 6)], [given(6)], [given(7)])
    rig.work()
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 4, 4), ShadowSpan(0, 6, 7, 1)]
    assert [pair.offset for pair in rig.pairs(bundle)] == [0, 1, 2, 3, 6]
    assert (rig.counted("shadow_transactions_total"), rig.counted("shadow_given_up_total")) == (5, 3)


def test_one_chunk_always_finds_room(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "MOST_WAITING", 5)
    bundle = rig.begin()
    rig.score([given(n) for n in range(9)])
    rig.work()
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 9, 9)]


def test_it_goes_on_only_while_nothing_waits_to_be_scored(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "AT_ONCE", 2)
    bundle = rig.begin()
    rig.score([given(n) for n in range(2)], [given(n) for n in range(2, 4)])
    rig.has_time = False
    rig.work()  # the first was begun when there was time
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 2, 2)]
    rig.has_time = True
    rig.work()
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 4, 4)]


def test_it_waits_for_time_and_then_scores_by_itself(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "LOOKS_EVERY_SECONDS", 0)
    bundle = rig.begin()
    rig.score([given(0)])
    looks = 0

    def has_time() -> bool:
        nonlocal looks
        looks += 1
        return looks > 3

    async def until_scored() -> None:
        working = asyncio.create_task(rig.challenger.run())
        while not rig.counted("shadow_transactions_total"):
            await asyncio.sleep(0)
        working.cancel()

    monkeypatch.setattr(rig.challenger, "_has_time", has_time)
    rig.run(until_scored())
    assert looks > 3
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 1, 1)]


def test_what_waits_when_the_partition_goes_is_given_up(rig: Rig) -> None:
    bundle = rig.begin()
    rig.score([given(0), given(1)])
    rig.partition = rig.take_over()
    rig.work()
    assert (rig.spans(bundle), rig.pairs(bundle)) == ([], [])
    assert (rig.counted("shadow_transactions_total"), rig.counted("shadow_given_up_total")) == (0, 2)


def test_offsets_without_a_record_and_chunks_that_were_lost_are_told_apart(rig: Rig) -> None:
    bundle = rig.begin()
    rig.score([given(0)])
    rig.work()
    rig.run(rig.partition.skip_to(5))
    rig.score([given(5)])
    rig.work()
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 6, 2)]
    rig.score([given(6)])
    rig.partition = rig.take_over()  # the worker was killed with that chunk unscored by the challenger
    rig.work()
    rig.score([given(7)])
    rig.work()
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 6, 2), ShadowSpan(0, 7, 8, 1)]


def test_what_is_scored_again_is_not_scored_in_the_shadow(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the store is rebuilt: the challenger may have learned from it. And it is no beginning or end of one."""
    bundle = rig.begin()
    rig.score([given(0)])
    with monkeypatch.context() as repeated:
        repeated.setattr("scorer.log.already_sent.AlreadySent.names_bundles", True)
        rig.score([given(1)])
    rig.score([given(2)])
    rig.work()
    assert [pair.offset for pair in rig.pairs(bundle)] == [0, 2]
    assert rig.starts() == [(0, bundle.manifest.version)]


def test_which_challenger_was_to_score_from_when_is_stored_with_the_chunks(rig: Rig) -> None:
    rig.score([given(0)])  # before anybody looked
    first = rig.begin(0.5)
    rig.score([given(1)], [given(2)])
    second = rig.begin(0.6)
    rig.score([unreadable(3)], [given(4)])
    rig.name(None)
    rig.score([given(5)], [given(6)])
    rig.work()
    assert rig.starts() == [(1, first.manifest.version), (4, second.manifest.version), (5, None)]
    assert rig.spans(first) == [ShadowSpan(0, 1, 3, 2)]
    assert rig.spans(second) == [ShadowSpan(0, 3, 5, 1)]


def test_what_waits_is_scored_by_the_challenger_that_it_waits_for(rig: Rig) -> None:
    first = rig.begin(0.5)
    rig.score([given(0)])
    second = rig.begin(0.6)
    rig.score([given(1)])
    rig.work()
    assert [pair.challenger_score for pair in rig.pairs(first)] == [alone(first, [sale(0)])[0][0]]
    assert [pair.challenger_score for pair in rig.pairs(second)] == [alone(second, [sale(0), sale(1)])[1][0]]


def test_a_worker_that_has_not_looked_yet_says_nothing_of_challengers(rig: Rig) -> None:
    """A restart is no end of a challenger."""
    bundle = rig.begin()
    rig.score([given(0)])
    rig.challenger._is_known, rig.challenger._scorer = False, None
    rig.score([given(1)])
    assert rig.starts() == [(0, bundle.manifest.version)]


def test_the_challenger_ends_when_it_is_put_in_use(rig: Rig) -> None:
    bundle = rig.begin()
    rig.score([given(0)])
    make_current(rig.models, bundle.manifest.version)
    rig.run(rig.current_watch.look())
    rig.score([given(1)])  # nobody looked at the challenger since
    rig.look()
    assert rig.challenger.version is None
    rig.score([given(2)])
    rig.work()
    assert [pair.offset for pair in rig.pairs(bundle)] == [0]
    assert rig.starts() == [(0, bundle.manifest.version), (1, None)]
    assert rig.refused() == []


def test_the_bundle_in_use_may_be_exchanged_beside_a_challenger(rig: Rig) -> None:
    bundle = rig.begin()
    rig.score([given(0)])
    old, new = rig.current, rig.another(0.7)
    make_current(rig.models, new.manifest.version)
    rig.run(rig.current_watch.look())
    rig.score([given(1)])
    rig.work()
    assert [pair.bundle_version for pair in rig.pairs(bundle)] == [old, new.manifest.version]
    assert rig.spans(bundle) == [ShadowSpan(0, 0, 2, 2)]


def test_without_a_challenger_nothing_waits_and_nothing_is_said(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.look()
    rig.score([given(0)])
    assert not rig.challenger._waiting
    assert (rig.starts(), rig.refused(), caplog.messages) == ([], [], [])
    assert (rig.counted("challenger_refused"), rig.counted("shadow_given_up_total")) == (0, 0)


def test_it_is_shown_while_there_is_one(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    version = rig.begin().manifest.version
    label = {"version": version, "model": "linear"}
    rig.look()
    assert rig.registry.get_sample_value("trustlens_challenger_info", label) == 1
    rig.name(None)
    assert rig.registry.get_sample_value("trustlens_challenger_info", label) is None
    assert caplog.messages == [f"the challenger is {version}", f"the challenger is {version} no more"]


def cut(bundle: Bundle) -> str:
    path = bundle.folder / ONNX
    path.write_bytes(path.read_bytes()[:-1])
    return "the file was changed"


def without_a_folder(bundle: Bundle) -> str:
    shutil.rmtree(bundle.folder)
    return "expected a bundle in"


@pytest.mark.parametrize("damage", [cut, without_a_folder])
def test_one_that_is_not_whole_is_refused_and_nothing_scores_beside(
    rig: Rig, caplog: pytest.LogCaptureFixture, damage: Callable[[Bundle], str]
) -> None:
    before, torn = rig.begin(0.5), rig.another(0.6)
    rig.score([given(0)])
    caplog.clear()
    why = damage(torn)
    rig.name(torn.manifest.version)
    rig.look()
    rig.score([given(1)])
    [refused] = rig.refused()
    assert why in refused.reason
    assert rig.starts() == [(0, before.manifest.version), (1, None)]
    [said] = caplog.messages
    assert said.startswith("the challenger is not taken: ")
    assert rig.counted("challenger_refused") == 1
    assert rig.ask(lambda store: store.refused_bundles()) == []


@pytest.mark.parametrize(
    ("terms", "why"),
    [({"label_delay_days": 8}, "label_delay_days: got 8, expected 7"), ({"bucket_ms": HOUR * 2}, "bucket_ms")],
)
def test_one_on_other_terms_is_refused(rig: Rig, terms: dict[str, int], why: str) -> None:
    bundle = rig.another(**terms)
    rig.name(bundle.manifest.version)
    [refused] = rig.refused()
    assert refused.reason.startswith(f"{bundle.manifest.version} cannot score beside {rig.current} ({why}")
    assert rig.challenger.version is None


def test_one_that_needs_a_ledger_is_refused_beside_one_that_has_none(tmp_path: Path) -> None:
    rig = Rig(tmp_path, WITHOUT)
    rig.name(rig.another(fields=WITH_LEDGER).manifest.version)
    assert "fields: got merchant_id among them" in rig.refused()[0].reason
    rig.close()


def test_a_refusal_is_over_when_another_is_named_or_none(rig: Rig) -> None:
    torn = rig.another(0.6)
    cut(torn)
    for name in (None, rig.another(0.5).manifest.version):
        rig.name(torn.manifest.version)
        assert len(rig.refused()) == 1
        rig.name(name)
        assert rig.refused() == []
        assert rig.counted("challenger_refused") == 0


@pytest.mark.parametrize("text", ["", "../elsewhere", "linear-0000000\n"])
def test_a_file_that_names_no_bundle_is_refused(rig: Rig, text: str) -> None:
    rig.name(text)
    [refused] = rig.refused()
    assert refused.refused == CHALLENGER
    assert "expected a bundle in" in refused.reason


def test_one_that_cannot_score_is_the_challenger_no_more_and_the_other_goes_on(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = rig.begin()
    rig.score([given(0)], [given(1)])

    def fail(_: Waiting) -> None:
        raise RuntimeError("no such operator")

    with monkeypatch.context() as broken:
        broken.setattr(shadow, "_piece", fail)
        rig.work()
    rig.look()
    rig.score([given(2)])
    [refused] = rig.refused()
    assert refused.refused == bundle.manifest.version
    assert refused.reason == f"{bundle.manifest.version} cannot score (RuntimeError: no such operator)"
    assert (rig.spans(bundle), rig.challenger.version) == ([], None)
    assert rig.starts() == [(0, bundle.manifest.version), (2, None)]
    assert rig.counted("shadow_given_up_total") == 2
    assert "no such operator" in caplog.text
    rig.time += AGAIN_SECONDS  # it is tried again
    rig.look()
    assert rig.challenger.version == bundle.manifest.version
    assert rig.refused() == []


def test_a_version_that_the_store_knows_otherwise_is_refused(rig: Rig) -> None:
    bundle = rig.another()
    version = bundle.manifest.version
    rig.ask(lambda store: store.remember_challenger(version, '{"seed":1}'))
    rig.name(version)
    assert "got another manifest than the store remembers by this version" in rig.refused()[0].reason


def test_an_engine_that_cannot_take_it_scores_on_alone(tmp_path: Path) -> None:
    """As where the bundle in use was exchanged for one without the ledger, and a partition began with that."""
    rig = Rig(tmp_path)
    bundle = rig.begin()
    plain = rig.another(0.7, fields=WITHOUT)
    rig.pipelines.current = plain
    rig.partition = rig.take_over()
    rig.score([given(0), given(1)])
    rig.work()
    assert rig.pairs(bundle) == []
    assert rig.counted("shadow_given_up_total") == 2
    rig.close()
