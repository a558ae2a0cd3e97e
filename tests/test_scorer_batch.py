"""The six steps of a batch, in their order, over a broker and a store that only take notes."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import msgspec
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from risk.block import NO_AMOUNT, Block
from risk.block_codec import Decoded
from risk.bundle import LearnedCategory, LearnedNumber, Manifest
from risk.catalogue import FeatureSet
from risk.clock import DAY, EARLIEST, HOUR
from risk.decision import Scored
from risk.engine import FeatureBlock, Verdict
from risk.errors import BrokerError, StaleOwnerError, StoreError
from risk.events import Label, Level, Rejected, RejectReason, Transaction
from risk.kafka.decoding import Labels
from risk.ledger_day import LedgerDay, LedgerTerms
from risk.ledger_log import ClosedDay
from risk.pipeline import Part
from risk.store import Owner, TakenOver
from risk.topics import topics_of
from risk.versions import Versions
from scorer.ledger.closed_days import LedgerDays
from scorer.log.already_sent import AlreadySent
from scorer.log.chunks import Chunk, Place
from scorer.log.outputs import Out
from scorer.metrics import Metrics
from scorer.worker.batch import Batches
from scorer.worker.partition import LabelPartition, TransactionPartition
from testing.bundles import write_bundle
from tests.backtests import FIELDS, LEARNED
from tests.scorer_fakes import FakeSend, FakeShadow, FakeStore
from tests.test_scorer_buffer import Given, decoded

PLACE, LABELS = Place("transactions", 0), Place("labels", 0)
BAD = Rejected(RejectReason.NOT_JSON, "why")
HIGH, LOW = 0.9, 0.1
Answer = TypeVar("Answer")


def transaction(offset: int) -> Given:
    event = Transaction(f"t{offset}", EARLIEST + offset, "ann", "EUR", amount=offset)
    return Given(offset, event, key=b"ann")


def chunk(follows: int, *records: Given) -> Chunk[Decoded]:
    return Chunk(PLACE, records, decoded(records), 1, follows)


def transactions(*offsets: int) -> Chunk[Decoded]:
    return chunk(offsets[0], *map(transaction, offsets))


class Pipeline(NamedTuple):
    """Every third transaction is high. What has no amount is scored with what is usual, and says so."""

    manifest: Manifest
    journal: list[str]
    duplicates: int = 0  # so many of the first rows of each block
    versions: Versions = Versions("linear")

    def features(self, block: Block, partition: int) -> FeatureBlock:
        self.journal.append(f"score {len(block)} of {partition}")
        verdicts = np.where(np.arange(len(block)) < self.duplicates, Verdict.DUPLICATE, Verdict.SCORED)
        return FeatureBlock(np.empty((len(block), 0)), {}, {}, verdicts, np.full(len(block), -1))

    def parts(self, features: FeatureBlock, block: Block) -> list[Part]:
        rows = list(range(self.duplicates, len(block)))
        amounts = block.amount[rows].tolist()
        is_high = [amount % 3 == 0 for amount in amounts]
        scored = Scored(
            features.verdicts,
            rows,
            [HIGH if high else LOW for high in is_high],
            [Level.HIGH if high else Level.LOW for high in is_high],
            [()] * len(rows),
            [("amount",) if amount == NO_AMOUNT else () for amount in amounts],
            [None] * len(rows),
        )
        return [Part(self.manifest, np.ones(len(block), bool), block, scored)]


class Pipelines:
    """One bundle."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.current = self._pipeline = pipeline
        self.versions = Versions(pipeline.manifest.version)

    async def take(self, partition: int, versions: Versions) -> Pipeline:
        assert (partition, versions) == (0, self.versions)
        return self._pipeline

    def retire(self) -> None: ...


class Thread:
    async def call(self, ask: Callable[[Any], Answer]) -> Answer:
        return ask(None)


class Bench:
    """A batch with everything around it, and a journal of what happened in which order."""

    def __init__(self, manifest: Manifest, *, next_offset: int = 0, refuses: bool = False, duplicates: int = 0) -> None:
        self.journal: list[str] = []
        self.failed: list[BaseException] = []
        self.confirm_error: Exception | None = None
        self.may_confirm: asyncio.Event | None = None
        self.send, self.shadow = FakeSend(self.journal), FakeShadow(self.journal)
        self.days, self.metrics = LedgerDays(LedgerTerms(7, HOUR)), Metrics(CollectorRegistry())
        pipelines, thread = cast(Any, Pipelines(Pipeline(manifest, self.journal, duplicates))), cast(Any, Thread())
        self.batches = Batches(
            topics=topics_of(""), pipelines=pipelines, days=self.days, scoring=thread, send=self.send,
            metrics=self.metrics, confirm=self.confirm, shadow=self.shadow,
        )  # fmt: skip
        store = FakeStore(self.journal, refuses=refuses)
        taken = TakenOver(Owner(*PLACE, 1), next_offset, None, 0, 0, 0, None)
        self.partition = TransactionPartition(PLACE, taken, store, self.failed.append, Versions(manifest.version))
        self.labels = LabelPartition(LABELS, taken._replace(owner=Owner(*LABELS, 1)), store, self.failed.append)

    async def confirm(self, topic: str, partition: int) -> None:
        if self.may_confirm is not None:
            await self.may_confirm.wait()
        if self.confirm_error is not None:
            raise self.confirm_error
        self.journal.append(f"confirm {topic}-{partition}")

    async def end(self) -> None:
        self.journal.append("end")

    async def score(self, *chunks: Chunk[Decoded]) -> None:
        for each in chunks:
            await self.batches.score(self.partition, each, self.end)
        await self.partition.queue_is_empty()

    def happened(self, *chunks: Chunk[Decoded]) -> list[str]:
        asyncio.run(self.score(*chunks))
        return self.journal

    def order(self) -> list[str]:
        """Without the confirmation, which is awaited while the chunk is scored."""
        return [entry for entry in self.journal if not entry.startswith("confirm")]


async def all_that_can_happen() -> None:  # nothing here waits for anything but other tasks
    for _ in range(100):
        await asyncio.sleep(0)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_bundle(tmp_path_factory.mktemp("bundle"), FIELDS, LEARNED, [0.1] * len(LEARNED))


def test_the_steps_go_in_their_order(manifest: Manifest) -> None:
    bench = Bench(manifest)
    bench.happened(chunk(0, transaction(0), transaction(1), Given(2, BAD), transaction(3)))
    assert bench.order() == [
        "score 3 of 0",
        "check 0",
        "send 2 to high-risk-alerts-0",
        "send 3 to risk-flags-0",
        "send 1 to transactions-rejected-0",
        "commit 0 to 4: 3 rows",
        "end",
    ]
    assert (bench.partition.next_offset, bench.partition.outputs) == (4, (3, 2, 1))
    assert not bench.failed


def test_nothing_is_sent_before_the_topics_are_confirmed(manifest: Manifest) -> None:
    bench = Bench(manifest)

    async def run() -> None:
        bench.may_confirm = asyncio.Event()
        scored = asyncio.create_task(bench.batches.score(bench.partition, transactions(0, 1), bench.end))
        await all_that_can_happen()
        assert scored.done()
        assert bench.journal == ["score 2 of 0"]
        bench.may_confirm.set()
        await bench.partition.queue_is_empty()

    asyncio.run(run())
    assert bench.journal[1] == "confirm transactions-0"
    assert bench.journal[-1] == "end"


def test_of_other_topics_nothing_is_sent_stored_or_ended(manifest: Manifest) -> None:
    bench = Bench(manifest)
    bench.confirm_error = StoreError("another log")
    assert bench.happened(transactions(0, 1)) == ["score 2 of 0"]
    assert bench.failed == [bench.confirm_error]
    assert bench.partition.next_offset == 0


@pytest.mark.parametrize(
    ("topic", "sent"),
    [
        ("high-risk-alerts", []),
        ("risk-flags", ["send 1 to high-risk-alerts-0"]),
        ("transactions-rejected", ["send 1 to high-risk-alerts-0", "send 2 to risk-flags-0"]),
    ],
)
def test_what_was_not_acknowledged_is_not_stored(manifest: Manifest, topic: str, sent: list[str]) -> None:
    bench = Bench(manifest)
    bench.send.fails[topic] = BrokerError("not acknowledged")
    bench.happened(chunk(0, transaction(0), transaction(1), Given(2, BAD)))
    assert bench.order() == ["score 2 of 0", "check 0", *sent]
    assert bench.failed == [bench.send.fails[topic]]
    assert bench.partition.next_offset == 0


def test_who_lost_the_partition_sends_and_stores_nothing(manifest: Manifest) -> None:
    """Nothing was committed for a second, so it is asked before anything is sent."""
    bench = Bench(manifest, refuses=True)
    bench.happened(transactions(0, 1))
    assert bench.order() == ["score 2 of 0"]
    assert [type(error) for error in bench.failed] == [StaleOwnerError]


def test_a_chunk_is_scored_while_the_one_before_it_is_sent_and_is_itself_sent_after_it_is_stored(
    manifest: Manifest,
) -> None:
    bench = Bench(manifest, next_offset=1)

    async def run() -> None:
        bench.may_confirm = asyncio.Event()
        first = asyncio.create_task(bench.batches.score(bench.partition, transactions(1, 2), bench.end))
        await all_that_can_happen()
        assert first.done()
        second = asyncio.create_task(bench.batches.score(bench.partition, transactions(3, 4), bench.end))
        await all_that_can_happen()
        assert bench.journal == ["score 2 of 0", "score 2 of 0"]
        bench.may_confirm.set()
        await second
        await bench.partition.queue_is_empty()

    asyncio.run(run())
    assert bench.order()[2:] == [
        "check 1",
        "send 2 to risk-flags-0",
        "commit 1 to 3: 2 rows",
        "end",
        "send 1 to high-risk-alerts-0",
        "send 2 to risk-flags-0",
        "commit 3 to 5: 2 rows",
        "end",
    ]


def test_what_the_store_has_is_skipped(manifest: Manifest) -> None:
    bench = Bench(manifest, next_offset=2)
    bench.happened(transactions(0, 1, 2))
    assert bench.order() == ["score 1 of 0", "check 2", "send 1 to risk-flags-0", "commit 2 to 3: 1 rows", "end"]
    assert Bench(manifest, next_offset=3).happened(transactions(0, 1, 2)) == ["end"]


class SentBefore:
    """Of an output the first message that is wanted was sent by an earlier worker."""

    is_done = False
    end = 9

    def sendable(self, wanted: Sequence[Out]) -> tuple[Sequence[Out], int, int]:
        return wanted[1:], 1, 0

    async def read_to(self, source_offset: int) -> None: ...
    async def read_on(self, wanted: Sequence[int]) -> bool:
        return not wanted

    def values(self, source_offset: int) -> tuple[()]:  # noqa: ARG002 - as it is called
        return ()

    def has(self, source_offset: int) -> bool:  # noqa: ARG002
        return False

    def forget_before(self, source_offset: int) -> None: ...


def test_an_alert_that_was_sent_before_is_neither_sent_again_nor_counted_as_late(manifest: Manifest) -> None:
    """Its latency is that of the worker that sent it; after a rebuild it would be days."""
    bench = Bench(manifest)
    bench.partition.already_sent = AlreadySent(alerts=SentBefore())  # type: ignore[arg-type]
    bench.happened(transactions(0, 1, 2, 3))
    assert "send 1 to high-risk-alerts-0" in bench.journal
    [latencies] = bench.metrics.alert_latency.collect()
    assert [sample.value for sample in latencies.samples if sample.name.endswith("_count")] == [1]


@pytest.mark.parametrize(("label_delay_days", "counted"), [(7, 0), (9, 2)])
def test_days_are_counted_in_the_ledger_of_the_bundle_that_scored(
    manifest: Manifest, label_delay_days: int, counted: int
) -> None:
    """Another label delay has another ledger, and that one has closed this day."""
    bench = Bench(msgspec.structs.replace(manifest, label_delay_days=label_delay_days))
    bench.days.add(ClosedDay(LedgerDay(EARLIEST // DAY, 9, manifest.bucket_ms, (), (), (), ()), 1, 0))
    bench.happened(transactions(0, 1))
    assert bench.metrics.on_closed_day._value.get() == counted


def missing(bench: Bench) -> dict[str, float]:
    [family] = bench.metrics.missing.collect()
    return {each.labels["field"]: each.value for each in family.samples if each.name.endswith("_total")}


@pytest.fixture(scope="module")
def two_attributes(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """It had device_id, too, and learned nothing from that."""
    learned = (
        LearnedNumber("amount", 20.0, 0.0, 5000.0, 20.0),
        LearnedNumber("new_country_30d", 0.0, 0.0, 1.0, 0.0),
        LearnedNumber("attribute_age", 40.0, 0.0, 100.0, 40.0),
        LearnedCategory("channel", ("online",), None),
        LearnedCategory("attribute_segment", ("gold",), None),
    )
    features = FeatureSet(FIELDS.fields, ("age", "height"), ("segment", "colour"))
    return write_bundle(tmp_path_factory.mktemp("two"), features, learned, [0.1] * len(learned))


def test_what_is_missing_is_counted_by_field(two_attributes: Manifest) -> None:
    """Of what the bundle learned from, and of nothing else; numbers and categories alike."""
    bench = Bench(two_attributes)
    nothing = dict.fromkeys(["amount", "attribute_age", "attribute_segment", "channel", "country"], 0.0)
    assert missing(bench) == nothing  # or the first one would be no increase
    bare = Transaction("t1", EARLIEST, "ann", "EUR")
    whole = Transaction("t2", EARLIEST, "ann", "EUR", "m", "food", 1, "online", "d", "DE", {"segment": "gold"})
    bench.happened(chunk(0, Given(0, bare, key=b"ann"), Given(1, BAD), Given(2, whole, key=b"ann")))
    assert missing(bench) == {**nothing, "amount": 1, "attribute_segment": 1, "channel": 1, "country": 1}


def test_a_duplicate_is_not_counted_as_lacking_anything(two_attributes: Manifest) -> None:
    bench = Bench(two_attributes, duplicates=2)
    bench.happened(transactions(0, 1, 2))
    assert missing(bench)["channel"] == 1


def test_a_field_that_none_of_the_first_thousand_had_is_told_once(
    two_attributes: Manifest, caplog: pytest.LogCaptureFixture
) -> None:
    abroad = chunk(0, Given(0, Transaction("t0", EARLIEST, "ann", "EUR", country="DE"), key=b"ann"))
    Bench(two_attributes).happened(abroad, transactions(*range(1, 999)))
    assert caplog.messages == []
    Bench(two_attributes).happened(abroad, transactions(*range(1, 1001)), transactions(*range(1001, 3000)))
    assert caplog.messages == [
        "none of the first 1,001 transactions had attribute_segment, channel, from which bundle "
        f"{two_attributes.version} learned; they are scored with what is usual instead. Do these come under other "
        "names? docs/runbook.md#trustlensfieldmissing"
    ]


def test_a_gap_in_the_log_is_none_in_the_work(manifest: Manifest) -> None:
    """Offsets without records lie behind what the chunk follows."""
    bench = Bench(manifest, next_offset=5)
    bench.happened(chunk(5, transaction(10), transaction(11)))
    assert "commit 5 to 12: 2 rows" in bench.journal


def test_records_that_follow_others_which_never_came_are_refused(manifest: Manifest) -> None:
    bench = Bench(manifest, next_offset=5)
    with pytest.raises(StoreError, match="follow offset 9, expected 5 next"):
        bench.happened(transactions(9, 10))
    assert bench.journal == []


def test_a_batch_without_anything_to_send_still_moves_on(manifest: Manifest) -> None:
    """Nothing is sent to a topic for which there is nothing."""
    bench = Bench(manifest)
    bench.happened(chunk(0, Given(0, BAD)))
    assert bench.order()[1:] == ["check 0", "send 1 to transactions-rejected-0", "commit 0 to 1: 0 rows", "end"]


def labels(*events: Label | Rejected) -> Chunk[Labels]:
    return Chunk(LABELS, [Given(n, BAD, key=b"ann") for n in range(len(events))], Labels(events), 1, 0)


def test_labels_go_the_same_way_with_rejects_alone(manifest: Manifest) -> None:
    bench, label = Bench(manifest), Label("t", "ann", True, DAY, "test")
    asyncio.run(bench.batches.learn(bench.labels, labels(label, BAD, label), bench.end))
    assert bench.journal == [
        "confirm labels-0",
        "check 0",
        "send 1 to transactions-rejected-0",
        "labels 0 to 3: 2, rejects read to 1",
        "end",
    ]
    assert bench.labels.next_offset == 3


def test_labels_of_other_topics_are_not_stored(manifest: Manifest) -> None:
    bench = Bench(manifest)
    bench.confirm_error = StoreError("another log")
    with pytest.raises(StoreError, match="another log"):
        asyncio.run(bench.batches.learn(bench.labels, labels(BAD), bench.end))
    assert bench.journal == []
