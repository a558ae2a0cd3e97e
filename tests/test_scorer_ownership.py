"""The partitions of a worker: what is skipped at their ends, and how they are released."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from risk.errors import StoreError
from risk.store import Owner, TakenOver
from risk.topics import topics_of
from risk.versions import Versions
from scorer.log.chunks import Chunk, Place
from scorer.metrics import Metrics
from scorer.worker.batch import End
from scorer.worker.buffer import Buffer, Gap
from scorer.worker.ownership import Ownership
from scorer.worker.partition import LabelPartition, TransactionPartition
from tests.scorer_fakes import FakeStore, SlowStore
from tests.test_scorer_buffer import Known, at, decoded, unreadable

PLACE = Place("labels", 0)


class Bounds:
    """A log from one offset to another, with records at some of them."""

    def __init__(self) -> None:
        self.log = range(10)
        self.records: Sequence[int] = ()

    async def of(self, place: Place) -> tuple[int, int]:
        assert place == PLACE
        return self.log.start, self.log.stop

    async def holds_nothing(self, place: Place, first: int, until: int) -> bool:
        assert place == PLACE
        return not any(first <= offset < until for offset in self.records)


class Bench:
    def __init__(self, store: FakeStore, *, next_offset: int = 3, batches: Any = None) -> None:
        self.bounds, self.failed = Bounds(), list[BaseException]()
        self.buffer = Buffer(ordered_topic="transactions", delay_days=7, days=Known(0))
        unused: Any = None
        pipelines: Any = SimpleNamespace(
            current=SimpleNamespace(manifest=SimpleNamespace(max_ahead_ms=0)), retire=lambda: None
        )
        bounds: Any = self.bounds
        self.ownership = Ownership(
            topics=topics_of(""),
            buffer=self.buffer,
            batches=batches,
            pipelines=pipelines,
            store=unused,
            commits=store,
            bounds=bounds,
            confirm=self._confirm,
            reader=unused,
            metrics=Metrics(CollectorRegistry()),
            name="test",
            accept_gap=False,
            fatal=self.failed.append,
        )
        taken = TakenOver(Owner(*PLACE, 1), next_offset, None, 0, 0, 0, None)
        self.partition = LabelPartition(PLACE, taken, store, self.failed.append)
        self.ownership.partitions[PLACE] = self.partition
        self.buffer.begin(PLACE, decoded, next_offset, 0)

    async def _confirm(self, topic: str, partition: int) -> None:
        assert Place(topic, partition) == PLACE


class ScoresAtOnce:
    """What it scored is stored later."""

    def __init__(self) -> None:
        self.scored: list[Place] = []

    async def score(self, partition: TransactionPartition, chunk: Chunk[Any], end: End) -> None:
        del chunk, end
        self.scored.append(partition.place)


def test_what_was_scored_makes_room_for_others_before_it_is_stored() -> None:
    batches, places = ScoresAtOnce(), [Place("transactions", number) for number in range(5)]
    bench = Bench(FakeStore(), batches=batches)
    for place in places:
        taken = TakenOver(Owner(*place, 1), 0, None, 0, 0, 0, None)
        bench.ownership.partitions[place] = TransactionPartition(
            place, taken, FakeStore(), bench.failed.append, Versions("b")
        )
        bench.buffer.begin(place, decoded, 0, 0)
        bench.buffer.add(place, [unreadable(0)])
        bench.buffer.read_up_to(place, 1, 1, 1)

    async def work() -> None:
        while (chunk := bench.buffer.next()) is not None:
            await bench.ownership.work_on(chunk, _never)

    asyncio.run(work())
    assert batches.scored == places
    assert not any(bench.buffer.is_idle(place) for place in places)


async def _never() -> None:
    raise AssertionError("nothing of it was stored")


def test_an_end_without_records_is_skipped_once() -> None:
    """The record that comes behind it follows without a gap; that would be proved by reading once more."""
    store = FakeStore()
    bench = Bench(store)
    bench.buffer.read_up_to(PLACE, 5, 5, 5)
    asyncio.run(bench.ownership.skip_empty_ends())
    assert store.journal == ["skip 3 to 5"]
    assert bench.partition.next_offset == 5
    asyncio.run(bench.ownership.skip_empty_ends())
    assert store.journal == ["skip 3 to 5"]
    assert bench.buffer.add(PLACE, [at(5, 0)]) is None


def test_what_waits_or_is_under_way_is_not_skipped() -> None:
    store = FakeStore()
    bench = Bench(store)
    bench.buffer.add(PLACE, [at(3, 0)])
    bench.buffer.read_up_to(PLACE, 5, 5, 5)
    asyncio.run(bench.ownership.skip_empty_ends())
    assert bench.buffer.next() is not None
    asyncio.run(bench.ownership.skip_empty_ends())
    assert store.journal == []


@pytest.mark.parametrize(
    ("gap", "begin", "records", "words"),
    [
        (Gap(PLACE, 5, 4), 0, (), "got offset 4, expected 5 or more"),
        (Gap(PLACE, 5, 8), 7, (), "begins at 7: 2 records are gone"),
        (Gap(PLACE, 5, 8), 0, (6,), "there are records between them that never came"),
        (Gap(PLACE, 5, 8), 0, (4, 8), None),
        (Gap(PLACE, 5, 8, is_open=True), 0, (6,), None),
    ],
)
def test_which_gaps_end_a_worker(gap: Gap, begin: int, records: tuple[int, ...], words: str | None) -> None:
    bench = Bench(FakeStore())
    bench.bounds.log, bench.bounds.records = range(begin, 10), records
    if words is None:
        asyncio.run(bench.ownership.check_gap(gap))
        return
    with pytest.raises(StoreError, match=words):
        asyncio.run(bench.ownership.check_gap(gap))


def test_a_release_waits_until_what_is_being_skipped_is_stored() -> None:
    """Whoever takes the partition over next, if only this worker again, would find the skip in its way."""

    async def run() -> None:
        store = SlowStore()
        bench = Bench(store)
        bench.buffer.read_up_to(PLACE, 5, 5, 5)
        skipping = asyncio.create_task(bench.ownership.skip_empty_ends())
        releasing = asyncio.create_task(bench.ownership.assign(lambda: ()))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not releasing.done()
        store.may_answer.set()
        await asyncio.gather(skipping, releasing)
        assert store.journal == ["skip 3 to 5"]
        assert not bench.ownership.partitions

    asyncio.run(run())
