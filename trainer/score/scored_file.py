"""A file once more, row by row in its own order, with what its rows came to: as CSV, Parquet or NDJSON."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from console.output import FORMULA_SIGNS, unfinished, writing
from console.terminal import warn
from risk.dataset import Dataset
from risk.dataset.csv_file import CsvSource
from risk.dataset.folder import FolderSource
from risk.dataset.lines import BOM
from risk.dataset.names import is_nested_name
from risk.dataset.ndjson_file import NdjsonSource
from risk.dataset.source import Piece, Source
from risk.dataset.values import as_texts, is_text
from risk.errors import OptionError
from risk.events import DECISIONS, LEVELS
from trainer.parquet_columns import number_column, text_column
from trainer.score.results import NONE, Results

NEW_COLUMNS = pa.schema(
    [
        ("score", pa.float64()),
        ("level", pa.string()),
        ("reasons", pa.string()),
        ("history_days", pa.int16()),
        ("missing", pa.string()),
        ("not_scored", pa.string()),
        ("bundle_version", pa.string()),
    ]
)
# Where rules decide, too.
RULE_COLUMNS = pa.schema([("decision", pa.string()), ("rules", pa.string()), ("rules_version", pa.string())])
ENDINGS = (".csv", ".parquet", ".ndjson")
LINES_AT_ONCE = 16_384
_LEVELS = np.array([*(level.value for level in LEVELS), None], object)  # NONE is the last
_DECISIONS = np.array([*(decision.value for decision in DECISIONS), None], object)
_FORMULA = f"^[{''.join(map(re.escape, FORMULA_SIGNS))}]"
# A number may begin with its sign, in whatever way a country writes it: -1.234,56, -1'234.56, -5 %, +49 170 1234567.
# Nothing of it names a cell, calls a function or computes, so no spreadsheet runs it.
_NUMBER = r"^[+-][0-9.,'\x{2019}\p{Zs}\p{Sc}%]*[0-9][0-9.,'\x{2019}\p{Zs}\p{Sc}%]*([eE][+-]?[0-9]+)?$"


_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


class Dialect(NamedTuple):
    """How a CSV is written: as the one that was read, so that whatever opens that one opens this one, too."""

    delimiter: str = ","
    decimal: str = "."
    has_byte_order_mark: bool = False

    def __str__(self) -> str:
        decimals = "commas" if self.decimal == "," else "points"
        mark = "with" if self.has_byte_order_mark else "without"
        return f"{_SEPARATORS[self.delimiter]} between the values, decimal {decimals}, UTF-8 {mark} a byte order mark"


def dialect_of(dataset: Dataset, *, with_mark: bool) -> Dialect:
    """Of a folder that of its first file. Only the map says what a comma in a number is."""
    first = files_of(dataset.source)[0]
    if not isinstance(first, CsvSource):
        return Dialect(has_byte_order_mark=with_mark)
    numbers = (dataset.column_map.amount, *dataset.column_map.attributes)
    decimal = "," if any(one is not None and one.decimal == "," for one in numbers) else "."
    return Dialect(first.delimiter, decimal, with_mark or first.has_byte_order_mark)


def columns_kept(source: Source) -> tuple[list[str], list[str]]:
    """The columns that can be written again, and the others: those that hold lists, and names that several have."""
    names = list(dict.fromkeys(source.columns))
    lost = [name for name in names if source.columns.count(name) > 1 or is_nested_name(source.types[name])]
    return [name for name in names if name not in lost], lost


def new_names(*, has_rules: bool) -> list[str]:
    return [*NEW_COLUMNS.names, *(RULE_COLUMNS.names if has_rules else ())]


def check_names(dataset: Dataset, prefix: str, *, has_rules: bool) -> None:
    """Before anything is scored."""
    kept, _ = columns_kept(dataset.source)
    taken = [prefix + name for name in new_names(has_rules=has_rules) if prefix + name in kept]
    if taken:
        raise OptionError(
            f"--prefix: got {prefix!r}, but {dataset.path} has the column {taken[0]!r} already, expected a text that "
            f"makes other names, such as --prefix new_{prefix}"
        )


def warn_of_lost_columns(dataset: Dataset) -> None:
    _, lost = columns_kept(dataset.source)
    if lost:
        warn(f"not written again, for they hold lists or have a name that is there twice: {', '.join(lost)}")


def new_columns(results: Results, places: np.ndarray) -> list[pa.Array]:
    """Those of `new_names`, of these rows of the file."""
    scores, days, texts = results.scores[places], results.history_days[places], results.texts(places)
    reasons, missing, not_scored, rules = ([text or None for text in column] for column in zip(*texts, strict=True))
    columns = [
        number_column(scores, pa.float64(), known=~np.isnan(scores)),
        text_column(_LEVELS[results.levels[places]].tolist()),
        text_column(reasons),
        number_column(days, pa.int16(), known=days != NONE),
        text_column(missing),
        text_column(not_scored),
        text_column([results.manifest.version] * len(places)),
    ]
    if results.rules_version is not None:
        decisions, version = _DECISIONS[results.decisions[places]].tolist(), [results.rules_version] * len(places)
        columns += map(text_column, (decisions, rules, version))
    return columns


def scored_rows(source: Source, results: Results, prefix: str) -> pa.Table:
    """All of it in memory."""
    names, _ = columns_kept(source)
    table = pa.Table.from_batches(_rows(source, names, results))
    return table.rename_columns([*names, *_added(results, prefix)])


def _added(results: Results, prefix: str) -> list[str]:
    return [prefix + name for name in new_names(has_rules=results.rules_version is not None)]


def write_scored(
    source: Source, results: Results, target: Path, prefix: str, dialect: Dialect, advance: Callable[[int], None]
) -> None:
    """Whole, or what was there before. `dialect`: of a CSV."""
    names, _ = columns_kept(source)
    added = _added(results, prefix)
    ending = target.suffix.lower()
    with unfinished(target) as (temporary,):
        if ending == ".parquet":
            batches = _rows(source, names, results)
            first = next(batches)
            schema = pa.schema(list(zip([*names, *added], first.schema.types, strict=True)))
            with writing(target):
                writer = pq.ParquetWriter(temporary, schema)
            try:
                for batch in chain([first], batches):
                    with writing(target):
                        writer.write_batch(batch.rename_columns(schema.names))
                    advance(len(batch))
            finally:
                with writing(target):
                    writer.close()
            return
        if ending == ".csv":
            parts = _csv(source, names, added, results, dialect)
        elif all(isinstance(one, NdjsonSource) for one in files_of(source)):
            parts = _ndjson_again(source, added, results)
        else:
            parts = _ndjson(source, names, added, results)
        with writing(target):
            file = temporary.open("wb")
        with file:
            for count, raw in parts:
                with writing(target):
                    file.write(raw)
                advance(count)
            with writing(target):
                file.flush()


def files_of(source: Source) -> Sequence[Source]:
    """Those of a folder of text files, or the file itself."""
    return source.files if isinstance(source, FolderSource) else [source]


_Parts = Iterator[tuple[int, bytes]]  # how many rows, and their bytes


def _rows(source: Source, names: Sequence[str], results: Results) -> Iterator[pa.RecordBatch]:
    """The file in its order, with rows that cannot be read, and the new columns behind its own."""
    for piece in source.pieces(names):
        whole, places = _with_bad_rows(piece)
        columns = [*whole.columns, *new_columns(results, places)]
        yield pa.RecordBatch.from_arrays(columns, names=[str(place) for place in range(len(columns))])


def _with_bad_rows(piece: Piece) -> tuple[pa.RecordBatch, np.ndarray]:
    """With what a row that has other columns than the file still says of them; and the place of each row in the file.
    Only files of texts have such rows."""
    if not piece.bad:
        return piece.table, piece.rows - 1
    texts = [text_column([bad.values.get(name) for bad in piece.bad]) for name in piece.table.schema.names]
    arrays = [pa.concat_arrays(both) for both in zip(piece.table.columns, texts, strict=True)]
    numbers = np.concatenate([piece.rows, [bad.row for bad in piece.bad]])
    order = np.argsort(numbers)
    taken = pa.RecordBatch.from_arrays(arrays, names=piece.table.schema.names).take(number_column(order, pa.int64()))
    return taken, numbers[order] - 1


def _csv(source: Source, names: Sequence[str], added: Sequence[str], results: Results, dialect: Dialect) -> _Parts:
    if dialect.has_byte_order_mark:
        yield 0, BOM
    yield 0, _lines([text_column([name]) for name in (*names, *added)], dialect)
    for batch in _rows(source, names, results):
        yield len(batch), _lines(batch.columns, dialect)


def _lines(columns: Sequence[pa.Array], dialect: Dialect) -> bytes:
    """All of them by Arrow: cell by cell in Python, they would take as long as the scores."""
    cells = [_cells(column, dialect) for column in columns]
    rows = pc.binary_join_element_wise(*cells, dialect.delimiter)
    ended = pc.binary_join_element_wise(rows, "\n", "")
    _, offsets, data = ended.buffers()
    return memoryview(data)[: np.frombuffer(offsets, np.int32)[len(ended)]].tobytes()


def _cells(column: pa.Array, dialect: Dialect) -> pa.Array:
    """Quoted where they must be; what a spreadsheet would run begins with an apostrophe."""
    texts = pc.coalesce(_texts(column), "")
    if dialect.decimal == "," and pa.types.is_floating(column.type):
        texts = pc.replace_substring(texts, ".", ",")
    if is_text(column):
        is_formula = pc.match_substring_regex(texts, _FORMULA)
        if pc.any(is_formula).as_py():
            is_formula = pc.and_not(is_formula, pc.match_substring_regex(texts, _NUMBER))
            texts = pc.if_else(is_formula, pc.binary_join_element_wise("'", texts, ""), texts)
    is_quoted = pc.match_substring_regex(texts, f'["\r\n{re.escape(dialect.delimiter)}]')
    if not pc.any(is_quoted).as_py():
        return texts
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(texts, '"', '""'), '"', "")
    return pc.if_else(is_quoted, quoted, texts)


def _texts(column: pa.Array) -> pa.Array:
    """Floats so that the same bits are read back, and times in UTC, by Arrow: value by value in Python they would take
    as long as the features."""
    if is_text(column):
        return column
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    if pa.types.is_floating(column.type) or pa.types.is_timestamp(column.type):
        return column.cast(pa.string())
    return text_column(as_texts(column))


def _ndjson(source: Source, names: Sequence[str], added: Sequence[str], results: Results) -> _Parts:
    """Numbers and booleans as they are, everything else as text."""
    keys = [*names, *added]
    for batch in _rows(source, names, results):
        rows = zip(*map(_values, batch.columns), strict=True)
        yield len(batch), b"".join(msgspec.json.encode(dict(zip(keys, row, strict=True))) + b"\n" for row in rows)


def _values(column: pa.Array) -> list[object]:
    type_ = column.type
    is_plain = pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_boolean(type_)
    return (column if is_plain else _texts(column)).to_pylist()  # type: ignore[no-any-return]


def _ndjson_again(source: Source, added: Sequence[str], results: Results) -> _Parts:
    """Each object as it stands in the file, with more keys; a line that is none as a text."""
    files = [one for one in files_of(source) if isinstance(one, NdjsonSource)]
    lines, first = chain.from_iterable(one.lines() for one in files), 0
    while some := list(islice(lines, LINES_AT_ONCE)):
        places = np.arange(first, first + len(some))
        first += len(some)
        values = zip(*(column.to_pylist() for column in new_columns(results, places)), strict=True)
        new = (msgspec.json.encode(dict(zip(added, row, strict=True))) for row in values)
        yield len(some), b"".join(_longer(line, more) for line, more in zip(some, new, strict=True))


def _longer(line: bytes, more: bytes) -> bytes:
    line = line.strip()
    try:
        is_object = isinstance(msgspec.json.decode(line), dict)
    except (ValueError, RecursionError, OverflowError):
        is_object = False
    if not is_object:
        line = msgspec.json.encode({"line": line.decode(errors="backslashreplace")})
    begin = line[:-1].rstrip()
    return begin + (b"" if begin.endswith(b"{") else b",") + more[1:] + b"\n"
