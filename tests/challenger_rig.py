"""A worker with real bundles and a real store, and a challenger that scores when a test says so."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from risk.block import block_of
from risk.block_codec import decoded_of
from risk.bundle import Bundle, read_bundle
from risk.catalogue import EngineTerms, FeatureSet
from risk.challenger import CHALLENGER
from risk.events import Transaction
from risk.ledger import SeenDays
from risk.pipeline import Pipeline
from risk.store import Refusal, Role, ShadowPair, ShadowSpan, Store, VersionStart
from risk.topics import topics_of
from scorer.log.chunks import Chunk, Place
from scorer.metrics import Metrics
from scorer.worker.batch import Batches
from scorer.worker.partition import TransactionPartition
from scorer.worker.shadow import Challenger
from scorer.worker.swap import BundleWatch, ChallengerWatch, RulesWatch
from scorer.worker.watch import WatchParts
from testing.bundles import write_bundle
from tests.scorer_fakes import FakeSend
from tests.test_scorer_buffer import Given
from tests.test_scorer_pipelines import LEARNED, WITH_LEDGER, Bench, sale
from trainer.in_force import make_current

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
        parts = WatchParts(self.pipelines, self.store, self.metrics, ME, lambda: self.time)
        self.watch = ChallengerWatch(self.models, parts, self.challenger)
        self.current_watch = BundleWatch(self.models, parts)
        self.rules_watch = RulesWatch(self.bench.rules_folder, parts)
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
        return TransactionPartition(SOURCE, taken, self.store, self.failed.append, self.pipelines.versions)

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
        found: list[VersionStart] = self.ask(lambda store: store.starts(Role.CHALLENGER))
        return [(start.first_offset, start.version) for start in found]

    def refused(self) -> list[Refusal]:
        found: list[Refusal] = self.ask(lambda store: store.refusals(Role.CHALLENGER))
        return found

    def counted(self, name: str) -> float | None:
        return self.registry.get_sample_value(f"trustlens_{name}")


def alone(bundle: Bundle, transactions: Sequence[Transaction]) -> list[tuple[float, str]]:
    """What this bundle says where nothing else scores."""
    scored = Pipeline(bundle, SeenDays(bundle.manifest.terms.ledger_terms)).score(block_of(transactions))
    return list(zip(scored.scores, map(str, scored.levels), strict=True))
