"""The ledger's log: a day is whole when an end mark finds all its parts, and the first whole one counts."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk import ledger_log
from risk.ledger_day import LedgerDay, LedgerTerms
from risk.ledger_log import LARGEST_MESSAGE, LONGEST_DAY, DayReader, messages_of

DAY = 19_000


def closed(day: int = DAY, *, merchants: int = 3, frauds: int = 0, delay: int = 7) -> LedgerDay:
    names = tuple(f"m{number:05}" for number in range(merchants))
    return LedgerDay(
        day, delay, 3_600_000, names, (day * 86_400_000,) * merchants, (2,) * merchants, (frauds,) * merchants
    )


def read(reader: DayReader, values: list[bytes], first: int = 0) -> list[LedgerDay]:
    days = [reader.read(offset, value) for offset, value in enumerate(values, first)]
    return [day.closed for day in days if day is not None]


def test_what_is_written_is_read() -> None:
    day = closed()
    reader = DayReader()
    [found] = [d for value in messages_of(day, 9) if (d := reader.read(7, value)) is not None]
    assert found == (day, 9, 7)


def test_a_day_without_rows_is_a_day() -> None:
    assert read(DayReader(), messages_of(closed(merchants=0), 0)) == [closed(merchants=0)]


def test_a_long_day_goes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No message may grow with the number of merchants, nor with the length of their names."""
    day = closed(merchants=12_001)
    assert len(messages_of(day, 99_999)) == 4
    assert read(DayReader(), messages_of(day, 99_999)) == [day]
    monkeypatch.setattr(ledger_log, "TEXT_OF_PART", 50)
    values = messages_of(closed(merchants=100), 99_999)
    assert len(values) > 10
    assert read(DayReader(), values) == [closed(merchants=100)]


def test_the_first_whole_day_counts() -> None:
    reader = DayReader()
    assert read(reader, messages_of(closed(frauds=1), 9) + messages_of(closed(frauds=2), 9)) == [closed(frauds=1)]


def test_two_keepers_whose_messages_lie_between_each_other_are_not_mixed_up() -> None:
    """The day whose end mark comes first counts, with its own parts."""
    one, other = messages_of(closed(frauds=1), 9), messages_of(closed(frauds=2), 9)
    assert read(DayReader(), [one[0], other[0], other[1], one[1]]) == [closed(frauds=2)]


def test_an_end_mark_without_its_parts_closes_nothing() -> None:
    reader = DayReader()
    assert read(reader, [messages_of(closed(), 9)[-1]]) == []
    assert reader.unreadable == 1


def test_only_the_next_day_counts() -> None:
    """Neither a day that is over nor one that leaves a gap."""
    reader = DayReader()
    values = [messages_of(closed(day), 99_999) for day in (DAY, DAY + 2, DAY - 1, DAY + 1)]
    assert [day.day for n, value in enumerate(values) for day in read(reader, value, 2 * n)] == [DAY, DAY + 1]


def test_other_delays_have_a_ledger_of_their_own() -> None:
    reader = DayReader()
    values = messages_of(closed(), 9) + messages_of(closed(DAY - 3, delay=9), 9)
    assert [(day.day, day.label_delay_days) for day in read(reader, values)] == [(DAY, 7), (DAY - 3, 9)]


def test_a_reader_that_knows_the_days_up_to_one_reads_on_from_there() -> None:
    reader = DayReader()
    reader.know(LedgerTerms(7, 3_600_000), DAY, -1)
    assert read(reader, messages_of(closed(), 99_999) + messages_of(closed(DAY + 1), 99_999)) == [closed(DAY + 1)]


def test_it_is_resumed_where_parts_of_an_open_day_lie() -> None:
    """Behind a whole day, and never behind a part whose end mark is still to come."""
    reader = DayReader()
    read(reader, messages_of(closed(), 99_999), first=10)
    assert reader.resume_at == 12
    read(reader, messages_of(closed(DAY + 1), 99_999)[:1], first=12)
    assert reader.resume_at == 12
    read(reader, messages_of(closed(DAY + 1), 99_999), first=13)
    assert reader.resume_at == 15


@pytest.mark.parametrize("between", [LONGEST_DAY - 2, LONGEST_DAY - 1])
def test_parts_without_an_end_mark_are_forgotten(between: int) -> None:
    """By every reader at the same message, so that all come to the same days; or they would stay for ever."""
    part, end = messages_of(closed(), 9)
    values = [part, *[b"no day"] * between, end]
    reader, late = DayReader(), DayReader()
    found = read(reader, values)
    assert found == ([closed()] if between < LONGEST_DAY - 1 else [])
    assert reader.resume_at == len(values)
    assert read(late, values[1:], first=1) == []


def test_parts_of_days_that_never_end_stay_for_a_while_only() -> None:
    reader = DayReader()
    read(reader, [messages_of(closed(delay=33, frauds=n % 3, merchants=n + 1), 9)[0] for n in range(50)])
    assert reader.resume_at == 0
    days = [message for n in range(LONGEST_DAY) for message in messages_of(closed(DAY + n), 9)]
    assert len(read(reader, days, first=50)) == LONGEST_DAY
    assert (reader.resume_at, reader.unreadable) == (50 + len(days), 50)


@pytest.mark.parametrize(
    "value",
    [None, b"", b"\xff", b"{}", b'{"kind":"end"}', b"[1]", b'{"kind":' * 50_000],
    ids=lambda raw: repr(raw)[:20],
)
def test_what_cannot_be_read_is_counted_and_passed(value: bytes | None) -> None:
    reader = DayReader()
    assert reader.read(3, value) is None
    assert (reader.unreadable, reader.resume_at) == (1, 4)


def test_a_part_that_was_changed_does_not_make_a_day() -> None:
    part, end = messages_of(closed(), 99_999)
    changed = msgspec.json.decode(part)
    changed["frauds"][0] = 9
    reader = DayReader()
    assert read(reader, [msgspec.json.encode(changed), end]) == []


@pytest.mark.parametrize("more", [0, 1])
def test_a_part_is_read_up_to_the_largest_that_a_keeper_can_send(more: int) -> None:
    part, end = messages_of(closed(), 9)
    padded = part + b" " * (LARGEST_MESSAGE - len(part) + more)
    reader = DayReader()
    assert read(reader, [padded, end]) == ([] if more else [closed()])
    assert reader.unreadable == 2 * more


HUGE = 10**30


@pytest.mark.parametrize(
    "change",
    [
        {"label_delay_days": HUGE},
        {"bucket_ms": -1},
        {"part": HUGE},
        {"buckets": [HUGE, 2, 3]},
        {"transactions": [1, -HUGE, 1]},
        {"frauds": [0, 0]},
        {"label_delay_days": 366},
        {"bucket_ms": 7_000},
        {"day": "0001-01-01"},
        {"day": "9999-12-31"},
        {"buckets": [DAY * 86_400_000 - 3_600_000, DAY * 86_400_000, DAY * 86_400_000]},
        {"buckets": [(DAY + 1) * 86_400_000] * 3},
        {"buckets": [DAY * 86_400_000 + 1] * 3},
        {"transactions": [2, 0, 2]},
        {"frauds": [0, 0, -1]},
        {"frauds": [0, 3, 0]},
    ],
    ids=str,
)
def test_a_part_that_no_keeper_wrote_is_counted_and_passed(change: dict[str, object]) -> None:
    part, _ = messages_of(closed(), 99_999)
    changed = json.dumps({**msgspec.json.decode(part), **change}).encode()
    reader = DayReader()
    assert reader.read(4, changed) is None
    assert reader.unreadable == 1


@pytest.mark.parametrize(
    "change",
    [{"parts": 10**18}, {"parts": HUGE}, {"parts": -1}, {"transactions": HUGE}, {"transactions": 5}, {"rows": 2}],
    ids=str,
)
def test_an_end_of_impossible_numbers_is_counted_and_passed(change: dict[str, object]) -> None:
    part, end = messages_of(closed(), 99_999)
    changed = json.dumps({**msgspec.json.decode(end), **change}).encode()
    reader = DayReader()
    assert read(reader, [part, changed]) == []
    assert reader.unreadable == 1
    assert read(reader, [end], first=2) == [closed()]


@pytest.mark.parametrize("names", [("m2", "m1"), ("m1", "m1")])
def test_a_day_whose_rows_are_not_in_order_is_counted_and_passed(names: tuple[str, str]) -> None:
    """The store has one row for each merchant and bucket; a stranger can compute a digest, too."""
    day = LedgerDay(DAY, 7, 3_600_000, names, (DAY * 86_400_000,) * 2, (1, 1), (0, 0))
    reader = DayReader()
    assert read(reader, messages_of(day, 2)) == []
    assert reader.unreadable == 1


def whole(values: list[bytes], starts: int) -> list[LedgerDay]:
    """What a reader comes to that is started so often, each time from what a store has of the one before."""
    found: list[LedgerDay] = []
    known: dict[LedgerTerms, tuple[int, int]] = {}
    first = 0
    for last in [*range(len(values) - starts, len(values)), len(values)]:
        reader = DayReader()
        for terms, (newest, offset) in known.items():
            reader.know(terms, newest, offset)
        resume_at = first
        for place in range(first, last):
            if (day := reader.read(place, values[place])) is not None:
                found.append(day.closed)
                known[day.closed.terms] = day.closed.day, day.offset
                resume_at = reader.resume_at
        first = resume_at
    return found


POOL = [
    message
    for day in range(DAY, DAY + 3)
    for frauds in (1, 2)
    for delay in (7, 9)
    for message in messages_of(closed(day, frauds=frauds, delay=delay), 9)
]


@given(st.lists(st.sampled_from(POOL), max_size=30), st.integers(1, 4))
def test_a_reader_that_is_started_again_comes_to_the_same_days(values: list[bytes], starts: int) -> None:
    """Though a stranger may write any day at any time, and leave parts without their end."""
    assert whole(values, min(starts, len(values))) == whole(values, 0)


def test_what_was_passed_over_is_passed_over_after_a_start() -> None:
    """A whole day that came before its turn, behind a part of another ledger that never ends."""
    open_part = messages_of(closed(DAY, delay=9), 9)[0]
    zero, early, one, two = (messages_of(closed(DAY + n, frauds=f), 9) for n, f in ((0, 0), (2, 2), (1, 0), (2, 1)))
    values = [open_part, *zero, *early, *one, *two]
    assert whole(values, 2) == whole(values, 0) == [closed(DAY), closed(DAY + 1), closed(DAY + 2, frauds=1)]


NUMBERS = st.integers(-5, 5) | st.integers() | st.just(10**25)
MESSAGES = st.fixed_dictionaries(
    {"kind": st.sampled_from(["part", "end"])},
    optional={
        "day": st.dates().map(str) | st.text(max_size=4),
        "digest": st.text(max_size=4),
        "merchants": st.lists(st.text(st.characters(), max_size=3), max_size=3),
        **dict.fromkeys(("label_delay_days", "bucket_ms", "part", "parts", "rows"), NUMBERS),
        **{name: st.lists(NUMBERS, max_size=3) for name in ("buckets", "frauds")},
        "transactions": NUMBERS | st.lists(NUMBERS, max_size=3),
    },
)


@given(st.lists(MESSAGES.map(lambda message: json.dumps(message).encode()) | st.binary(max_size=30), max_size=6))
def test_no_message_of_a_stranger_raises(values: list[bytes]) -> None:
    assert read(DayReader(), values) == []
