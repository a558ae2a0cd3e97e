"""What Faust is told of a seek that fails, and what ends the worker."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IllegalStateError

from scorer.log.decoding import Place
from scorer.worker.faust_adapter import Consumer


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
