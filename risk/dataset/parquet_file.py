"""Parquet: a file, or a folder of part files as Spark writes it, a row group's part at a time.

Tools write one and the same text in a dozen physical types. Here each becomes one of a few plain types, so that
nobody behind has to know them: `plain_type` says which.
"""

import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from risk.dataset.content import check_content
from risk.dataset.folder import part_files
from risk.dataset.source import LONGEST_TEXT_BYTES, Piece, check_once, check_width
from risk.errors import DatasetError

BATCH_ROWS = 65_536
BATCH_BYTES = 64 * 1024 * 1024  # unpacked; rows that need more come in several pieces
MOST_CHUNK_BYTES = 2 * 1024**3  # of one column in one row group, unpacked; writers stay far below
# A text may repeat the beginning of the one before, so a page of few bytes can unpack to any number of them.
_PREFIXED, _PREFIXED_ROWS = "DELTA_BYTE_ARRAY", 1_024
# Among a file's own notes: its column map, as TOML. TrustLens writes it where nobody is to guess.
MAP_KEY = "trustlens.columns"
# Spark's timestamps; as nanoseconds, a year such as 9999 would become another one unseen.
_INT96 = "us"


class ParquetSource:
    """Flat columns of numbers, texts, times, dates, booleans, decimals; dictionaries of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts = part_files(path)
        schemas = [_schema_of(part) for part in self._parts]
        self._schema = schemas[0]
        self.columns: list[str] = self._schema.names
        said = (self._schema.metadata or {}).get(MAP_KEY.encode())
        self.column_map: str | None = None if said is None else said.decode(errors="backslashreplace")
        check_width(path, len(self.columns))
        self.types = {name: str(plain_type(self._schema.field(place).type)) for place, name in enumerate(self.columns)}
        for part, schema in zip(self._parts, schemas, strict=True):
            self._check_alike(part, schema)

    def _check_alike(self, part: Path, schema: pa.Schema) -> None:
        here = dict(zip(schema.names, (str(plain_type(type_)) for type_ in schema.types), strict=True))
        for name in dict.fromkeys([*self.columns, *here]):
            if here.get(name) != self.types.get(name):
                raise DatasetError(
                    f"{part}: the column {name!r} is {here.get(name, 'not there')}: expected"
                    f" {self.types.get(name, 'none')}, as in {self._parts[0].name}. Write all parts with the same"
                    " columns."
                )

    def pieces(self, columns: Sequence[str]) -> Iterator[Piece]:
        check_once(self._path, self.columns, columns)
        for name in columns:
            if is_nested(self._schema.field(name).type):
                raise DatasetError(
                    f"{self._path}: the column {name!r} is {self.types[name]}: expected a plain type. Flatten it."
                )
        rows = 0
        for part in self._parts:
            try:
                for batch in _batches(part, list(dict.fromkeys(columns))):
                    _check_lengths(part, batch, rows)
                    for few in _halved(batch):
                        arrays = [_plain(few.column(name), part, name, rows) for name in columns]
                        numbers = np.arange(rows + 1, rows + 1 + few.num_rows, dtype=np.int64)
                        yield Piece(pa.RecordBatch.from_arrays(arrays, names=list(columns)), numbers, None, [])
                        rows += few.num_rows
            except (pa.ArrowException, OSError) as error:
                raise DatasetError(
                    f"{part}: cannot be read after row {rows} ({error}): expected a whole Parquet file. Get it again."
                ) from error


def plain_type(type_: pa.DataType) -> pa.DataType:
    """One type for whatever tools write the same thing in."""
    if pa.types.is_dictionary(type_):
        return plain_type(type_.value_type)
    if isinstance(type_, pa.UuidType):
        return pa.string()
    if isinstance(type_, pa.BaseExtensionType):
        return plain_type(type_.storage_type)
    if _is_bytes(type_) or pa.types.is_null(type_):
        return pa.string()
    if pa.types.is_decimal32(type_) or pa.types.is_decimal64(type_):
        return pa.decimal128(type_.precision, type_.scale)
    if pa.types.is_timestamp(type_) and type_.tz is not None and not _is_zone(type_.tz):
        return pa.timestamp(type_.unit, "UTC")  # in which its numbers count, whatever the zone is
    return type_


def _is_zone(name: str) -> bool:
    """Whether Python knows it. Arrow looks no further than pytz, whose exception is a LookupError."""
    try:
        pa.lib.string_to_tzinfo(name)
    except LookupError:
        return False
    return True


def is_nested(type_: pa.DataType) -> bool:
    return bool(pa.types.is_nested(plain_type(type_)))


def _schema_of(part: Path) -> pa.Schema:
    check_content(part, "parquet")
    try:
        with pa.parquet.ParquetFile(part, coerce_int96_timestamp_unit=_INT96) as file:
            return file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{part}: cannot be read ({error}): expected a Parquet file.") from error


def _batches(part: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Texts stay coded where the file has them so: a long one that comes again and again is in memory once."""
    with pa.parquet.ParquetFile(part) as file:
        schema = file.schema_arrow
        texts = [name for name in columns if _is_bytes(plain_value(schema.field(name).type))]
        rows, plain = _batch_rows(file, part, columns, texts)
    coded = [name for name in texts if name not in plain]
    with pa.parquet.ParquetFile(part, read_dictionary=coded, coerce_int96_timestamp_unit=_INT96) as file:
        yield from file.iter_batches(rows, columns=columns, use_threads=False)


def plain_value(type_: pa.DataType) -> pa.DataType:
    """What is stored, without dictionary and extension."""
    if pa.types.is_dictionary(type_):
        return plain_value(type_.value_type)
    return type_.storage_type if isinstance(type_, pa.BaseExtensionType) else type_


def _batch_rows(file: pa.parquet.ParquetFile, part: Path, columns: list[str], texts: list[str]) -> tuple[int, set[str]]:
    """How many rows to read at once, and the columns of texts that cannot stay coded: Arrow has no way for them."""
    rows, most, plain = BATCH_ROWS, BATCH_ROWS, set[str]()
    wanted, meta = set(columns), file.metadata
    for number in range(meta.num_row_groups):
        group = meta.row_group(number)
        size = 0
        for place in range(group.num_columns):
            chunk = group.column(place)
            name = chunk.path_in_schema
            if name not in wanted:
                continue
            if chunk.total_uncompressed_size > MOST_CHUNK_BYTES:
                raise DatasetError(
                    f"{part}: the column {name!r} has {chunk.total_uncompressed_size:,} bytes in a row group: expected"
                    f" at most {MOST_CHUNK_BYTES:,}. Write it with smaller row groups."
                )
            size += chunk.total_uncompressed_size
            if name in texts and any(encoding.startswith("DELTA_") for encoding in chunk.encodings):
                plain.add(name)
                most = _PREFIXED_ROWS if _PREFIXED in chunk.encodings else most
        if group.num_rows:
            rows = min(rows, max(1, BATCH_BYTES * group.num_rows // max(size, 1)))
    return min(rows, most), plain


def _check_lengths(part: Path, batch: pa.RecordBatch, before: int) -> None:
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        texts = _dictionary_of(array)
        if texts is not None and (pc.max(pc.binary_length(texts)).as_py() or 0) > LONGEST_TEXT_BYTES:
            raise DatasetError(
                f"{part}: the column {name!r} has a text of {pc.max(pc.binary_length(texts)).as_py():,} bytes among the"
                f" {batch.num_rows:,} rows after row {before:,}: expected at most {LONGEST_TEXT_BYTES:,}. Write the"
                " file without that column."
            )


def _halved(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The same rows in pieces whose texts are not too many bytes when they are decoded."""
    size = 0
    for array in batch.columns:
        texts = _dictionary_of(array)
        if texts is not None and pa.types.is_dictionary(array.type):
            size += pc.sum(pc.binary_length(texts).take(array.indices)).as_py() or 0
    if size <= BATCH_BYTES or batch.num_rows == 1:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _halved(batch.slice(0, half))
    yield from _halved(batch.slice(half))


def _dictionary_of(array: pa.Array) -> pa.Array | None:
    """The different texts, or all of them; None where it is no text."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary
    if pa.types.is_string_view(array.type) or pa.types.is_binary_view(array.type):
        array = array.cast(pa.large_binary())
    return array if _is_bytes(array.type) else None


def _is_bytes(type_: pa.DataType) -> bool:
    return any(
        is_one(type_)
        for is_one in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_string_view,
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_binary_view,
            pa.types.is_fixed_size_binary,
        )
    )


def _plain(array: pa.Array, part: Path, name: str, before: int) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        return _plain(array.dictionary_decode(), part, name, before)
    if isinstance(array.type, pa.UuidType):
        texts = [None if value is None else str(uuid.UUID(bytes=value)) for value in array.storage.to_pylist()]
        return pa.array(texts, pa.string())
    if isinstance(array, pa.ExtensionArray):
        return _plain(array.storage, part, name, before)
    target = plain_type(array.type)
    is_checked = pa.types.is_string(array.type)
    if array.type == target and not is_checked:
        return array
    try:
        if is_checked:
            array.validate(full=True)
            return array
        return array.cast(target)
    except pa.ArrowInvalid as error:
        if not _is_bytes(array.type):
            raise
        if not _claims_text(array.type):
            return _octets(array)
        raise DatasetError(
            f"{part}: the column {name!r} is not UTF-8 among the {len(array):,} rows after row {before:,}: expected"
            " text. Write it again as UTF-8, or leave the column out."
        ) from error


def _claims_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def _octets(array: pa.Array) -> pa.Array:
    """Bytes that are no text: each by itself as text where it is some, else with escapes."""
    values = array.to_pylist()
    return pa.array([None if one is None else one.decode(errors="backslashreplace") for one in values], pa.string())
