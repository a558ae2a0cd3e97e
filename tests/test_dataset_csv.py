"""CSV, clean and dirty."""

import gzip
from pathlib import Path

import pytest

from risk.dataset import BadRow, open_dataset
from risk.errors import DatasetError
from risk.events import RejectReason
from tests.datasets import HEADER, ids, least_map, own_rows, whole, written


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    """Also where values hold the other signs."""
    text = own_rows('"T,1;|\tx",2024-01-01,C,1,EUR,1', "T2,2024-01-01,C,2,EUR,0")
    text = text.replace('"T,1;|\tx"', "@").replace(",", delimiter).replace("@", '"T,1;|\tx"')
    assert ids(open_dataset(written(tmp_path, text))) == ["T,1;|\tx", "T2"]


def test_bom_gzip_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    """The same rows with the same lines."""
    text = own_rows("T1,2024-01-01,C,1,EUR,1", "bad", "T2,2024-01-01,C,2,EUR,0")
    plain = open_dataset(written(tmp_path, text))
    expected = (list(whole(plain).block), plain.bad.first)
    for name, octets in {
        "bom.csv": b"\xef\xbb\xbf" + text.encode(),
        "zip.csv.gz": gzip.compress(text.encode(), mtime=0),
        "crlf.csv": text.replace("\n", "\r\n").encode(),
        "no-end.csv": text.rstrip().encode(),
    }.items():
        dataset = open_dataset(written(tmp_path, octets, name))
        assert (list(whole(dataset).block), dataset.bad.first) == expected, name
    assert expected[1][0].line == 3


def test_quoted_line_breaks_and_quotes_are_part_of_the_value(tmp_path: Path) -> None:
    """And the lines after them are still counted right."""
    text = own_rows(
        '"two\nlines",2024-01-01,"say ""hi""",1,EUR,1', "", '"a\r\n\n""b""",2024-01-01,C,1,EUR,0', "short,1"
    )
    dataset = open_dataset(written(tmp_path, text))
    assert [(one.transaction_id, one.customer_id) for one in whole(dataset).block] == [
        ("two\nlines", 'say "hi"'), ('a\r\n\n"b"', "C"),
    ]  # fmt: skip
    assert [(bad.row, bad.line) for bad in dataset.bad.first] == [(3, 8)]


def test_stray_quotes_cost_no_other_row(tmp_path: Path) -> None:
    """A quote inside a value is a sign like any other; one that never closes spoils only its own row."""
    text = own_rows(
        '5" pipe,2024-01-01,C,1,EUR,1', "T2,2024-01-01,C,2,EUR,0", '"T3,2024-01-01,C,3,EUR,0', "T4,2024-01-01,C,4,EUR,0"
    )
    dataset = open_dataset(written(tmp_path, text))
    assert ids(dataset) == ['5" pipe', "T2", "T4"]
    assert [(bad.row, bad.line, bad.reason) for bad in dataset.bad.first] == [(3, 4, RejectReason.NOT_AN_OBJECT)]
    assert "a quote that is closed again" in dataset.bad.first[0].detail


def test_a_quote_that_opens_behind_a_stray_one_spoils_only_its_row(tmp_path: Path) -> None:
    """Even in a file with quoted line breaks, where a parser would go on to the end of the file."""
    text = own_rows('"a\nb",2024-01-01,C,1,EUR,1', 'x"y,2024-01-01,"C,1,EUR,1', "T3,2024-01-01,C,3,EUR,0")
    dataset = open_dataset(written(tmp_path, text))
    assert ids(dataset) == ["a\nb", "T3"]
    assert [(bad.row, bad.line) for bad in dataset.bad.first] == [(2, 4)]


def test_dirty_rows_are_named_by_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Each with its reason and the original text of its columns, in the order of the file."""
    lines = [
        b"T1,2024-01-01,C,1,EUR,1", b"T2,2024-01-01,C,1", b"T3,2024-01-01,C,1,EUR,1,more",
        b"T4,2024-01-01,C\xff,1,EUR,1", b"T5,soon,C,1,EUR,1", b",2024-01-01,C,1,EUR,1",
        b"T7,2024-01-01,,1,EUR,1", b"T8,2024-01-01,C,1,XXX,1",
        b"T9,2024-01-01,C,-1,EUR,1", b"T10,2024-01-01,C,1,,1", b"T11,2024-01-01,C,1,EUR,1", b"T12,1970-01-01,C,1,EUR,1",
    ]  # fmt: skip
    dataset = open_dataset(written(tmp_path, b"\n".join([HEADER.encode(), *lines]) + b"\n"))
    assert ids(dataset) == ["T1", "T11"]
    assert [(bad.row, bad.line, bad.reason.value) for bad in dataset.bad.first] == [
        (2, 3, "not_an_object"), (3, 4, "not_an_object"), (4, 5, "not_utf8"), (5, 6, "bad_time"),
        (6, 7, "missing_field"), (7, 8, "missing_field"), (8, 9, "unknown_currency"), (9, 10, "refund"),
        (10, 11, "missing_field"),
        (12, 13, "time_out_of_range"),
    ]  # fmt: skip
    assert dataset.bad.count == 10
    assert dataset.row_count == 12
    by_row = {bad.row: bad for bad in dataset.bad.first}
    assert by_row[5].values == {
        "transaction_id": "T5", "event_time": "soon", "customer_id": "C", "amount": "1", "currency": "EUR",
        "is_fraud": "1",
    }  # fmt: skip
    assert by_row[2].values == {"transaction_id": "T2", "event_time": "2024-01-01", "customer_id": "C", "amount": "1"}
    assert by_row[4].values["customer_id"] == "C\\xff"
    assert "6 values, as the header has, not 4" in by_row[2].detail


def test_every_bad_row_goes_to_the_hook_and_only_the_first_are_kept(tmp_path: Path) -> None:
    """Twenty, so that a file of nothing but dirt does not fill the memory; a second reading counts anew."""
    seen: list[BadRow] = []
    path = written(tmp_path, own_rows(*(f"T{i},soon,C,1,EUR,1" for i in range(30)), "T,2024-01-01,C,1,EUR,1"))
    dataset = open_dataset(path, on_bad=seen.append)
    assert ids(dataset) == ids(dataset) == ["T"]
    assert len(dataset.bad.first) == 20
    assert dataset.bad.count == 30
    assert [bad.row for bad in seen] == [*range(1, 31), *range(1, 31)]


@pytest.mark.parametrize(
    ("octets", "name", "words"),
    [
        (b"", "empty.csv", "is empty: expected a header line"),
        (b"\xff\xfea\x00", "utf16.csv", "is UTF-16: expected UTF-8"),
        (b"sep=;\r\na;b\r\n1;2\r\n", "excel.csv", "line 1 is not the header but 'sep=;': expected the names of the"),
        (
            b'"sep=,"\na,b,c\n1,2,3\n',
            "excel.csv",
            "which line 2 seems to have. Remove what stands above it: tail -n +2",
        ),
        (b"Title, 1\n\nof 2024\na;b;c;d\n1;2;3;4\n5;6;7,1;8\n9;1;2;3\n", "titled.csv", "which line 4 seems to have"),
        (b"Title\na,b,c\n1,2,3\n", "titled.csv", "line 1 is not the header but 'Title'"),
        (b"a~b\n1~2\n", "tilde.csv", "has only one column, 'a~b': expected a comma, semicolon, tab or bar"),
        (b"a_1^b_2^c\n1^2^3\n4^5^6\n", "caret.csv", "between the values, not '^'. Write it with one of these"),
        (b"a b c d\n1 2 3 4\n", "spaces.txt", "between the values, not ' '"),
        (b"1,2.5,3\n4,5,6\n", "headless.csv", "the first line is '1,2.5,3': expected the names of the columns"),
        (b"id,t\rx,y\r", "mac.csv", "old line ends"),
        (b"id,x\n1,2\n", "wrong.csv", "has no column transaction_id, event_time, currency, amount"),
        (b"x", "data.doc", "ends in '.doc': expected one of .csv"),
        (gzip.compress(b"id,t\n" * 9, mtime=0)[:-9], "cut.csv.gz", "cannot be read to its end"),
        (b"[\n{}]", "array.json", "is one JSON array"),
        (b"hello\n", "no.ndjson", "none of its 1 lines is a JSON object"),
        (b"PAR1", "bad.parquet", "expected a Parquet file"),
    ],
)
def test_a_file_that_cannot_be_read_as_meant_is_an_error(tmp_path: Path, octets: bytes, name: str, words: str) -> None:
    """With its name, what is wrong and what was expected."""
    path = written(tmp_path, octets, name)
    with pytest.raises(DatasetError) as raised:
        open_dataset(path)
    assert str(path) in str(raised.value)
    assert words in str(raised.value)


def test_a_missing_file_and_a_doubled_column_are_errors(tmp_path: Path) -> None:
    """A column that is there twice is only wrong where it is needed."""
    with pytest.raises(DatasetError, match="there is no such file"):
        open_dataset(tmp_path / "none.csv")
    path = written(tmp_path, "id,t,x,x\n1,2024-01-01,2,3\n")
    assert ids(open_dataset(path, least_map())) == ["1"]
    with pytest.raises(DatasetError, match="'x' is there twice"):
        list(open_dataset(path, least_map(more='amount = "x"')).rows())


def test_a_header_alone_is_a_dataset_without_rows(tmp_path: Path) -> None:
    """Not an error: somebody may ask how many there are."""
    dataset = open_dataset(written(tmp_path, own_rows()))
    assert list(dataset.rows()) == []
    assert dataset.row_count == 0
