"""What Faust is told of a seek that fails, and what ends the worker, and when nothing is committed."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IllegalStateError
from faust.types import TP

from scorer.log.decoding import Place
from scorer.worker.faust_adapter import Consumer, ConsumerThread


def sought(error: Exception, fatal: list[BaseException]) -> None:
    """By a consumer of one partition whose client answers a seek by this error."""

    async def go() -> None:
        consumer: Any = Consumer.__new__(Consumer)
        consumer._fetching = asyncio.Lock()
        consumer._seeks = 0
        consumer._ownership = SimpleNamespace(rewind=lambda: {Place("transactions", 0): 5}, fatal=fatal.append)

        async def seek_wait(_: object) -> None:
            raise error

        consumer.seek_wait = seek_wait
        await consumer.perform_seek()

    asyncio.run(go())


def test_a_partition_that_is_taken_away_while_it_is_sought_is_a_rebalance_and_no_end() -> None:
    """Faust takes this error for another rebalance, and waits for that. It ended workers where a second one joined."""
    fatal: list[BaseException] = []
    with pytest.raises(IllegalStateError):
        sought(IllegalStateError("No current assignment for partition"), fatal)
    assert fatal == []


def test_whatever_else_goes_wrong_in_a_seek_ends_the_worker() -> None:
    """Faust would end its recovery without a word, and no partition would come again."""
    fatal: list[BaseException] = []
    error = ValueError("the client is broken")
    sought(error, fatal)
    assert fatal == [error]


def test_nothing_is_committed_while_the_group_is_joined() -> None:
    """The broker would refuse it for its old generation, and the client would come back as another member."""
    place, committed = TP("t", 0), []

    async def called(*_: object) -> None:
        pass

    async def commit(offsets: object) -> None:
        committed.append(offsets)

    async def go() -> list[int]:
        thread: Any = ConsumerThread.__new__(ConsumerThread)
        thread.consumer = SimpleNamespace(threadsafe_partitions_revoked=called, threadsafe_partitions_assigned=called)
        thread.thread_loop, thread.tp_last_committed_at = asyncio.get_running_loop(), {}
        thread._consumer = SimpleNamespace(assignment=lambda: {place}, commit=commit)
        counts = []
        for step in (called, thread.on_partitions_revoked, thread.on_partitions_assigned):
            await step({place})
            await thread._commit({place: 5})
            counts.append(len(committed))
        return counts

    assert asyncio.run(go()) == [1, 1, 2]
