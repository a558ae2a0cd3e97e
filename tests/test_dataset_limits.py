"""Small files that unpack to much: refused at a limit that is named, or read in pieces."""

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from risk.dataset import open_dataset
from risk.dataset.column_map import TimeColumn
from risk.dataset.kinds import open_source
from risk.dataset.lines import BLOCK_RECORDS, read_blocks
from risk.dataset.order import find_order
from risk.dataset.parquet_file import BATCH_BYTES, MOST_CHUNK_BYTES
from risk.dataset.quotes import Quoting
from risk.dataset.source import LONGEST_TEXT_BYTES, MOST_ROWS, Piece, check_length
from risk.errors import DatasetError
from tests.datasets import HEADER, own_rows, written


def test_too_many_columns_are_refused_before_they_are_looked_at(tmp_path: Path) -> None:
    """200,000 took minutes."""
    names = [f"c{place}" for place in range(5_000)]
    table = pa.table({name: [1] for name in names})
    pq.write_table(table, tmp_path / "x.parquet")
    objects = "".join(f'{{"{name}": 1}}\n' for name in names)
    for path in (
        tmp_path / "x.parquet",
        written(tmp_path, ",".join(names) + "\n" + ",".join("1" * 5_000) + "\n", "x.csv"),
        written(tmp_path, objects, "x.ndjson"),
    ):
        with pytest.raises(DatasetError, match="columns: expected at most 4,096"):
            open_source(path)


class Endless:
    """A file of so many rows; read on behind the piece that has too many, it would fail the test."""

    columns, types = ["at"], {"at": "string"}

    def __init__(self, *rows: int) -> None:
        self._rows = rows

    def pieces(self, columns: Sequence[str]) -> Iterator[Piece]:
        assert list(columns) == ["at"]
        for rows in self._rows:
            yield Piece(pa.record_batch({"at": pa.nulls(rows)}), np.arange(0), None, [])
        pytest.fail("was read on")


def test_too_many_rows_are_refused_before_their_times_are_looked_at() -> None:
    """Their times alone are gigabytes, and of nulls a small file has any number."""
    with pytest.raises(DatasetError, match="more than 200,000,000 rows: expected at most so many"):
        find_order(Endless(3, MOST_ROWS - 2), TimeColumn("at"))
    check_length(MOST_ROWS)


def test_a_long_line_is_refused_early(tmp_path: Path) -> None:
    """Of zeros, 7 MB of gzip are 7 GB."""
    path = written(tmp_path, gzip.compress(own_rows().encode() + b"x" * 3 * 1024 * 1024), "x.csv.gz")
    with pytest.raises(DatasetError, match="line 2 is longer than 1 MiB"):
        open_dataset(path)


@pytest.mark.parametrize("before", [0, 3, 7, 8])
@pytest.mark.parametrize("end", [b"", b"\n", b"\nlast\n"])
@pytest.mark.parametrize("quoting", [None, Quoting(",", None)])
def test_a_long_line_is_refused_wherever_it_lies(
    before: int, end: bytes, quoting: Quoting | None, tmp_path: Path
) -> None:
    """At the start of a block, within it, across its end: the limit is the same to the byte."""
    rows = (b"1" * 1_023 + b"\n") * 1_024 * before
    line = b"x" * LONGEST_TEXT_BYTES
    kept = list(read_blocks(written(tmp_path, rows + line + end, "kept.csv"), quoting))
    assert sum(len(block.starts) for block in kept) == before * 1_024 + 1 + (b"last" in end)
    refused = written(tmp_path, rows + line + b"x" + end, "refused.csv")
    with pytest.raises(DatasetError, match=f"line {before * 1_024 + 1} is longer than 1 MiB"):
        list(read_blocks(refused, quoting))


def test_what_unpacks_to_far_too_much_is_refused(tmp_path: Path) -> None:
    """Lines that are all the same pack to a thousandth, which no history does."""
    path = written(tmp_path, gzip.compress(f"{HEADER}\n".encode() + (b"1" * 999 + b"\n") * 70_000, 9), "x.csv.gz")
    with pytest.raises(DatasetError, match="unpacks to more than 67,108,864 bytes, 250 times its size"):
        for _ in read_blocks(path, None):
            pass


def test_short_lines_come_in_pieces(tmp_path: Path) -> None:
    """Otherwise the eight million rows of a block would be in memory at once."""
    count = BLOCK_RECORDS * 2 + 3
    blocks = list(read_blocks(written(tmp_path, b"1\n" * count), None))
    assert [len(block.starts) for block in blocks] == [BLOCK_RECORDS, BLOCK_RECORDS, 3]
    assert [line for block in blocks for line in (block.lines[0], block.lines[-1])] == [
        1, BLOCK_RECORDS, BLOCK_RECORDS + 1, 2 * BLOCK_RECORDS, 2 * BLOCK_RECORDS + 1, count,
    ]  # fmt: skip
    assert {block.record(place) for block in blocks for place in (0, len(block.starts) - 1)} == {b"1"}


def test_a_long_text_that_comes_again_and_again_is_never_in_memory_as_often(tmp_path: Path) -> None:
    """Parquet has it once: a few kilobytes are 6 GB as rows."""
    text = "x" * 500_000
    table = pa.table({"a": pa.array([text]).dictionary_encode().take(pa.array([0] * 5_000))})
    path = tmp_path / "x.parquet"
    pq.write_table(table, path, compression="zstd")
    assert path.stat().st_size < 10_000
    pieces = open_source(path).pieces(["a"])
    for rows in range(3):
        piece = next(pieces)
        assert piece.table.nbytes <= BATCH_BYTES
        assert piece.rows[0] == rows * piece.table.num_rows + 1


def test_a_column_of_gigabytes_in_one_row_group_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """Zeros pack to nothing, and Arrow unpacks all of a group's pages for the first row. A column that nobody asks for
    may be as large as it likes."""
    megabyte = pa.array([bytes(1024 * 1024)], pa.binary(1024 * 1024))
    zeros = pa.chunked_array([megabyte] * (MOST_CHUNK_BYTES // 1024**2 + 1))
    path = tmp_path / "x.parquet"
    table = pa.table({"a": zeros, "b": pa.array(range(len(zeros)))})
    pq.write_table(table, path, compression="zstd", use_dictionary=False, write_statistics=False)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(
        DatasetError, match=r"the column 'a' has [\d,]+ bytes in a row group: expected at most 2,147,483"
    ):
        next(open_source(path).pieces(["b", "a"]))
    assert next(open_source(path).pieces(["b"])).table.num_rows == len(zeros)


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string(), pa.binary(), pa.string_view()])
def test_a_text_of_more_than_a_mebibyte_is_refused(tmp_path: Path, type_: pa.DataType) -> None:
    """With the column, as a line of a text file is."""
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": pa.array(["x" * (1024 * 1024 + 1)], pa.string()).cast(type_)}), path)
    with pytest.raises(
        DatasetError, match=r"the column 'a' has a text of 1,048,577 bytes .*expected at most 1,048,576"
    ):
        list(open_source(path).pieces(["a"]))
