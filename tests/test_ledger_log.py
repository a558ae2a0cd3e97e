"""The ledger's log: a day is whole when an end mark finds all its parts, and the first whole one counts."""

import msgspec
import pytest

from risk import ledger_log
from risk.ledger_day import LedgerDay
from risk.ledger_log import DayReader, messages_of

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
    assert len(messages_of(day, 1)) == 4
    assert read(DayReader(), messages_of(day, 1)) == [day]
    monkeypatch.setattr(ledger_log, "TEXT_OF_PART", 50)
    values = messages_of(closed(merchants=100), 1)
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
    values = [messages_of(closed(day), 1) for day in (DAY, DAY + 2, DAY - 1, DAY + 1)]
    assert [day.day for value in values for day in read(reader, value)] == [DAY, DAY + 1]


def test_other_delays_have_a_ledger_of_their_own() -> None:
    reader = DayReader()
    values = messages_of(closed(), 1) + messages_of(closed(DAY - 3, delay=9), 1)
    assert [(day.day, day.label_delay_days) for day in read(reader, values)] == [(DAY, 7), (DAY - 3, 9)]


def test_a_reader_that_knows_the_days_up_to_one_reads_on_from_there() -> None:
    reader = DayReader()
    reader.know(7, 3_600_000, DAY)
    assert read(reader, messages_of(closed(), 1) + messages_of(closed(DAY + 1), 1)) == [closed(DAY + 1)]


def test_it_is_resumed_where_parts_of_an_open_day_lie() -> None:
    """Behind a whole day, and never behind a part whose end mark is still to come."""
    reader = DayReader()
    read(reader, messages_of(closed(), 1), first=10)
    assert reader.resume_at == 12
    read(reader, messages_of(closed(DAY + 1), 1)[:1], first=12)
    assert reader.resume_at == 12
    read(reader, messages_of(closed(DAY + 1), 1), first=13)
    assert reader.resume_at == 15


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"{}", b'{"kind":"end"}', b"[1]"])
def test_what_cannot_be_read_is_counted_and_passed(value: bytes | None) -> None:
    reader = DayReader()
    assert reader.read(3, value) is None
    assert (reader.unreadable, reader.resume_at) == (1, 4)


def test_a_part_that_was_changed_does_not_make_a_day() -> None:
    part, end = messages_of(closed(), 1)
    changed = msgspec.json.decode(part)
    changed["frauds"][0] = 9
    reader = DayReader()
    assert read(reader, [msgspec.json.encode(changed), end]) == []
