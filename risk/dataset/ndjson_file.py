"""NDJSON: one object a line. Values become text as in a CSV, so that both are read alike."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from risk.dataset.lines import RecordBlock, read_blocks
from risk.dataset.source import BadRow, Piece, check_width
from risk.diagnosis import rejected
from risk.errors import DatasetError
from risk.events import Rejected, RejectReason
from risk.words import number_text

_decode = msgspec.json.Decoder().decode


class NdjsonSource:
    """A column is a key of the objects; an object without it has it empty."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.columns = _keys(path)
        self.types = dict.fromkeys(self.columns, "JSON")

    def lines(self) -> Iterator[bytes]:
        """Each row as it stands in the file."""
        for block in read_blocks(self._path, None):
            for index in range(len(block.starts)):
                yield block.record(index)

    def pieces(self, columns: Sequence[str]) -> Iterator[Piece]:
        rows = 0
        for block in read_blocks(self._path, None):
            yield _piece(block, rows + 1, columns)
            rows += len(block.starts)


def _piece(block: RecordBlock, first_row: int, columns: Sequence[str]) -> Piece:
    rows = np.arange(first_row, first_row + len(block.starts), dtype=np.int64)
    bad: list[BadRow] = []
    texts: list[list[str | None]] = [[] for _ in columns]
    good = np.ones(len(rows), bool)
    for index in range(len(rows)):
        found = _object(block.record(index))
        values = found if isinstance(found, Rejected) else _texts(found, columns)
        if isinstance(values, Rejected):
            good[index] = False
            there = found if isinstance(found, dict) else {}
            original = {name: _original(there[name]) for name in columns if there.get(name) is not None}
            bad.append(BadRow.of(int(rows[index]), int(block.lines[index]), values, original))
            continue
        for column, value in zip(texts, values, strict=True):
            column.append(value)
    arrays = [pa.array(column, pa.string()) for column in texts]
    return Piece(pa.RecordBatch.from_arrays(arrays, names=list(columns)), rows[good], block.lines[good], bad)


def _object(line: bytes) -> dict[str, Any] | Rejected:
    try:
        value = _decode(line)
        if not isinstance(value, dict):
            return rejected(RejectReason.NOT_AN_OBJECT, "line", line.decode(), "a JSON object")
        return value
    except UnicodeDecodeError as error:
        octets = line[error.start : error.start + 8].hex(" ")
        return rejected(RejectReason.NOT_UTF8, f"line at byte {error.start}", octets, "UTF-8")
    except (msgspec.DecodeError, RecursionError, OverflowError):
        return rejected(RejectReason.NOT_JSON, "line", line.decode(errors="replace"), "a JSON object")


def _texts(values: dict[str, Any], columns: Sequence[str]) -> list[str | None] | Rejected:
    texts: list[str | None] = []
    for name in columns:
        value = values.get(name)
        if value is None or type(value) is str:
            texts.append(value)
        elif type(value) is bool:
            texts.append("true" if value else "false")
        elif type(value) is int:
            texts.append(str(value))
        elif type(value) is float:
            texts.append(number_text(value))
        else:
            return rejected(RejectReason.WRONG_TYPE, name, value, "a text, a number, true, false or null")
    return texts


def _original(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _keys(path: Path) -> list[str]:
    """Every key that any object has, in the order in which they come: a rare one may first appear at the end."""
    keys: dict[str, None] = {}
    seen = keys.keys()
    objects = lines = 0
    for block in read_blocks(path, None):
        for index in range(len(block.starts)):
            found = _object(block.record(index))
            lines += 1
            if isinstance(found, dict):
                objects += 1
                if not found.keys() <= seen:
                    keys.update(dict.fromkeys(found))
                    check_width(path, len(keys))
            elif lines == 1 and block.record(0).lstrip().startswith(b"["):
                raise DatasetError(f"{path}: is one JSON array: expected one object a line (NDJSON). Convert it.")
    if not objects:
        raise DatasetError(f"{path}: none of its {lines} lines is a JSON object: expected one object a line (NDJSON).")
    return list(keys)
