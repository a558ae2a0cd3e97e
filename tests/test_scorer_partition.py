"""A partition: its offset moves only with the store's, and its commits go one after the other."""

import asyncio
from collections.abc import Callable

import pytest

from risk.errors import StaleOwnerError
from risk.store import Outputs, Owner, TakenOver
from risk.versions import Versions
from scorer.log.chunks import Place
from scorer.worker.partition import LabelPartition, TransactionPartition
from tests.scorer_fakes import FakeStore, SlowStore

PLACE = Place("transactions", 3)


def taken(next_offset: int, *, newest: int | None = None, first: int | None = None) -> TakenOver:
    return TakenOver(Owner(*PLACE, 7), next_offset, newest, 0, 0, 0, first)


def transactions(store: FakeStore, next_offset: int = 5, *, newest: int | None = None) -> TransactionPartition:
    return TransactionPartition(PLACE, taken(next_offset, newest=newest), store, _unexpected, Versions("bundle-1"))


def _unexpected(error: BaseException) -> None:
    raise AssertionError(error)


def test_a_commit_moves_the_store_first_and_then_memory() -> None:
    store = FakeStore()
    partition = transactions(store)
    partition.begin_scoring(9)
    assert (partition.next_offset, partition.is_settled) == (5, False)
    asyncio.run(partition.commit(9, Outputs(4, 2, 1), [("row",)], 1_000, 12))
    assert store.journal == ["commit 5 to 9: 1 rows"]
    assert (partition.next_offset, partition.is_settled) == (9, True)
    assert (partition.outputs, partition.newest_event_time, partition.history_days) == (Outputs(4, 2, 1), 1_000, 12)


def test_what_the_store_refuses_moves_nothing() -> None:
    partition = transactions(FakeStore(refuses=True))
    with pytest.raises(StaleOwnerError):
        asyncio.run(partition.commit(9, Outputs(4, 2, 1), [], None, None))
    with pytest.raises(StaleOwnerError):
        asyncio.run(partition.skip_to(9))
    assert (partition.next_offset, partition.outputs) == (5, Outputs(0, 0, 0))


def test_the_newest_event_time_never_goes_back() -> None:
    partition = transactions(FakeStore(), newest=2_000)
    for newest in (1_000, None):
        asyncio.run(partition.commit(partition.next_offset + 1, Outputs(0, 0, 0), [], newest, None))
        assert partition.newest_event_time == 2_000


def test_offsets_without_records_are_skipped_and_need_no_scoring() -> None:
    store = FakeStore()
    partition = transactions(store)
    asyncio.run(partition.skip_to(8))
    assert store.journal == ["skip 5 to 8"]
    assert (partition.next_offset, partition.scored_to) == (8, 8)


def test_what_is_scored_while_offsets_before_it_are_skipped_stays_scored() -> None:
    """Otherwise the chunk behind it would seem to come too early, and end the worker."""

    async def run() -> None:
        store = SlowStore()
        partition = transactions(store)
        skipping = asyncio.create_task(partition.skip_to(8))
        await asyncio.sleep(0)
        partition.begin_scoring(12)
        store.may_answer.set()
        await skipping
        assert (partition.next_offset, partition.scored_to) == (8, 12)

    asyncio.run(run())


def test_the_history_begins_once() -> None:
    """Where it begins is not known of a store that has scored and does not say where."""
    partition = transactions(FakeStore())
    partition.begin_history(1_000)
    partition.begin_history(2_000)
    assert partition.first_event_time == 1_000
    partition.forget_scored()
    assert partition.first_event_time is None
    older = transactions(FakeStore(), newest=500)
    older.begin_history(1_000)
    assert older.first_event_time is None


def test_labels_commit_their_rejects_offset() -> None:
    store = FakeStore()
    partition = LabelPartition(PLACE, taken(5), store, _unexpected)
    asyncio.run(partition.commit(6, Outputs(0, 0, 3), []))
    assert store.journal == ["labels 5 to 6: 0, rejects read to 3"]
    assert partition.next_offset == 6


def test_ownership_is_checked_where_nothing_was_committed_lately() -> None:
    store = FakeStore()
    partition = transactions(store)

    async def run() -> None:
        await partition.check_ownership()
        await partition.commit(9, Outputs(0, 0, 0), [], None, None)
        await partition.check_ownership()

    asyncio.run(run())
    assert store.journal == ["check 5", "commit 5 to 9: 0 rows"]


def queued(run: Callable[[TransactionPartition], object], fatal: Callable[[BaseException], None] = _unexpected) -> None:
    partition = TransactionPartition(PLACE, taken(0), FakeStore(), fatal, Versions("bundle-1"))
    asyncio.run(run(partition))  # type: ignore[arg-type]


def test_the_second_commit_does_not_begin_before_the_first_is_over() -> None:
    """And whoever queues one goes on at once, while it is carried out."""
    happened: list[str] = []

    async def run(partition: TransactionPartition) -> None:
        first_may_end = asyncio.Event()

        async def first() -> None:
            happened.append("first begins")
            await first_may_end.wait()
            happened.append("first ends")

        async def second() -> None:
            happened.append("second")

        partition.queue(first)
        partition.queue(second)
        happened.append("queued")
        while not happened.count("first begins"):
            await asyncio.sleep(0)
        first_may_end.set()
        await partition.queue_is_empty()

    queued(run)
    assert happened == ["queued", "first begins", "first ends", "second"]


def test_whatever_goes_wrong_in_the_queue_is_fatal() -> None:
    """Nobody awaits it, so it must be told."""
    told: list[BaseException] = []
    error = ValueError("the store is gone")

    async def run(partition: TransactionPartition) -> None:
        async def fails() -> None:
            raise error

        partition.queue(fails)
        await partition.queue_is_empty()

    queued(run, told.append)
    assert told == [error]


def test_behind_what_was_cancelled_nothing_is_stored() -> None:
    """Its records are not in the store, and the store's guard goes by what memory expects."""
    happened: list[str] = []

    async def run(partition: TransactionPartition) -> None:
        begun = asyncio.Event()
        tasks = asyncio.all_tasks()

        async def first() -> None:
            begun.set()
            await asyncio.Event().wait()

        async def second() -> None:
            happened.append("second")

        partition.queue(first)
        [task] = asyncio.all_tasks() - tasks
        await begun.wait()
        partition.queue(second)
        task.cancel()
        await partition.queue_is_empty()

    queued(run)
    assert happened == []


def test_who_stops_waiting_does_not_stop_what_is_under_way() -> None:
    """A rebalance cancels an agent; the batch that it waits for is half sent."""
    happened: list[str] = []

    async def run(partition: TransactionPartition) -> None:
        may_end = asyncio.Event()

        async def first() -> None:
            await may_end.wait()
            happened.append("ended")

        partition.queue(first)
        waiting = asyncio.create_task(partition.queue_is_empty())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        may_end.set()
        await partition.queue_is_empty()

    queued(run)
    assert happened == ["ended"]
