"""Parquet as pandas 2 and 3, polars, DuckDB and Spark write it: a row means the same in every physical type."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from risk.dataset import open_dataset
from risk.dataset.kinds import open_source
from risk.errors import DatasetError
from risk.events import Transaction
from tests.datasets import whole, written
from trainer.inspection.command import look

ROWS = 240
START = datetime(2024, 3, 1, 8, tzinfo=UTC)
Made = Callable[[pa.Array], pa.Array]


def rows() -> pa.Table:
    """As the plainest types have it, with what is missing and what is refused among it."""
    places = list(range(ROWS))
    amounts: list[float | None] = [round(1 + 7.25 * (one % 40), 2) for one in places]
    amounts[5], amounts[6] = None, -3.5
    customers: list[str | None] = [str(1_000 + one % 30) for one in places]
    customers[9] = None
    ages: list[float | None] = [18.0 + one % 50 for one in places]
    ages[11] = None
    channels: list[str | None] = [("web", "Bürgerbüro", "app")[one % 3] for one in places]
    channels[13] = None
    return pa.table(
        {
            "transaction_id": pa.array([f"T{one}" for one in places]),
            "event_time": pa.array([START + timedelta(minutes=17 * one) for one in places], pa.timestamp("us", "UTC")),
            "customer_id": pa.array(customers),
            "merchant_id": pa.array([f"M{one % 11}" for one in places]),
            "amount": pa.array(amounts, pa.float64()),
            "currency": pa.array(["EUR"] * ROWS),
            "channel": pa.array(channels),
            "age": pa.array(ages, pa.float64()),
            "is_fraud": pa.array([one % 12 == 0 for one in places]),
        }
    )


def cast(type_: pa.DataType) -> Made:
    return lambda array: array.cast(type_)


def as_decimal(type_: pa.DataType) -> Made:
    return lambda array: pa.array([None if v is None else Decimal(str(v)) for v in array.to_pylist()], type_)


def fixed_bytes(array: pa.Array) -> pa.Array:
    width = max(len(one) for one in array.to_pylist())
    return pa.array([one.ljust(width, "x").encode() for one in array.to_pylist()], pa.binary(width))


TEXT_COLUMNS = ("transaction_id", "customer_id", "merchant_id", "currency", "channel")
ENCODINGS = ("dictionary", "PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY")
TEXTS: dict[str, Made] = {
    "string": cast(pa.string()),
    "large_string": cast(pa.large_string()),
    "string_view": cast(pa.string_view()),
    "binary": cast(pa.binary()),
    "large_binary": cast(pa.large_binary()),
    "binary_view": lambda array: array.cast(pa.binary()).cast(pa.binary_view()),
    "dictionary": lambda array: array.dictionary_encode(),
    "dictionary of large_string": lambda array: array.cast(pa.large_string()).dictionary_encode(),
    "dictionary as polars writes it": lambda array: pc.cast(
        array.dictionary_encode(), pa.dictionary(pa.uint32(), pa.string())
    ),
    "dictionary with small indices": lambda array: pc.cast(
        array.dictionary_encode(), pa.dictionary(pa.int16(), pa.string())
    ),
}
PLAIN_TEXTS = [name for name in TEXTS if "dictionary" not in name]
CHANGES: dict[str, dict[str, Made]] = {
    **{f"texts as {name}": dict.fromkeys(TEXT_COLUMNS, made) for name, made in TEXTS.items()},
    **{
        f"time as {unit}{' without a zone' if zone is None else ' in ' + zone}": {
            "event_time": cast(pa.timestamp(unit, zone))
            if zone
            else lambda array, unit=unit: array.cast(pa.timestamp(unit, "UTC")).cast(pa.timestamp(unit))
        }
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "UTC", "America/New_York")
    },
    "time as text": {"event_time": lambda array: pc.strftime(array, "%Y-%m-%dT%H:%M:%SZ").cast(pa.large_string())},
    "customers as integers": {"customer_id": cast(pa.int64())},
    "customers as small integers": {"customer_id": cast(pa.uint16())},
    "customers as floats, as pandas 2 writes integers with a gap": {"customer_id": lambda a: a.cast(pa.float64())},
    "customers as decimals": {"customer_id": as_decimal(pa.decimal128(38, 0))},
    "customers as decimals with a scale": {"customer_id": as_decimal(pa.decimal128(20, 4))},
    "amounts as decimal32": {"amount": as_decimal(pa.decimal32(9, 2))},
    "amounts as decimal64": {"amount": as_decimal(pa.decimal64(18, 2))},
    "amounts as decimal128": {"amount": as_decimal(pa.decimal128(38, 18))},
    "amounts as decimal256": {"amount": as_decimal(pa.decimal256(60, 6))},
    "numbers as float32": {"amount": cast(pa.float32()), "age": cast(pa.float32())},
    "numbers as float16": {"amount": cast(pa.float16()), "age": cast(pa.float16())},
    "numbers as nullable integers": {"age": cast(pa.int8())},
    "numbers as unsigned": {"age": cast(pa.uint64())},
    "labels as integers": {"is_fraud": cast(pa.int64())},
    "labels as floats": {"is_fraud": lambda array: array.cast(pa.int8()).cast(pa.float64())},
    "labels as texts": {"is_fraud": lambda array: array.cast(pa.string()).cast(pa.large_string())},
    "labels as a dictionary": {"is_fraud": lambda array: array.cast(pa.string()).dictionary_encode()},
    "labels as decimals": {"is_fraud": lambda array: as_decimal(pa.decimal128(1, 0))(array.cast(pa.int8()))},
}


def changed(changes: dict[str, Made]) -> pa.Table:
    table = rows()
    columns = {name: table.column(name).combine_chunks() for name in table.column_names}
    return pa.table({name: changes.get(name, lambda same: same)(array) for name, array in columns.items()})


def saved(tmp_path: Path, table: pa.Table, name: str = "file.parquet", **how: Any) -> Path:
    path = tmp_path / name
    pq.write_table(table, path, **how)
    return path


def encoded(columns: Sequence[str], encoding: str) -> dict[str, Any]:
    """How to write these columns in one encoding."""
    if encoding == "dictionary":
        return {"use_dictionary": list(columns)}
    return {"use_dictionary": False, "column_encoding": dict.fromkeys(columns, encoding)}


def read(path: Path) -> tuple[list[Transaction], list[int], list[tuple[int, str]]]:
    dataset = open_dataset(path)
    made = whole(dataset)
    return list(made.block), made.is_fraud.tolist(), [(bad.row, bad.reason.value) for bad in dataset.bad.first]


@pytest.mark.parametrize("case", CHANGES)
def test_a_row_is_the_same_transaction_or_refused_for_the_same_reason(case: str, tmp_path: Path) -> None:
    """And `inspect` sees the same columns as the same fields."""
    plain, other = saved(tmp_path, rows(), "plain.parquet"), saved(tmp_path, changed(CHANGES[case]))
    assert read(other) == read(plain)
    seen, there = look(plain, None), look(other, None)
    assert there.proposal.column_map is not None
    assert there.proposal.fields == seen.proposal.fields
    assert there.proposal.attributes == seen.proposal.attributes
    assert there.proposal.giveaways == seen.proposal.giveaways
    assert there.found is not None
    assert seen.found is not None
    assert there.found._replace(bad=seen.found.bad) == seen.found
    assert [one.examples for one in there.looked.columns if one.name == "channel"] == [
        one.examples for one in seen.looked.columns if one.name == "channel"
    ]


@pytest.mark.parametrize("case", ["texts as large_string", "texts as dictionary of large_string", "texts as binary"])
def test_row_groups_change_nothing(case: str, tmp_path: Path) -> None:
    """Also where the rows have to be sorted."""
    backwards = list(reversed(range(ROWS)))
    plain = saved(tmp_path, rows().take(backwards), "plain.parquet")
    assert read(saved(tmp_path, changed(CHANGES[case]).take(backwards), row_group_size=50)) == read(plain)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("type_", PLAIN_TEXTS)
def test_encodings_change_nothing(encoding: str, type_: str, tmp_path: Path) -> None:
    """As DuckDB writes texts in version 2 of the format."""
    path = saved(tmp_path, changed(CHANGES[f"texts as {type_}"]), **encoded(TEXT_COLUMNS, encoding))
    assert read(path) == read(saved(tmp_path, rows(), "plain.parquet"))


@pytest.mark.parametrize(
    ("type_", "encoding"),
    [
        *product((pa.binary(), pa.large_binary(), pa.binary_view()), ENCODINGS),
        *product((pa.binary(3),), ("dictionary", "PLAIN", "DELTA_BYTE_ARRAY")),
    ],
    ids=str,
)
def test_bytes_that_are_no_text_are_read_with_escapes(type_: pa.DataType, encoding: str, tmp_path: Path) -> None:
    """In every type of bytes and every encoding; those beside them that are text stay text."""
    column = pa.array([b"\xff\xfe1", None, "\u00e9a".encode()] * (ROWS // 3), pa.binary()).cast(type_)
    table = rows().set_column(rows().column_names.index("channel"), "channel", column)
    made, _, _ = read(saved(tmp_path, table, **encoded(("channel",), encoding)))
    assert {one.channel for one in made} == {"\\xff\\xfe1", None, "\u00e9a"}


def test_spark_writes_times_as_int96(tmp_path: Path) -> None:
    """A year beyond what nanoseconds can hold is refused as out of range: it never becomes another year."""
    plain = saved(tmp_path, rows(), "plain.parquet")
    assert read(saved(tmp_path, rows(), use_deprecated_int96_timestamps=True)) == read(plain)
    far = pa.array([datetime(9999, 12, 31), datetime(2024, 3, 1)], pa.timestamp("us"))
    table = pa.table({"transaction_id": ["a", "b"], "event_time": far, "amount": [1.0, 1.0], "currency": ["EUR"] * 2})
    path = saved(tmp_path, table, "far.parquet", use_deprecated_int96_timestamps=True)
    made, _, bad = read(path)
    assert [one.transaction_id for one in made] == ["b"]
    assert bad == [(1, "time_out_of_range")]


def test_columns_that_hold_nothing_or_no_values(tmp_path: Path) -> None:
    """All null is empty; lists, structs and maps are left out, or refused in words where a map names them."""
    table = rows()
    nested = {
        "tags": pa.array([["a", "b"]] * ROWS, pa.list_(pa.string())),
        "big": pa.array([["a"]] * ROWS, pa.large_list(pa.string())),
        "place": pa.array([{"x": 1}] * ROWS),
        "more": pa.array([[("a", 1)]] * ROWS, pa.map_(pa.string(), pa.int64())),
        "vector": pa.array([[1.0, 2.0]] * ROWS, pa.list_(pa.float32(), 2)),
        "device_id": pa.nulls(ROWS),
        "nothing": pa.nulls(ROWS),
        "no_number": pa.nulls(ROWS, pa.float64()),
        "blob": pa.array([b"\xff\xfe"] * ROWS),
        "clock": pa.array([one % 86_400 for one in range(ROWS)], pa.time32("s")),
        "span": pa.array(range(ROWS), pa.duration("ns")),
    }
    for name, array in nested.items():
        table = table.append_column(name, array)
    path = saved(tmp_path, table)
    made, _, bad = read(path)
    expected, _, expected_bad = read(saved(tmp_path, rows(), "plain.parquet"))
    assert [one.transaction_id for one in made] == [one.transaction_id for one in expected]
    assert bad == expected_bad
    assert {one.device_id for one in made} == {None}
    report = look(path, None)
    assert report.proposal.column_map is not None
    assert {"tags", "place", "nothing"}.isdisjoint(one.name for one in report.proposal.attributes)
    map_file = written(
        tmp_path,
        'transaction_id = "transaction_id"\nevent_time = "event_time"\ncurrency = "currency"\nchannel = "tags"',
        "map.toml",
    )
    with pytest.raises(DatasetError, match=r"the column 'tags' is list<.*expected a plain type. Flatten it"):
        look(path, map_file)


def test_ids_of_duckdb_are_read_as_people_write_them(tmp_path: Path) -> None:
    """A UUID is 16 bytes with a name on it."""
    ids = [f"00000000-0000-4000-8000-{one:012x}" for one in range(ROWS)]
    table = rows().set_column(
        0, "transaction_id", pa.array([bytes.fromhex(one.replace("-", "")) for one in ids], pa.uuid())
    )
    made, _, _ = read(saved(tmp_path, table))
    assert made[0].transaction_id == ids[0]


def test_text_that_is_no_text_is_refused_with_its_column(tmp_path: Path) -> None:
    """A writer that says UTF-8 and lies."""
    lie = pa.array([b"H\xe4ndler"] * ROWS)
    lie = pa.Array.from_buffers(pa.string(), ROWS, lie.buffers())
    path = saved(tmp_path, rows().set_column(3, "merchant_id", lie))
    with pytest.raises(DatasetError, match="the column 'merchant_id' is not UTF-8"):
        whole(open_dataset(path))


INFINITE = {
    "timestamp[ms]": (pa.timestamp("ms"), 2**62, f"{2**62} ms since 1970"),
    "timestamp[us], as DuckDB writes infinity": (pa.timestamp("us", "UTC"), 2**63 - 1, f"{2**63 - 1} us since 1970"),
    "date": (pa.date32(), 2**31 - 1, f"{2**31 - 1} days since 1970"),
}


@pytest.mark.parametrize("name", INFINITE)
@pytest.mark.parametrize("column", ["event_time", "is_fraud", "amount", "currency", "age"])
def test_a_moment_that_python_has_no_year_for_is_a_bad_row_like_others(name: str, column: str, tmp_path: Path) -> None:
    type_, far, words = INFINITE[name]
    table = rows()
    moments = [far, *([19_700] * (ROWS - 1))] if pa.types.is_date(type_) else [far, *([None] * (ROWS - 1))]
    array = pa.array(moments, pa.int32() if pa.types.is_date(type_) else pa.int64()).cast(type_)
    path = saved(tmp_path, table.set_column(table.column_names.index(column), column, array))
    dataset = open_dataset(path)
    whole(dataset)
    assert words in dataset.bad.first[0].values.get(column, words)
    assert look(path, None).looked.rows == ROWS


def test_a_zone_that_nobody_knows_is_utc_in_which_its_numbers_count(tmp_path: Path) -> None:
    table = rows()
    times = table.column("event_time").combine_chunks()
    path = saved(tmp_path, table.set_column(1, "event_time", times.cast(pa.timestamp("us", "Mars/Base"))))
    assert read(path) == read(saved(tmp_path, table, "plain.parquet"))
    assert look(path, None).found is not None


def test_two_columns_of_one_name_are_refused_where_they_are_read(tmp_path: Path) -> None:
    table = rows()
    path = saved(
        tmp_path, pa.Table.from_arrays([*table.columns, table.column("amount")], [*table.column_names, "amount"])
    )
    with pytest.raises(DatasetError, match="the column 'amount' is there twice"):
        whole(open_dataset(path))


def test_a_folder_of_part_files_is_read_as_one_file(tmp_path: Path) -> None:
    """As Spark writes it, with its marks and checksums beside."""
    folder = tmp_path / "spark.parquet"
    folder.mkdir()
    table = changed(CHANGES["texts as dictionary"])
    saved(folder, table.slice(0, 100), "part-00000-c1-c000.snappy.parquet")
    saved(folder, rows().slice(100), "part-00001-c1-c000.snappy.parquet")
    (folder / "_SUCCESS").touch()
    (folder / ".part-00000-c1-c000.snappy.parquet.crc").write_bytes(b"crc")
    assert read(folder) == read(saved(tmp_path, rows(), "plain.parquet"))
    assert look(folder, None).found is not None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("day=1/part.parquet", "holds the folder day=1: expected CSV, Parquet or NDJSON files alone"),
        ("book.xlsx", "holds book.xlsx: expected CSV, Parquet or NDJSON files alone"),
        ("_SUCCESS", "is a folder without CSV, Parquet or NDJSON files"),
    ],
)
def test_other_folders_are_refused_with_what_to_do(name: str, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).touch()
    with pytest.raises(DatasetError, match=message):
        open_source(folder)


def test_parts_must_have_the_same_columns(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    saved(folder, rows(), "a.parquet")
    saved(folder, rows().drop_columns(["age"]), "b.parquet")
    with pytest.raises(DatasetError, match=r"the column 'age' is not there: expected double, as in a\.parquet"):
        open_source(folder)
