"""A wait for a ledger day: only what the wait is for counts as movement, and a long one says what it is for."""

import asyncio
from collections.abc import Iterable

from risk.clock import DAY, HOUR
from risk.ledger_day import LedgerTerms
from risk.store import Position
from risk.topics import topics_of
from scorer.ledger.closer import ClosingTerms
from scorer.ledger.waiting import Look, StallTimer
from scorer.log.chunks import Place

TOPICS = topics_of("")
TERMS = ClosingTerms(LedgerTerms(7, HOUR), DAY, HOUR)
FIRST = 20_000
LIMIT = 60.0


def at(days: float) -> int:
    return int((FIRST + days) * DAY)


class Waiter:
    """Two partitions of transactions and of labels: where the store stands, and where they end."""

    def __init__(self) -> None:
        self.now = 0.0
        self.wall = at(1_000) / 1000
        self.newest: int | None = FIRST - 1  # the newest closed day
        self.times: dict[int, int | None] = {0: at(9), 1: at(9)}
        self.read = {Place(topic, n): 0 for topic in (TOPICS.transactions, TOPICS.labels) for n in (0, 1)}
        self.lengths = dict(self.read)
        self.prospect = StallTimer(
            topics=TOPICS,
            partitions=2,
            terms=TERMS,
            bounds=self,
            limit_seconds=LIMIT,
            clock=lambda: self.now,
            wall=lambda: self.wall,
        )

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        return {place: self.lengths[place] for place in places}

    def look(self, day: int = FIRST) -> Look:
        positions = [
            Position(
                *place, 1, offset, self.times[place.partition] if place.topic == TOPICS.transactions else None,
                None, None, None, 0, 0, 0,
            )
            for place, offset in self.read.items()
        ]  # fmt: skip
        return asyncio.run(self.prospect.look(day, positions, self.newest))

    def after(self, seconds: float) -> Look:
        self.now += seconds
        return self.look()


def labels(partition: int) -> Place:
    return Place(TOPICS.labels, partition)


def transactions(partition: int) -> Place:
    return Place(TOPICS.transactions, partition)


def test_a_wait_in_which_nothing_moves_has_no_prospect() -> None:
    waiter = Waiter()
    assert not waiter.look().is_hopeless
    assert not waiter.after(LIMIT - 1).is_hopeless
    assert waiter.after(1).is_hopeless


def test_labels_that_trickle_in_all_day_are_no_reason_to_go_on_waiting() -> None:
    """They came after the wait began, so no day that is waited for needs them. The store never is at their end."""
    waiter = Waiter()
    waiter.look()
    looks = []
    for _ in range(int(LIMIT)):
        waiter.lengths[labels(0)] += 200
        waiter.read[labels(0)] = waiter.lengths[labels(0)] - 100
        looks.append(waiter.after(1).is_hopeless)
    assert looks == [False] * (len(looks) - 1) + [True]


def test_labels_that_lay_there_are_waited_for_as_long_as_they_are_read() -> None:
    waiter = Waiter()
    waiter.lengths[labels(1)] = 3
    waiter.look()
    for _ in range(3):
        assert not waiter.after(LIMIT - 1).is_hopeless
        waiter.read[labels(1)] += 1
    assert not waiter.after(1).is_hopeless
    assert waiter.after(LIMIT).is_hopeless


def test_a_partition_that_is_behind_is_waited_for_as_long_as_it_moves() -> None:
    waiter = Waiter()
    waiter.times[1], waiter.lengths[transactions(1)] = at(0.1), 9
    waiter.look()
    for _ in range(3):
        assert not waiter.after(LIMIT - 1).is_hopeless
        waiter.read[transactions(1)] += 1
    waiter.after(1)
    assert waiter.after(LIMIT).is_hopeless


def test_labels_that_came_before_the_last_partition_had_caught_up_are_waited_for() -> None:
    """The day is due only then."""
    waiter = Waiter()
    waiter.times[1] = at(0.1)
    waiter.look()
    waiter.times[1], waiter.lengths[labels(0)] = at(9), 2
    waiter.after(LIMIT - 1)
    waiter.read[labels(0)] = 1
    assert not waiter.after(LIMIT - 1).is_hopeless
    waiter.read[labels(0)] = 2
    assert not waiter.after(LIMIT - 1).is_hopeless


def test_partitions_that_are_past_the_day_are_no_reason_to_go_on_waiting() -> None:
    waiter = Waiter()
    waiter.look()
    for _ in range(int(LIMIT)):
        waiter.read[transactions(0)] += 100
        waiter.look()
        waiter.now += 1
    assert waiter.look().is_hopeless


def test_every_day_that_is_closed_begins_the_wait_anew() -> None:
    waiter = Waiter()
    waiter.newest = FIRST - 2
    waiter.look()
    waiter.now += LIMIT - 1
    waiter.newest = FIRST - 1
    assert not waiter.look().is_hopeless
    assert not waiter.after(LIMIT - 1).is_hopeless


def test_a_day_that_lies_ahead_of_the_clock_has_no_prospect_whatever_moves() -> None:
    """No closer closes it, so a message with a wrong date must not hold its partition up for ever."""
    waiter = Waiter()
    waiter.wall = at(6.4) / 1000 - 3600
    for _ in range(int(LIMIT)):
        waiter.times[1] = at(0.1 + waiter.now / 100)
        waiter.read[transactions(1)] += 1
        assert not waiter.look().is_hopeless
        waiter.now += 1
    assert waiter.look().is_hopeless
    assert "ahead of this machine's clock" in waiter.look().what_for


def test_a_wait_says_what_it_is_for() -> None:
    waiter = Waiter()
    waiter.times[1], waiter.read[transactions(1)], waiter.lengths[transactions(1)] = at(0.1), 5, 9
    waiter.read[labels(0)], waiter.lengths[labels(0)] = 100, 700
    found = waiter.look()
    assert found.what_for == "transactions-1 at offset 5, labels-0 at offset 100 of 700"
    assert waiter.after(12).seconds == 12


def test_a_wait_for_nothing_but_the_close_says_so() -> None:
    assert Waiter().look().what_for == "the worker of transactions-0, which closes it"


def test_a_partition_that_nobody_took_is_waited_for() -> None:
    waiter = Waiter()
    del waiter.read[transactions(1)]
    assert waiter.look().what_for == "transactions-1, which no worker has taken yet"


def test_waits_for_different_days_are_counted_apart() -> None:
    waiter = Waiter()
    waiter.look()
    waiter.now += LIMIT - 1
    assert waiter.look(FIRST + 1).seconds == 0


def test_labels_that_the_next_run_of_days_needs_are_waited_for() -> None:
    """Days that became due while others waited are closed from what lay there when their turn came."""
    waiter = Waiter()
    waiter.newest, waiter.lengths[labels(0)] = FIRST - 2, 10
    waiter.look()
    waiter.read[labels(0)], waiter.lengths[labels(0)], waiter.newest = 10, 20, FIRST - 1
    for _ in range(9):
        assert not waiter.after(LIMIT - 1).is_hopeless
        waiter.read[labels(0)] += 1
