"""Decimal commas, labels in words of the file's own, times in two columns; and which bad rows are kept."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from risk.clock import to_text
from risk.dataset import open_dataset
from risk.dataset.labels_file import read_labels_file
from risk.errors import DatasetError
from risk.events import RejectReason
from tests.datasets import ids, least_map, own_rows, whole, written

COMMA = 'amount = { column = "a", decimal = "," }'
JOINED = '{ columns = ["t", "u"], format = "%d.%m.%Y %H:%M" }'


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("16,13", 1613), ("0,5", 50), (",5", 50), ("7", 700), ("1.234,50", 123_450), ("1.234.567", 123_456_700),
        ("1 234,5", 123_450), ("1\u202f234,5", 123_450), ("1'234,50", 123_450), ("€ 9,99", 999), ("9,99 €", 999),
        ("+3,00", 300), ("", None), ("NA", None),
    ],
)  # fmt: skip
def test_amounts_with_a_decimal_comma(tmp_path: Path, text: str, minor: int | None) -> None:
    """The same alone and beside what is none."""
    for neighbour in ("1", "x"):
        path = written(tmp_path, f"id\tt\ta\n1\t2024-01-01\t{text}\n2\t2024-01-01\t{neighbour}\n")
        assert whole(open_dataset(path, least_map(more=COMMA))).block[0].amount == minor


@pytest.mark.parametrize("text", ["1,234.50", "12.50", "1.23", "1,2,3", "1.234 567,00", "1e3", "0x1", "ten", "-€-1"])
def test_with_a_decimal_comma_a_point_parts_only_thousands(tmp_path: Path, text: str) -> None:
    """12.50 is neither 12,50 nor 1250."""
    dataset = open_dataset(written(tmp_path, f"id\tt\ta\n1\t2024-01-01\t{text}\n"), least_map(more=COMMA))
    assert ids(dataset) == []
    assert dataset.bad.by_reason == {RejectReason.WRONG_TYPE: 1}
    assert "such as 1234,50 or 1.234,50" in dataset.bad.first[0].detail


@pytest.mark.parametrize(("text", "is_comma"), [("7,60", True), ("1.234,50 €", True), ("much", False), ("7;60", False)])
def test_a_decimal_comma_without_the_map_says_the_cure(tmp_path: Path, text: str, is_comma: bool) -> None:
    """Of amounts and of attributes."""
    path = written(tmp_path, f"id|t|a|n\n1|2024-01-01|{text}|1\n2|2024-01-01|1|{text}\n")
    dataset = open_dataset(path, least_map(more='amount = "a"\nattributes = { n = "number" }'))
    assert ids(dataset) == []
    for bad, field in zip(dataset.bad.first, ("amount", "attributes.n"), strict=True):
        assert bad.detail.startswith(f"{field}: got '{text}', expected a ")
        assert (
            bad.detail.endswith('; or decimal = "," in the map, where a comma stands before the decimals') == is_comma
        )


def test_an_attribute_may_have_a_decimal_comma(tmp_path: Path) -> None:
    """And a column of numbers needs none."""
    path = written(tmp_path, "id;t;n\n1;2024-01-01;1.000,25\n2;2024-01-01;\n")
    dataset = open_dataset(path, least_map(more='attributes = { n = { kind = "number", decimal = "," } }'))
    assert [one.attributes for one in whole(dataset).block] == [{"n": 1000.25}, {}]
    typed = tmp_path / "typed.parquet"
    pd.DataFrame({"id": ["1"], "t": ["2024-01-01"], "a": [16.25]}).to_parquet(typed)
    assert whole(open_dataset(typed, least_map(more=COMMA))).block[0].amount == 1625


def test_labels_in_words_of_the_files_own(tmp_path: Path) -> None:
    """Nothing is not known, and what is in neither list makes the row bad: also what is usual elsewhere."""
    path = written(
        tmp_path, "id,t,f\n" + "".join(f"{i},2024-01-01,{f}\n" for i, f in enumerate(["ja", " nein", "", "1"]))
    )
    made = least_map(more='is_fraud = { column = "f", fraud = ["ja"], genuine = ["nein"] }')
    dataset = open_dataset(path, made)
    assert whole(dataset).is_fraud.tolist() == [1, 0, -1]
    assert [bad.detail for bad in dataset.bad.first] == ["is_fraud: got '1', expected ja, nein or nothing"]
    typed = tmp_path / "typed.parquet"
    pd.DataFrame({"id": ["a", "b"], "t": "2024-01-01", "f": [1.0, -1.0]}).to_parquet(typed)
    made = least_map(more='is_fraud = { column = "f", fraud = [1], genuine = [-1] }')
    assert whole(open_dataset(typed, made)).is_fraud.tolist() == [1, 0]


def test_a_date_and_a_time_of_day_in_two_columns(tmp_path: Path) -> None:
    """They are one time; half a time is a bad row, none a missing one; the file is sorted by both."""
    path = written(
        tmp_path, "id,t,u\n1,31.01.2024,14:05\n2,31.01.2024,9:30\n3,31.01.2024,\n4,,10:00\n5,,\n6,01.01.1980,10:00\n"
    )
    dataset = open_dataset(path, least_map(JOINED))
    made = list(whole(dataset).block)
    assert [(one.transaction_id, to_text(one.event_time)) for one in made] == [
        ("2", "2024-01-31T09:30:00Z"),
        ("1", "2024-01-31T14:05:00Z"),
    ]
    assert [(bad.row, bad.reason.value) for bad in dataset.bad.first] == [
        (3, "bad_time"), (4, "bad_time"), (5, "missing_field"), (6, "time_out_of_range"),
    ]  # fmt: skip
    assert [dataset.bad.first[place].detail.split(",")[0] for place in (0, 3)] == [
        "event_time: got '31.01.2024'",
        "event_time: got '01.01.1980 10:00'",
    ]
    assert dataset.bad.first[0].values == {"id": "3", "t": "31.01.2024", "u": ""}


def test_half_a_time_is_bad_in_the_iso_order_too(tmp_path: Path) -> None:
    """A date without its time of day is not midnight."""
    path = written(tmp_path, "id,t,u\n1,2024-01-31,14:05:00\n2,2024-01-31,\n")
    dataset = open_dataset(path, least_map('{ columns = ["t", "u"], format = "%Y-%m-%d %H:%M:%S" }'))
    assert ids(dataset) == ["1"]
    assert dataset.bad.by_reason == {RejectReason.BAD_TIME: 1}


# bad rows


def test_values_are_shown_as_the_file_has_them(tmp_path: Path) -> None:
    """Not as the numbers that they became."""
    path = written(
        tmp_path, "id,t,a,n,f,k\n1,2024-01-01,-5.00,1,,\n2,2024-01-01,NaN,1,,\n3,2024-01-01,1e18,1,,\n"
        "4,1980-01-01 00:00,1,1,,\n5,2024-01-01,1,Inf,,\n6,2024-01-01,1,1,1,1970-01-01\n",
    )  # fmt: skip
    more = 'amount = "a"\nis_fraud = "f"\nlabelled_at = "k"\nattributes = { n = "number" }'
    dataset = open_dataset(path, least_map(more=more))
    assert ids(dataset) == []
    assert [bad.detail.partition(", expected")[0] for bad in dataset.bad.first] == [
        "amount: got '-5.00'", "amount: got 'NaN'", "amount: got '1e18'", "event_time: got '1980-01-01 00:00'",
        "attributes.n: got 'Inf'", "labelled_at: got '1970-01-01'",
    ]  # fmt: skip
    assert "0 or more; refunds are not scored" in dataset.bad.first[0].detail


def test_printable_characters_are_shown_as_they_are(tmp_path: Path) -> None:
    """Whoever was told to convert a file to UTF-8 sees Müller; orders to a terminal, and escapes that the file itself
    has, stay escaped."""
    path = written(tmp_path, "id,Größe,t\n1,Müller\x1b[31m\\xe4 😀,2024-01-01\n2,1,übermorgen\n3,Händler\n")
    dataset = open_dataset(path, least_map(more='[attributes]\n"Größe" = "number"'))
    assert ids(dataset) == []
    assert [bad.detail.partition(", expected")[0] for bad in dataset.bad.first] == [
        r"attributes.Größe: got 'Müller\x1b[31m\\xe4 😀'", "event_time: got 'übermorgen'", "row: got '3,Händler'",
    ]  # fmt: skip
    labels = written(tmp_path, "transaction_id,is_fraud,labelled_at\nT,1,März\n", "labels.csv")
    with pytest.raises(DatasetError, match="labelled_at: got 'März', expected a time"):
        read_labels_file(labels, has_customers=False)


@pytest.mark.parametrize("type_", [pa.int64(), pa.time64("us"), pa.duration("ms")])
def test_labels_whose_times_are_none_are_not_sent_to_a_map_that_they_do_not_have(
    tmp_path: Path, type_: pa.DataType
) -> None:
    labels = tmp_path / "labels.parquet"
    times = pa.array([1_700_000_000], pa.int64()).cast(type_)
    pq.write_table(pa.table({"transaction_id": ["a"], "is_fraud": [1], "labelled_at": times}), labels)
    with pytest.raises(DatasetError, match=r"labelled_at is of type .*: expected timestamps, or texts such as"):
        read_labels_file(labels, has_customers=False)


def test_the_first_bad_rows_are_the_first_of_the_file(tmp_path: Path) -> None:
    """However the rows are sorted, whole or in chunks; and the first of each reason is kept beside the twenty."""
    days = [f"2024-03-{i % 28 + 1:02}" for i in range(60)]
    lines = [f"T{i},{day},C,much,EUR,0" for i, day in enumerate(reversed(days))]
    lines[40], lines[45], lines[50] = "T40,2024-01-01,C,-1,EUR,0", "T45,2024-01-01,C,-2,EUR,0", "short"
    path = written(tmp_path, own_rows(*lines))
    for chunk_rows in (7, 65_536):
        dataset = open_dataset(path, chunk_rows=chunk_rows, scratch=tmp_path)
        assert ids(dataset) == []
        assert not dataset.is_sorted
        assert [bad.row for bad in dataset.bad.first] == list(range(1, 21))
        assert {reason.value: bad.row for reason, bad in dataset.bad.first_of.items()} == {
            "wrong_type": 1, "refund": 41, "not_an_object": 51,
        }  # fmt: skip


def test_a_row_without_its_customer_is_a_bad_row(tmp_path: Path) -> None:
    """Where the file has customers; a history of nobody would mix strangers."""
    dataset = open_dataset(written(tmp_path, own_rows("a,2024-01-01,,1,EUR,0", "b,2024-01-01,C,1,EUR,0")))
    assert ids(dataset) == ["b"]
    assert dataset.bad.by_reason == {RejectReason.MISSING_FIELD: 1}


def test_one_row_and_two_rows_are_counted_in_words_that_fit(tmp_path: Path) -> None:
    """And the sentence has a subject."""
    (notice,) = open_dataset(written(tmp_path, own_rows("a,2024-01-02,C,1,EUR,0", "b,2024-01-01,C,1,EUR,0"))).notices
    assert "the file is not sorted by event time (1 of 2 rows is earlier than the row before)" in notice
