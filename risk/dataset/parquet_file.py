"""Parquet: columns with types of their own, a row group's part at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from risk.dataset.source import Piece
from risk.errors import DatasetError

BATCH_ROWS = 65_536


class ParquetSource:
    """Flat columns of numbers, texts, times, dates, booleans, decimals; dictionaries of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with pa.parquet.ParquetFile(path) as file:
                self._schema = file.schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(f"{path}: cannot be read ({error}): expected a Parquet file.") from error
        self.columns: list[str] = self._schema.names
        self.types = {name: str(_plain(type_)) for name, type_ in zip(self.columns, self._schema.types, strict=True)}

    def pieces(self, columns: Sequence[str]) -> Iterator[Piece]:
        for name in columns:
            if pa.types.is_nested(_plain(self._schema.field(name).type)):
                raise DatasetError(
                    f"{self._path}: the column {name!r} is {self.types[name]}: expected a plain type. Flatten it."
                )
        rows = 0
        try:
            with pa.parquet.ParquetFile(self._path) as file:
                for batch in file.iter_batches(BATCH_ROWS, columns=list(dict.fromkeys(columns)), use_threads=False):
                    arrays = [_decoded(batch.column(name)) for name in columns]
                    numbers = np.arange(rows + 1, rows + 1 + batch.num_rows, dtype=np.int64)
                    yield Piece(pa.RecordBatch.from_arrays(arrays, names=list(columns)), numbers, None, [])
                    rows += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(
                f"{self._path}: cannot be read after row {rows} ({error}): expected a whole Parquet file. Get it again."
            ) from error


def _plain(type_: pa.DataType) -> pa.DataType:
    return type_.value_type if pa.types.is_dictionary(type_) else type_


def _decoded(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
