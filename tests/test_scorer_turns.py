"""Turns: what is sent and stored goes one after the other, while the next is scored."""

import asyncio

from scorer.worker.turns import Turns


def test_the_second_does_not_begin_before_the_first_is_over() -> None:
    """And whoever hands one over goes on at once, while it is carried out."""
    happened: list[str] = []

    async def run() -> None:
        turns, first_may_end = Turns(_unexpected), asyncio.Event()

        async def first() -> None:
            happened.append("first begins")
            await first_may_end.wait()
            happened.append("first ends")

        async def second() -> None:
            happened.append("second")

        await turns.next(first)
        happened.append("handed over")
        waiting = asyncio.create_task(turns.next(second))
        while not happened.count("first begins"):
            await asyncio.sleep(0)
        first_may_end.set()
        await waiting
        await turns.over()

    asyncio.run(run())
    assert happened == ["handed over", "first begins", "first ends", "second"]


def test_whatever_goes_wrong_in_a_turn_is_fatal() -> None:
    """Nobody awaits it, so it must be told."""
    told: list[BaseException] = []
    error = ValueError("the store is gone")

    async def run() -> None:
        turns = Turns(told.append)

        async def fails() -> None:
            raise error

        await turns.next(fails)
        await turns.over()

    asyncio.run(run())
    assert told == [error]


def test_who_stops_waiting_does_not_stop_what_is_under_way() -> None:
    """A rebalance cancels an agent; the batch that it waits for is half sent."""
    happened: list[str] = []

    async def run() -> None:
        turns, may_end = Turns(_unexpected), asyncio.Event()

        async def first() -> None:
            await may_end.wait()
            happened.append("ended")

        await turns.next(first)
        waiting = asyncio.create_task(turns.over())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        may_end.set()
        await turns.over()

    asyncio.run(run())
    assert happened == ["ended"]


def _unexpected(error: BaseException) -> None:
    raise AssertionError(error)
