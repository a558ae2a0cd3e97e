"""How much may go when, with a clock that a test sets."""

import pytest

from producer.replay.pace import BURST_SECONDS, Pace
from producer.replay.refused import Refused
from producer.replay.sequence import Entry
from risk.clock import SECOND
from risk.events import Label, Transaction
from testing.replays import START


class SetClock:
    def __init__(self, now_ms: int = START) -> None:
        self.time, self._now = 0.0, now_ms

    def seconds(self) -> float:
        return self.time

    def now_ms(self) -> int:
        return self._now + int(self.time * 1000)


def transaction(second: float) -> Entry:
    due = START + int(second * SECOND)
    return Entry(due, Transaction("T", due, "C", "EUR"))


def label(second: float) -> Entry:
    due = START + int(second * SECOND)
    return Entry(due, Label("T", "C", True, due, "dataset"))


def test_without_a_pace_everything_goes_at_once() -> None:
    pace = Pace(SetClock(), None, None, is_live=False)
    assert pace.ready([transaction(n) for n in range(1000)], 10, None) == (990, 0.0)


def test_room_for_so_many_transactions_lets_so_many_go() -> None:
    pace = Pace(SetClock(), None, None, is_live=False)
    assert pace.ready([transaction(n) for n in range(1000)], 0, 7).entries == 7


def test_labels_need_no_room_and_refused_rows_do() -> None:
    pace = Pace(SetClock(), None, None, is_live=False)
    refused = Entry(START, Refused(b"", b"{}"))
    assert pace.ready([label(0), transaction(0), label(0), refused, label(0), transaction(1)], 0, 2).entries == 5
    assert pace.ready([label(0), transaction(0)], 0, 0).entries == 1


def test_a_rate_is_kept_over_time() -> None:
    clock = SetClock()
    pace = Pace(clock, 100, None, is_live=False)
    entries = [transaction(0)] * 10_000
    sent = 0
    while clock.time < 10:
        count = pace.ready(entries, sent, None).entries
        pace.sent(count)
        sent += count
        clock.time += 0.01
    assert 990 <= sent <= 1010


def test_after_a_halt_a_rate_is_not_caught_up_at_once() -> None:
    clock = SetClock()
    pace = Pace(clock, 1000, None, is_live=False)
    clock.time = 60
    assert pace.ready([transaction(0)] * 10_000, 0, None).entries == 1000 * BURST_SECONDS


def test_a_rate_below_one_a_second_still_sends() -> None:
    clock = SetClock()
    pace = Pace(clock, 0.5, None, is_live=False)
    assert pace.ready([transaction(0)], 0, None).entries == 1
    pace.sent(1)
    clock.time = 1.9
    assert pace.ready([transaction(0)], 0, None).entries == 0
    clock.time = 2.1
    assert pace.ready([transaction(0)], 0, None).entries == 1


def test_a_speed_sends_what_would_have_happened_by_now_and_tells_when_the_next_is_due() -> None:
    clock = SetClock()
    pace = Pace(clock, None, 10, is_live=False)
    entries = [transaction(0), transaction(5), label(10), transaction(20)]
    assert pace.ready(entries, 0, None) == (1, pytest.approx(0.5))
    clock.time = 1.0
    assert pace.ready(entries, 1, None) == (2, pytest.approx(1.0))


def test_a_speed_catches_up_and_says_how_far_behind_it_is() -> None:
    clock = SetClock()
    pace = Pace(clock, None, 10, is_live=False)
    entries = [transaction(0), transaction(5), transaction(10)]
    pace.ready(entries, 0, None)
    clock.time = 6.0
    assert pace.ready(entries, 1, None).entries == 2
    assert pace.behind == pytest.approx(5.5)


def test_live_nothing_goes_before_its_time() -> None:
    clock = SetClock(START + 5 * SECOND)
    pace = Pace(clock, None, None, is_live=True)
    entries = [transaction(0), transaction(5), transaction(9)]
    assert pace.ready(entries, 0, None) == (2, pytest.approx(4.0))
    clock.time = 4.0
    assert pace.ready(entries, 2, None).entries == 1
