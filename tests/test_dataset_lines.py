"""Blocks of text end where a record ends, wherever the reading happened to stop."""

import csv
import io
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from risk.dataset.lines import read_blocks
from risk.dataset.quotes import LONGEST_ROW_BYTES, LONGEST_ROW_LINES, Quoting
from risk.errors import DatasetError
from tests.datasets import written

COMMA = Quoting(",", None)


def records(path: Path, block_bytes: int, quoting: Quoting | None = COMMA) -> list[tuple[bytes, int, bool]]:
    return [
        (block.record(i), int(block.lines[i]), bool(block.unclosed[i]))
        for block in read_blocks(path, quoting, block_bytes)
        for i in range(len(block.starts))
    ]


@given(
    rows=st.lists(st.lists(st.text('a,"\n é', max_size=6), min_size=2, max_size=3), max_size=8),
    block_bytes=st.integers(1, 40),
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


@given(octets=st.binary(max_size=60), text=st.text('x,"\n\r', max_size=60), block_bytes=st.integers(1, 30))
@example(octets=b"\xef\xbb\xbfa,b", text="", block_bytes=1)
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
        for quoting in (COMMA, Quoting(",", 2), None):
            found = records(path, block_bytes, quoting)
            assert b"".join(r for r, _, _ in found).translate(None, b"\r\n") == whole.translate(None, b"\r\n")
        lines = [(line.removesuffix(b"\r"), n) for n, line in enumerate(whole.split(b"\n"), 1)]
        assert [(record, line) for record, line, _ in found] == [(line, n) for line, n in lines if line]


@pytest.mark.parametrize(
    ("values_lines", "value_bytes", "is_one_row"),
    [
        (LONGEST_ROW_LINES, 0, True),
        (LONGEST_ROW_LINES + 1, 0, False),
        (2, LONGEST_ROW_BYTES, True),
        (2, LONGEST_ROW_BYTES + 1, False),
    ],
)
def test_a_row_reaches_so_far_and_no_further(
    tmp_path: Path, values_lines: int, value_bytes: int, is_one_row: bool
) -> None:
    """Up to the bound, lines are one row; beyond it, the opening line alone is broken, and the next ones are rows."""
    start, end = 'a,"open', 'z"'
    middle = "\n" * (values_lines - 1)
    row = start + middle.rjust(value_bytes - len(start) - len(end), "x") + end
    path = written(tmp_path, row + "\nnext,1\n")
    for block_bytes in (61, 8 * 1024 * 1024):
        found = records(path, block_bytes, Quoting(",", 2))
        assert (found[0] == (row.encode(), 1, False)) is is_one_row
        assert found[0][2] is not is_one_row
        assert found[-1] == (b"next,1", values_lines + 1, False)
        assert len(found) == (2 if is_one_row else 3)


def test_a_file_without_line_ends_is_refused(tmp_path: Path) -> None:
    """Rather than being held in memory as one line."""
    path = tmp_path / "binary.csv"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    with pytest.raises(DatasetError, match="line 1 is longer than 1 MiB"):
        list(read_blocks(path, None))
