"""NDJSON and Parquet."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from risk.clock import DAY
from risk.dataset import Rows, open_dataset
from risk.dataset.map_file import parse_map
from risk.errors import DatasetError
from tests.datasets import NOON, ids, least_map, whole, written

# NDJSON


def test_ndjson_is_read_like_csv(tmp_path: Path) -> None:
    """Numbers, texts, booleans and null; keys that only some objects have; big integers keep all digits."""
    lines = [
        '{"id": 9007199254740993123, "t": "2024-01-01T12:00:00Z", "a": 12.5, "f": false}',
        "",
        '{"id": "two", "t": "2024-01-01T12:00:01Z", "a": "7.25", "f": 1, "late": "x"}',
        '{"id": 3.0, "t": "2024-01-01T12:00:02Z", "a": null, "f": null, "note": {"not": "read"}}',
    ]
    dataset = open_dataset(
        written(tmp_path, "\n".join(lines), "file.ndjson"),
        least_map(more='amount = "a"\nis_fraud = "f"\nchannel = "late"'),
    )
    rows = whole(dataset)
    assert dataset.columns == ["id", "t", "a", "f", "late", "note"]
    assert [(one.transaction_id, one.amount, one.channel) for one in rows.block] == [
        ("9007199254740993123", 1250, None), ("two", 725, "x"), ("3", None, None),
    ]  # fmt: skip
    assert rows.is_fraud.tolist() == [0, 1, -1]


def test_ndjson_lines_that_are_no_objects_are_bad_rows(tmp_path: Path) -> None:
    """By line, with the reason."""
    lines = [b'{"id":"a","t":"2024-01-01"}', b"", b"{broken", b"[1]", b'{"id":"b","t":"\xff"}',
             b'{"id":["b"],"t":"2024-01-01"}',
             b'{"id":"c","t":5}', b'{"id":"d"}', b'{"id":"e","t":"2024-01-01"}']  # fmt: skip
    dataset = open_dataset(written(tmp_path, b"\n".join(lines), "file.jsonl"), least_map())
    assert ids(dataset) == ["a", "e"]
    assert [(bad.row, bad.line, bad.reason.value) for bad in dataset.bad.first] == [
        (2, 3, "not_json"), (3, 4, "not_an_object"), (4, 5, "not_utf8"), (5, 6, "wrong_type"), (6, 7, "bad_time"),
        (7, 8, "missing_field"),
    ]  # fmt: skip


# Parquet


def test_parquet_types_mean_what_they_say(tmp_path: Path) -> None:
    """Integers, decimals, dictionaries, booleans, times of every unit; ids become text without a point."""
    moment = datetime(2024, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    texts = pa.array(["x", "y"])
    table = pa.table(
        {
            "whole": pa.array([1, 2**60], pa.int64()),
            "unsigned": pa.array([1, 2**64 - 1], pa.uint64()),
            "float": pa.array([1.0, None]),
            "dictionary": texts.dictionary_encode(),
            "large": texts.cast(pa.large_string()),
            "decimal": pa.array([Decimal("12.34"), None], pa.decimal128(10, 2)),
            "bool": pa.array([True, None]),
            "s": pa.array([moment.replace(microsecond=0)] * 2, pa.timestamp("s", "Europe/Berlin")),
            "ms": pa.array([moment] * 2, pa.timestamp("ms", "UTC")),
            "us": pa.array([moment.replace(tzinfo=None)] * 2, pa.timestamp("us")),
            "ns": pa.array([moment] * 2, pa.timestamp("ns", "UTC")),
            "date": pa.array([date(2024, 1, 1)] * 2, pa.date32()),
            "seconds": pa.array([1_704_110_400, 1_704_110_400], pa.int32()),
            "fraction": pa.array([1_704_110_400.25, 1_704_110_400.25]),
            "text": pa.array(["2024-01-01T12:00:00.250Z", "2024-01-01T12:00:00.250Z"]),
            "coded": pa.array([moment, moment], pa.timestamp("ms", "UTC")).dictionary_encode(),
        }
    )
    path = tmp_path / "file.parquet"
    pq.write_table(table, path, version="2.6")

    def read(event_time: str, more: str = "", identity: str = "whole") -> Rows:
        made = f'transaction_id = "{identity}"\nevent_time = {event_time}\ncurrency = {{ constant = "EUR" }}\n{more}'
        return whole(open_dataset(path, parse_map(made)))

    for column, expected in {
        '"s"': NOON, '"ms"': NOON + 250, '"us"': NOON + 250, '"ns"': NOON + 250, '"date"': NOON - DAY // 2,
        '"text"': NOON + 250, '"coded"': NOON + 250,
        '{ column = "seconds", unit = "seconds" }': NOON, '{ column = "fraction", unit = "seconds" }': NOON + 250,
    }.items():  # fmt: skip
        assert [one.event_time for one in read(column).block] == [expected] * 2, column
    for column, expected_ids in {
        "whole": ["1", str(2**60)], "unsigned": ["1", str(2**64 - 1)], "dictionary": ["x", "y"], "large": ["x", "y"],
        "float": ["1"],
    }.items():  # fmt: skip
        assert [one.transaction_id for one in read('"ms"', identity=column).block] == expected_ids, column
    rows = read(
        '"ms"', 'amount = "decimal"\nis_fraud = "bool"\n[attributes]\nunsigned = "number"\ndictionary = "category"'
    )
    assert [one.amount for one in rows.block] == [1234, None]
    assert rows.is_fraud.tolist() == [1, -1]
    assert rows.block[0].attributes == {"unsigned": 1.0, "dictionary": "x"}


def test_parquet_columns_of_a_wrong_type_are_an_error_at_once(tmp_path: Path) -> None:
    """With the key of the map and the advice."""
    path = tmp_path / "file.parquet"
    table = pa.table({"id": ["a"], "t": pa.array([5]), "m": pa.array([NOON]).cast(pa.timestamp("ms")), "l": [[1]]})
    pq.write_table(table, path)
    with pytest.raises(DatasetError, match="event_time reads the column 't' of type int64: expected a unit beside it"):
        open_dataset(path, least_map())
    with pytest.raises(DatasetError, match="expected neither unit nor format"):
        open_dataset(path, least_map('{ column = "m", unit = "days" }'))
    with pytest.raises(DatasetError, match=r"the column 'l' is list<.*expected a plain type"):
        list(open_dataset(path, least_map('"m"', 'channel = "l"')).rows())


def test_parquet_bad_rows_have_a_row_and_no_line(tmp_path: Path) -> None:
    """A NaN amount is nonsense, a missing one is not; a NaN attribute is missing."""
    path = tmp_path / "file.parquet"
    nan = float("nan")
    table = pa.table(
        {
            "id": ["a", "b", None],
            "t": pa.array([NOON] * 3).cast(pa.timestamp("ms")),
            "a": [nan, None, 1.0],
            "n": [1, nan, 2],
        }
    )
    pq.write_table(table, path)
    dataset = open_dataset(path, least_map(more='amount = "a"\nattributes = { n = "number" }'))
    assert [(one.transaction_id, one.amount, one.attributes) for one in whole(dataset).block] == [("b", None, {})]
    assert [(bad.row, bad.line, bad.reason.value) for bad in dataset.bad.first] == [
        (1, None, "not_finite"), (3, None, "missing_field"),
    ]  # fmt: skip


def test_an_unsorted_parquet_file_is_sorted_across_row_groups(tmp_path: Path) -> None:
    """Dictionaries of different row groups too."""
    path = tmp_path / "file.parquet"
    times = [5, 3, 4, 1, 5, 2]
    table = pa.table({"id": pa.array([f"{i}" for i in range(6)]).dictionary_encode(), "t": pa.array(times)})
    pq.write_table(table, path, row_group_size=2)
    dataset = open_dataset(path, least_map('{ column = "t", unit = "days", origin = "2024-01-01" }'), scratch=tmp_path)
    assert ids(dataset) == ["3", "5", "1", "2", "0", "4"]
