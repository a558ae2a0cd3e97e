"""Blocks of text end where a record ends, wherever the reading happened to stop."""

import csv
import io
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.dataset.csv_file import CsvSource
from risk.dataset.lines import LONGEST_RECORD_LINES, read_blocks
from risk.dataset.source import BadRow
from risk.errors import DatasetError
from tests.datasets import written


def records(path: Path, block_bytes: int, delimiter: bytes | None = b",") -> list[tuple[bytes, int, bool]]:
    return [
        (block.record(i), int(block.lines[i]), bool(block.unclosed[i]))
        for block in read_blocks(path, delimiter, block_bytes)
        for i in range(len(block.starts))
    ]


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(st.lists(st.text('a,"\n é', max_size=6), min_size=2, max_size=3), max_size=8),
    block_bytes=st.integers(3, 40),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_a_csv_writer_wrote_is_cut_into_its_rows(
    rows: list[list[str]],
    block_bytes: int,
    line_end: str,
    quoting: Literal[0, 1],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Every row is one record on the right line, for every size of block, quotes and line breaks or not."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=quoting, lineterminator=line_end)
    lines = []
    for row in rows:
        lines.append(out.getvalue().count("\n") + 1)
        writer.writerow(row)
    path = tmp_path_factory.mktemp("lines") / "file.csv"
    path.write_bytes(out.getvalue().encode())
    found = records(path, block_bytes)
    assert [next(csv.reader(io.StringIO(record.decode(), newline=""))) for record, _, _ in found] == rows
    assert [line for _, line, _ in found] == lines
    assert not any(unclosed for _, _, unclosed in found)


@settings(max_examples=300, deadline=None)
@given(octets=st.binary(max_size=60), text=st.text('x,"\n\r', max_size=60), block_bytes=st.integers(3, 30))
def test_blocks_never_lose_or_invent_a_byte(
    octets: bytes, text: str, block_bytes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any bytes at all: the records are the file without its line ends, in order, by lines too."""
    for content in (octets, text.encode()):
        path = tmp_path_factory.mktemp("bytes") / "file.csv"
        path.write_bytes(content)
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            continue
        whole = content.removeprefix(b"\xef\xbb\xbf")
        for delimiter in (b",", None):
            found = records(path, block_bytes, delimiter)
            assert b"".join(r for r, _, _ in found).translate(None, b"\r\n") == whole.translate(None, b"\r\n")
        lines = [(line.removesuffix(b"\r"), n) for n, line in enumerate(whole.split(b"\n"), 1)]
        assert [(record, line) for record, line, _ in found] == [(line, n) for line, n in lines if line]


@settings(max_examples=300, deadline=None)
@given(text=st.text('x,"\n\r', max_size=80), block_bytes=st.integers(3, 40))
def test_whatever_a_csv_holds_every_row_is_read_or_bad(
    text: str, block_bytes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No text makes the reader stop, rows are numbered without a gap, and blocks change nothing."""
    path = tmp_path_factory.mktemp("any") / "file.csv"
    path.write_text("a,b,c\n" + text, newline="")

    def read(source: CsvSource) -> tuple[list[tuple[str, str, int, int]], list[BadRow]]:
        rows: list[tuple[str, str, int, int]] = []
        bad: list[BadRow] = []
        for piece in source.pieces(["c", "a"]):
            assert piece.lines is not None
            texts = (column.to_pylist() for column in piece.table.columns)
            rows += zip(*texts, piece.rows.tolist(), piece.lines.tolist(), strict=True)
            bad += piece.bad
        return rows, bad

    rows, bad = read(CsvSource(path))
    assert sorted([row for *_, row, _ in rows] + [one.row for one in bad]) == list(range(1, len(rows) + len(bad) + 1))
    assert read(CsvSource(path, block_bytes)) == (rows, bad)


def test_a_quote_that_stays_open_spoils_one_row_only(tmp_path: Path) -> None:
    """Even where a quote far below would close it: nobody writes a value of a thousand lines."""
    lines = ['a,"open', *(f"row,{i}" for i in range(LONGEST_RECORD_LINES)), 'z,"closed"', 'y,"open again']
    found = records(written(tmp_path, "\n".join(lines)), 64)
    assert len(found) == len(lines)
    assert [line for _, line, unclosed in found if unclosed] == [1, len(lines)]


def test_a_file_without_line_ends_is_refused(tmp_path: Path) -> None:
    """Rather than being held in memory as one line."""
    path = tmp_path / "binary.csv"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    with pytest.raises(DatasetError, match="line 1 is longer than 64 MiB"):
        list(read_blocks(path, None))
