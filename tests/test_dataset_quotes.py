"""Quotes in a CSV: which lines are one row, whatever stray quotes are among them."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from risk.dataset import open_dataset
from risk.dataset.csv_file import CsvSource
from risk.errors import DatasetError
from tests.datasets import HEADER, ids, least_map, own_rows, written

Row = tuple[list[str] | None, int, int]  # values (None: a bad row), number, line

# Every byte a block of its own, some in between, and all in one.
BLOCKS = (1, 2, 3, 7, 30, 8 * 1024 * 1024)


def read(path: Path, block_bytes: int) -> tuple[list[str], list[Row]]:
    """The columns, and all rows in order."""
    source = CsvSource(path, block_bytes)
    found: list[Row] = []
    for piece in source.pieces(source.columns):
        assert piece.lines is not None
        values = zip(*(column.to_pylist() for column in piece.table.columns), strict=True)
        for row, number, line in zip(values, piece.rows.tolist(), piece.lines.tolist(), strict=True):
            found.append((list(row), number, line))
        found += [(None, bad.row, bad.line or 0) for bad in piece.bad]
    return source.columns, sorted(found, key=lambda row: row[1])


def defined(text: str, width: int) -> list[Row]:
    """The rows of the lines below a header, by the definition, with the standard library's reader."""
    lines = text.split("\n")
    found: list[Row] = []
    place = 0
    while place < len(lines):
        taken, values = 1, None
        if not lines[place]:
            place += 1
            continue
        if len(list(csv.reader([lines[place] + "\n", "next"]))) == 2:
            values = next(csv.reader([lines[place]]))
        else:
            for last in range(place + 1, len(lines)):
                try:
                    joined = "\n".join(lines[place : last + 1])
                    (values,) = csv.reader(io.StringIO(joined, newline=""), strict=True)
                except csv.Error as error:
                    if "unexpected end of data" in str(error):
                        continue
                else:
                    taken = last + 1 - place
                break
            if values is None or len(values) != width:
                values, taken = None, 1
        if values is not None and len(values) != width:
            values = None
        found.append((values, len(found) + 1, place + 2))
        place += taken
    return found


@given(
    text=st.one_of(
        st.text('x,"\n', max_size=60),
        st.lists(
            st.sampled_from(['"', '""', ",", "\n", '",', '\n"', '"\n', ',"', "x", "x,y", "\n\n"]), max_size=30
        ).map("".join),
    ),
    width=st.integers(2, 3),
)
@example(text='"5 inch,3\nx,"q" and "r"\ny,2\nz,3\n7" nail,4\n', width=2)
@example(text='x"y,"z\na",b\n', width=2)
@example(text='a,"b\n"c,d\n', width=2)
def test_rows_are_as_defined_and_blocks_change_nothing(
    text: str, width: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any mixture of quotes, commas and line ends: the same rows and the same bad rows, wherever a block ends."""
    path = tmp_path_factory.mktemp("any") / "file.csv"
    path.write_text(",".join("abc"[:width]) + "\n" + text, newline="")
    expected = defined(text, width)
    for block_bytes in BLOCKS:
        assert read(path, block_bytes) == (list("abc"[:width]), expected), block_bytes


@given(octets=st.lists(st.sampled_from([b"x", b",", b'"', b"\n", b"\r", b"\r\n", b"\xff", "é".encode()]), max_size=40))
def test_blocks_change_nothing_even_in_what_is_no_text(
    octets: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Returns alone and bytes that are not UTF-8 too: rows are numbered without a gap, and always the same."""
    path = tmp_path_factory.mktemp("bytes") / "file.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\n" + b"".join(octets))
    columns, rows = read(path, BLOCKS[-1])
    assert columns == ["a", "b"]
    assert [number for _, number, _ in rows] == list(range(1, len(rows) + 1))
    for block_bytes in BLOCKS:
        assert read(path, block_bytes) == (columns, rows), block_bytes


@given(
    rows=st.lists(st.lists(st.text('a,;"\n é', max_size=6), min_size=3, max_size=3), max_size=12),
    quote_all=st.booleans(),
    line_end=st.sampled_from(["\n", "\r\n"]),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    block_bytes=st.integers(1, 60),
)
def test_a_well_formed_file_is_read_as_a_strict_reader_reads_it(
    rows: list[list[str]],
    quote_all: bool,
    line_end: str,
    delimiter: str,
    block_bytes: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Every value, with its quotes, delimiters and line breaks; no row is bad."""
    out = io.StringIO(newline="")
    writer = csv.writer(
        out, delimiter=delimiter, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL, lineterminator=line_end
    )
    writer.writerows([['first "name"', f"second{delimiter}\nname", "third"], *rows])
    path = tmp_path_factory.mktemp("well") / "file.csv"
    path.write_text(out.getvalue(), newline="")
    header, *strict = csv.reader(io.StringIO(out.getvalue(), newline=""), delimiter=delimiter, strict=True)
    columns, found = read(path, block_bytes)
    assert columns == header
    assert [values for values, _, _ in found] == strict == rows


def test_a_stray_quote_takes_no_other_row_along(tmp_path: Path) -> None:
    """Though a line far below has another, and together they would be as wide as a row."""
    rows = [f"T{i},2024-01-01T00:{i // 60:02d}:{i % 60:02d}Z,c,10,EUR,0" for i in range(900)]
    rows[3] = rows[3].replace("EUR,0", 'EUR,"0')
    rows[60] = rows[60].replace("T60", 'T60 7" x')
    dataset = open_dataset(written(tmp_path, own_rows(*rows)))
    found = ids(dataset)
    assert len(found) == 899
    assert 'T60 7" x' in found
    assert [(bad.row, bad.line, bad.values["is_fraud"]) for bad in dataset.bad.first] == [(4, 5, '"0')]
    assert dataset.row_count == 900


def test_lines_that_are_read_alone_stay_alone(tmp_path: Path) -> None:
    """A line with a pair of quotes of its own is stepped through like any other."""
    lines = ['"5 inch,2024-01-01', 'x,"2024-01-01"', '"q" and "r",2024-01-02', "z,2024-01-03", '7" nail,2024-01-04']
    dataset = open_dataset(written(tmp_path, "id,t\n" + "\n".join(lines) + "\n"), least_map())
    assert ids(dataset) == ["x", 'q and "r"', "z", '7" nail']
    assert [(bad.row, bad.line) for bad in dataset.bad.first] == [(1, 2)]
    assert dataset.row_count == 5


def test_a_row_over_several_lines_has_the_width_of_the_header(tmp_path: Path) -> None:
    """Else its first line is no row, and the next one is looked at by itself."""
    path = written(tmp_path, 'id,t\n"a\nb",2024-01-01\n"c,1\nd",2024-01-01,x\ne,2024-01-01\n')
    dataset = open_dataset(path, least_map())
    assert ids(dataset) == ["a\nb", "e"]
    assert [(bad.row, bad.line) for bad in dataset.bad.first] == [(2, 4), (3, 5)]


@pytest.mark.parametrize("header", [HEADER.replace("customer_id", '"customer\n,id"'), f'"{HEADER}'])
def test_a_header_may_be_quoted_and_must_be_closed(tmp_path: Path, header: str) -> None:
    """A quote that stays open there would make everything below a guess."""
    path = written(tmp_path, header + "\n")
    if header.startswith('"'):
        with pytest.raises(DatasetError, match="expected the names of the columns"):
            CsvSource(path)
    else:
        assert CsvSource(path).columns[2] == "customer\n,id"
