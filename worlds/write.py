"""Row groups into CSV, NDJSON or Parquet. The first two share one way of turning columns into text."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from worlds.world import World


class RowFile(Protocol):
    def write(self, batch: pa.RecordBatch) -> None: ...

    def close(self) -> None: ...


class ParquetFile:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch, row_group_size=max(1, batch.num_rows))

    def close(self) -> None:
        self._writer.close()


class CsvFile:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file: BinaryIO = path.open("wb")
        self._file.write((",".join(schema.names) + "\n").encode())

    def write(self, batch: pa.RecordBatch) -> None:
        cells = [pc.fill_null(_text(column), "") for column in batch.columns]
        self._file.write(_joined(_between(cells, ",", "\n")))

    def close(self) -> None:
        self._file.close()


class NdjsonFile:
    def __init__(self, path: Path, schema: pa.Schema) -> None:  # noqa: ARG002 - every line names its fields itself
        self._file: BinaryIO = path.open("wb")

    def write(self, batch: pa.RecordBatch) -> None:
        pieces: list[pa.Array | str] = []
        for number, (name, column) in enumerate(zip(batch.schema.names, batch.columns, strict=True)):
            pieces += [f'{"," if number else "{"}"{name}":', _json(column)]
        self._file.write(_joined([*pieces, "}\n"]))

    def close(self) -> None:
        self._file.close()


FORMATS: dict[str, Callable[[Path, pa.Schema], RowFile]] = {
    ".csv": CsvFile,
    ".parquet": ParquetFile,
    ".ndjson": NdjsonFile,
    ".jsonl": NdjsonFile,
}


def write_history(
    world: World, batches: Iterable[pa.RecordBatch], path: Path, suffix: str, truths: list[Path]
) -> tuple[int, int]:
    """Rows and frauds written. The columns of the truth go into files of their own and never into the history."""
    files: list[RowFile] = []
    rows = frauds = 0
    with ExitStack() as open_files:
        for batch in batches:
            truth = batch.select(["transaction_id", *world.truth])
            history = batch.select([name for name in batch.schema.names if name not in world.truth])
            if not files:
                files.append(FORMATS[suffix.lower()](path, history.schema))
                files += [ParquetFile(truth_path, truth.schema) for truth_path in truths]
                for file in files:
                    open_files.callback(file.close)
            for file, part in zip(files, (history, truth), strict=False):
                file.write(part)
            rows += batch.num_rows
            frauds += pc.sum(batch["is_fraud"]).as_py()
    return rows, frauds


def _text(column: pa.Array) -> pa.Array:
    """Times as RFC 3339 with milliseconds, floats as amounts with two places.

    The worlds' own texts are plain letters and digits, so nothing needs quoting or escaping.
    """
    if pa.types.is_string(column.type):
        return column
    if pa.types.is_timestamp(column.type):
        return pc.utf8_replace_slice(column.cast(pa.string()), start=10, stop=11, replacement="T")
    if pa.types.is_floating(column.type):
        cents = pa.array(np.rint(pc.fill_null(column, 0.0).to_numpy() * 100.0).astype(np.int64))
        whole = pc.cast(pc.divide(cents, 100), pa.string())
        rest = pc.utf8_lpad(pc.cast(pc.subtract(cents, pc.multiply(pc.divide(cents, 100), 100)), pa.string()), 2, "0")
        return pc.if_else(column.is_valid(), pc.binary_join_element_wise(whole, rest, "."), None)
    return pc.cast(column, pa.string())


def _json(column: pa.Array) -> pa.Array:
    text = _text(column)
    if pa.types.is_string(column.type) or pa.types.is_timestamp(column.type):
        text = pc.binary_join_element_wise('"', text, '"', "")
    return pc.fill_null(text, "null")


def _between(cells: list[pa.Array], separator: str, end: str) -> list[pa.Array | str]:
    pieces: list[pa.Array | str] = []
    for cell in cells:
        pieces += [cell, separator]
    return [*pieces[:-1], end]


def _joined(pieces: list[pa.Array | str]) -> memoryview:
    """The rows' text, one after the other: the array's own buffer, without a Python string per row."""
    lines = pc.binary_join_element_wise(*pieces, "")
    first, last = lines.offset, lines.offset + len(lines)
    offsets = np.frombuffer(lines.buffers()[1], dtype=np.int32)
    return memoryview(lines.buffers()[2])[offsets[first] : offsets[last]]
