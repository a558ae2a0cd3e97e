"""What every kind of file gives its reader: pieces of columns in file order, and the rows that are none."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from msgspec import Struct

from risk.errors import DatasetError
from risk.events import Rejected, RejectReason

# Far above any history of transactions, and below what a small file can unpack to: docs/datasets.md names them.
MOST_COLUMNS = 4_096
MOST_ROWS = 200_000_000
LONGEST_TEXT_BYTES = 1024 * 1024  # of a line, or of a value of Parquet
MOST_TIMES_UNPACKED = 250  # text packs to a fifth or a twentieth; what packs to less is no history

_ESCAPED = re.compile(r"\\(\\|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")


class BadRow(Struct, frozen=True):
    """A row could not be read. Its values are the original texts, by column, as far as the row has them."""

    row: int
    line: int | None
    reason: RejectReason
    detail: str
    values: dict[str, str]

    @classmethod
    def of(cls, row: int, line: int | None, why: Rejected, values: dict[str, str]) -> "BadRow":
        return cls(row, line, why.reason, readable(why.detail), values)


def readable(detail: str) -> str:
    """What goes into a header of Kafka is ASCII; people see Müller, and only control characters stay escaped."""
    got, comma, expected = detail.rpartition(", expected ")
    return _ESCAPED.sub(_printable, got) + comma + expected


def _printable(escaped: re.Match[str]) -> str:
    digits = escaped[2] or escaped[3] or escaped[4]  # none of a backslash of the value, which comes twice
    return chr(int(digits, 16)) if digits and chr(int(digits, 16)).isprintable() else escaped[0]


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


def check_width(path: Path, columns: int) -> None:
    if columns > MOST_COLUMNS:
        raise DatasetError(
            f"{path}: has {columns:,} columns: expected at most {MOST_COLUMNS:,}. Write those that matter to a file of"
            " their own."
        )


def check_length(rows: int) -> None:
    if rows > MOST_ROWS:
        raise DatasetError(f"the file has more than {MOST_ROWS:,} rows: expected at most so many. Split it by time.")


def check_once(path: Path, there: Sequence[str], columns: Sequence[str]) -> None:
    """No two columns of the file have the name of one that is read."""
    for name in columns:
        if there.count(name) > 1:
            raise DatasetError(f"{path}: the column {name!r} is there twice: expected it once. Rename one.")
