"""What every kind of file gives its reader: pieces of columns in file order, and the rows that are none."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from msgspec import Struct

from risk.errors import DatasetError
from risk.events import Rejected, RejectReason

CSV_ENDINGS = (".csv", ".tsv", ".txt")
NDJSON_ENDINGS = (".ndjson", ".jsonl", ".json")
PARQUET_ENDINGS = (".parquet", ".pq")


class BadRow(Struct, frozen=True):
    """A row could not be read. Its values are the original texts, by column, as far as the row has them."""

    row: int
    line: int | None
    reason: RejectReason
    detail: str
    values: dict[str, str]

    @classmethod
    def of(cls, row: int, line: int | None, why: Rejected, values: dict[str, str]) -> "BadRow":
        return cls(row, line, why.reason, why.detail, values)


class Piece(NamedTuple):
    """Some rows, in file order. Bad rows are those that do not even have columns."""

    table: pa.RecordBatch
    rows: np.ndarray  # int64, 1-based data row
    lines: np.ndarray | None  # int64, 1-based line where the row begins; None where a file has no lines
    bad: list[BadRow]

    def slice(self, start: int, length: int) -> "Piece":
        lines = None if self.lines is None else self.lines[start : start + length]
        return Piece(self.table.slice(start, length), self.rows[start : start + length], lines, [])


class Source(Protocol):
    """A file that can be read any number of times."""

    @property
    def columns(self) -> list[str]: ...

    @property
    def types(self) -> dict[str, str]:
        """What a person may call the type of each column; text files have only "text"."""
        ...

    def pieces(self, columns: Sequence[str]) -> Iterator[Piece]:
        """The file from its start; the tables have exactly these columns, in this order."""
        ...


def open_source(path: Path) -> Source:
    """The reader for a file, chosen by its ending."""
    from risk.dataset.csv_file import CsvSource  # each reader imports this file's types
    from risk.dataset.ndjson_file import NdjsonSource
    from risk.dataset.parquet_file import ParquetSource

    if not path.exists():
        raise DatasetError(f"{path}: there is no such file: expected a CSV, Parquet or NDJSON file. Check the path.")
    if not path.is_file():
        raise DatasetError(f"{path}: is not a file: expected a CSV, Parquet or NDJSON file.")
    ending = path.with_suffix("").suffix if path.suffix.lower() == ".gz" else path.suffix
    ending = ending.lower()
    if ending in CSV_ENDINGS:
        return CsvSource(path)
    if ending in NDJSON_ENDINGS:
        return NdjsonSource(path)
    if ending in PARQUET_ENDINGS and path.suffix.lower() != ".gz":
        return ParquetSource(path)
    known = ", ".join((*CSV_ENDINGS, *NDJSON_ENDINGS, *PARQUET_ENDINGS))
    raise DatasetError(
        f"{path}: ends in {path.suffix or 'nothing'!r}: expected one of {known}; text may be"
        " gzipped (.csv.gz). Rename it."
    )
