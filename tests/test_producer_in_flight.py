"""Room for more transactions, by what the scorers have committed."""

import asyncio

from producer.delivery.already import Place
from producer.replay.in_flight import POLL_SECONDS, InFlight
from tests.test_producer_pace import SetClock

BEGINS: dict[Place, int] = {("transactions", 0): 0, ("transactions", 1): 10}


class Group:
    """A scorers' group whose commits a test sets; counts how often it is asked."""

    def __init__(self) -> None:
        self.offsets: dict[Place, int] = {}
        self.asked = 0

    async def committed(self) -> dict[Place, int]:
        self.asked += 1
        return self.offsets


def test_what_is_sent_and_not_committed_is_in_flight() -> None:
    group, ends = Group(), {("transactions", 0): 30, ("transactions", 1): 15, ("labels", 0): 99}
    in_flight = InFlight(100, group.committed, BEGINS, ends, SetClock())
    assert in_flight.count == 35
    group.offsets = {("transactions", 0): 20}
    asyncio.run(in_flight.look())
    assert in_flight.count == 15


def test_the_group_is_asked_only_near_the_limit() -> None:
    group, ends = Group(), {("transactions", 0): 30, ("transactions", 1): 15}
    in_flight = InFlight(100, group.committed, BEGINS, ends, SetClock())
    assert asyncio.run(in_flight.room(10)) == 65
    assert group.asked == 0
    ends["transactions", 0] = 90
    assert asyncio.run(in_flight.room(10)) == 5
    assert group.asked == 1


def test_the_group_is_not_asked_more_often_than_a_few_times_a_second() -> None:
    group, clock = Group(), SetClock()
    in_flight = InFlight(5, group.committed, BEGINS, {("transactions", 0): 30, ("transactions", 1): 15}, clock)
    for _ in range(100):
        assert asyncio.run(in_flight.room(10)) == 0
        clock.time += POLL_SECONDS / 50
    assert 2 <= group.asked <= 3


def test_without_a_limit_there_is_always_room_and_nobody_is_asked() -> None:
    group = Group()
    in_flight = InFlight(None, group.committed, BEGINS, {("transactions", 0): 30, ("transactions", 1): 15}, SetClock())
    assert asyncio.run(in_flight.room(10)) is None
    assert group.asked == 0


def test_a_group_that_committed_nothing_is_told_from_one_that_did() -> None:
    group, clock = Group(), SetClock()
    in_flight = InFlight(1, group.committed, BEGINS, {("transactions", 0): 30, ("transactions", 1): 15}, clock)
    asyncio.run(in_flight.room(1))
    assert not in_flight.has_scorer
    clock.time = 1.0
    group.offsets = {("transactions", 0): 1}
    asyncio.run(in_flight.room(1))
    assert in_flight.has_scorer
