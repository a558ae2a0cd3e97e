"""Times and amounts as people and machines write them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from risk.dataset import open_dataset
from risk.dataset.column_map import TimeColumn
from risk.dataset.times import as_times
from risk.events import RejectReason
from tests.datasets import NOON, ids, least_map, times_of, whole, written

# times


@pytest.mark.parametrize("event_time", ['"t"', '{ column = "t" }'])
def test_times_need_no_format_where_they_are_iso(tmp_path: Path, event_time: str) -> None:
    """RFC 3339 with any zone, ISO without one is UTC, a date is midnight; finer than a millisecond is cut off."""
    good, bad = times_of(
        tmp_path, event_time, "2024-01-31T10:00:00Z", "2024-01-31T10:00:00.123Z", "2024-01-31T10:00:00.123999+02:00",
        "2024-01-31 10:00:00", "2024-01-31T10:00", "2024-01-31", "2024-01-31 10:00:00.1234567", " 2024-01-31 ",
        "31.01.2024", "2024-02-30", "noon", "1706695200",
    )  # fmt: skip
    assert good == [
        "2024-01-31T10:00:00Z", "2024-01-31T10:00:00.123Z", "2024-01-31T08:00:00.123Z", "2024-01-31T10:00:00Z",
        "2024-01-31T10:00:00Z", "2024-01-31T00:00:00Z", "2024-01-31T10:00:00.123Z", "2024-01-31T00:00:00Z",
    ]  # fmt: skip
    assert [reason for reason, _ in bad] == [RejectReason.BAD_TIME] * 4
    assert (
        bad[0][1] == "event_time: got '31.01.2024', expected a time such as 2024-01-31T10:00:00Z or 2024-01-31 10:00:00"
    )


@pytest.mark.parametrize(
    "value", ["2024-01-31T10:00:00Z", "2024-01-31 10:00:00.5", "2024-01-31", "2024-01-31T10:00:00+01:00"]
)
def test_a_time_means_the_same_beside_any_neighbour(tmp_path: Path, value: str) -> None:
    """The quick way through a whole column and the slow one through its rows agree."""
    alone, _ = times_of(tmp_path, '"t"', value)
    beside, _ = times_of(tmp_path, '"t"', value, "nonsense")
    assert alone == beside
    assert len(alone) == 1


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("%d/%m/%Y %H:%M", "02/03/2024 04:05", "2024-03-02T04:05:00Z"),
        ("%Y-%m-%d %H:%M:%S.%f", "2024-03-02 04:05:06.789", "2024-03-02T04:05:06.789Z"),
        ("%m/%d/%y %I:%M %p", "03/02/24 04:05 PM", "2024-03-02T16:05:00Z"),
        ("%Y%m%d%H%M%S%z", "20240302040506+0200", "2024-03-02T02:05:06Z"),
        ("%d %b %Y", "02 Mar 2024", "2024-03-02T00:00:00Z"),
    ],
)
def test_times_with_a_format(tmp_path: Path, pattern: str, value: str, expected: str) -> None:
    """What does not fit the format is a bad row."""
    good, bad = times_of(tmp_path, f'{{ column = "t", format = "{pattern}" }}', value, "2024-03-02T04:05:06Z")
    assert good == [expected]
    assert bad[0][0] is RejectReason.BAD_TIME
    assert f"a time in the format {pattern}" in bad[0][1]


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        ('unit = "seconds"', "1704110400", "2024-01-01T12:00:00Z"),
        ('unit = "seconds"', "1704110400.25", "2024-01-01T12:00:00.250Z"),
        ('unit = "seconds"', "1.7041104e9", "2024-01-01T12:00:00Z"),
        ('unit = "seconds"', "1700000000.9996", "2023-11-14T22:13:20.999Z"),
        ('unit = "seconds"', "1700000000.999999999999999999", "2023-11-14T22:13:20.999Z"),
        ('unit = "seconds"', "+1.7000000009999e9", "2023-11-14T22:13:20.999Z"),
        ('unit = "seconds"', "17000000009999e-4", "2023-11-14T22:13:20.999Z"),
        ('unit = "milliseconds"', "1704110400250.9", "2024-01-01T12:00:00.250Z"),
        ('unit = "seconds", origin = "2024-01-01"', "-.0001", "2023-12-31T23:59:59.999Z"),
        ('unit = "seconds", origin = "2024-01-01"', "1e-99", "2024-01-01T00:00:00Z"),
        ('unit = "milliseconds"', "1704110400250", "2024-01-01T12:00:00.250Z"),
        ('unit = "microseconds"', "1704110400250999", "2024-01-01T12:00:00.250Z"),
        ('unit = "nanoseconds"', "1704110400250999999", "2024-01-01T12:00:00.250Z"),
        ('unit = "hours", origin = "2024-01-01"', "12", "2024-01-01T12:00:00Z"),
        ('unit = "hours", origin = "2024-01-01"', "0.5", "2024-01-01T00:30:00Z"),
        ('unit = "minutes", origin = "2024-01-01T06:00:00Z"', "-30", "2024-01-01T05:30:00Z"),
        ('unit = "days", origin = "2024-01-01"', "366", "2025-01-01T00:00:00Z"),
        ('unit = "seconds", origin = "2024-01-01"', "0.0", "2024-01-01T00:00:00Z"),
    ],
)
def test_times_as_numbers(tmp_path: Path, form: str, value: str, expected: str) -> None:
    """Alone and beside what is no number, which is a bad row."""
    event_time = f'{{ column = "t", {form} }}'
    assert times_of(tmp_path, event_time, value) == ([expected], [])
    good, bad = times_of(tmp_path, event_time, value, "0x10", "soon", "1_0", "nan", ".", "1.e", "+")
    assert good == [expected]
    assert [reason for reason, _ in bad] == [RejectReason.BAD_TIME] * 7


def test_seconds_as_float64_keep_their_milliseconds(tmp_path: Path) -> None:
    """A float64 is the shortest decimal that is nearest to it; what that has beyond the millisecond is cut off."""
    milliseconds = [NOON + 86_399_987 * i + i for i in range(2_000)]
    table = pa.table({"id": [f"{ms}" for ms in milliseconds], "t": [ms / 1000 for ms in milliseconds]})
    pq.write_table(table, tmp_path / "file.parquet")
    rows = whole(open_dataset(tmp_path / "file.parquet", least_map('{ column = "t", unit = "seconds" }')))
    assert [one.event_time for one in rows.block] == milliseconds
    finer = pa.array([1_700_000_000.9996, 1_700_000_000.0009, 1_700_000_000.001])
    times = as_times(finer, TimeColumn("t", unit="seconds"), "event_time", {})
    assert times.tolist() == [1_700_000_000_999, 1_700_000_000_000, 1_700_000_000_001]


def test_hexadecimal_is_no_number_even_alone(tmp_path: Path) -> None:
    """Some libraries read it as one."""
    _, bad = times_of(tmp_path, '{ column = "t", unit = "days", origin = "2024-01-01" }', "0x10")
    assert [reason for reason, _ in bad] == [RejectReason.BAD_TIME]


def test_times_that_cannot_be_are_bad_rows(tmp_path: Path) -> None:
    """Missing, before 1990, after 2200, or beyond any number."""
    event_time = '{ column = "t", unit = "seconds" }'
    good, bad = times_of(tmp_path, event_time, "", "5", "1704110400000", "9" * 30, "-" + "9" * 18, "1e400", "9e-9999")
    assert good == []
    assert sorted(reason for reason, _ in bad) == [RejectReason.MISSING_FIELD] + [RejectReason.TIME_OUT_OF_RANGE] * 6
    _, bad = times_of(tmp_path, '"t"', "1989-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "9999-01-01")
    assert [reason for reason, _ in bad] == [RejectReason.TIME_OUT_OF_RANGE] * 3


def test_a_number_of_more_characters_than_any_time_is_none(tmp_path: Path) -> None:
    """Without working on its digits."""
    _, bad = times_of(tmp_path, '{ column = "t", unit = "seconds" }', "1704110400." + "0" * 30, "9" * 10_000)
    assert [reason for reason, _ in bad] == [RejectReason.BAD_TIME] * 2


def test_a_bad_labelled_at_makes_the_row_bad(tmp_path: Path) -> None:
    """It is checked like the event's own time."""
    path = written(tmp_path, "id,t,f,k\na,2024-01-01,1,soon\nb,2024-01-01,1,1970-01-01\nc,2024-01-01,1,2024-01-02\n")
    dataset = open_dataset(path, least_map(more='is_fraud = "f"\nlabelled_at = "k"'))
    assert ids(dataset) == ["c"]
    assert [bad.reason for bad in dataset.bad.first] == [RejectReason.BAD_TIME, RejectReason.TIME_OUT_OF_RANGE]
    assert all(bad.detail.startswith("labelled_at: got") for bad in dataset.bad.first)


# amounts


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("12.34", 1234), ("0", 0), ("1e2", 10_000), (".5", 50), ("+3", 300), (" 7.10 ", 710), ("$1,234.50", 123_450),
        ("€ 1,234,567", 123_456_700), ("9.99 £", 999), ("", None), ("NA", None), ("null", None), ("0.1", 10),
    ],
)  # fmt: skip
def test_amounts_as_people_write_them(tmp_path: Path, text: str, minor: int | None) -> None:
    """The same alone and beside what is none."""
    for neighbour in ("1", "x"):
        path = written(tmp_path, f"id\tt\ta\n1\t2024-01-01\t{text}\n2\t2024-01-01\t{neighbour}\n")
        assert whole(open_dataset(path, least_map(more='amount = "a"'))).block[0].amount == minor


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-1", RejectReason.REFUND), ("-$1.50", RejectReason.REFUND), ("$-1.50", RejectReason.REFUND),
        ("nan", RejectReason.NOT_FINITE), ("inf", RejectReason.NOT_FINITE), ("1e400", RejectReason.NOT_FINITE),
        ("1e18", RejectReason.AMOUNT_TOO_LARGE), ("12,50", RejectReason.WRONG_TYPE),
        ("1.234,50", RejectReason.WRONG_TYPE),
        ("1,2345", RejectReason.WRONG_TYPE), ("0x10", RejectReason.WRONG_TYPE), ("1_000", RejectReason.WRONG_TYPE),
        ("nan(1)", RejectReason.WRONG_TYPE),
        ("ten", RejectReason.WRONG_TYPE), ("--1", RejectReason.WRONG_TYPE), ("-$-1", RejectReason.WRONG_TYPE),
        ("$", RejectReason.WRONG_TYPE),
    ],
)  # fmt: skip
def test_amounts_that_are_refused(tmp_path: Path, text: str, reason: RejectReason) -> None:
    """A decimal comma is never taken for one of thousands."""
    path = written(tmp_path, f"id\tt\ta\n1\t2024-01-01\t{text}\n")
    dataset = open_dataset(path, least_map(more='amount = "a"'))
    assert ids(dataset) == []
    assert dataset.bad.by_reason == {reason: 1}
    assert dataset.bad.first[0].detail.startswith("amount: got")
