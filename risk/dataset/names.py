"""What a file means to somebody who gives no map: TrustLens' own column names, and the rest as attributes."""

import re
import shlex

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from risk.catalogue import Kind
from risk.dataset.column_map import (
    ALL_NAMES,
    REQUIRED,
    TEXT_FIELDS,
    AmountColumn,
    Attribute,
    ColumnMap,
    LabelColumn,
    TextColumn,
    TimeColumn,
)
from risk.dataset.source import Source
from risk.dataset.values import MISSING_NUMBERS, is_text, numbers_of
from risk.errors import DatasetError

SAMPLE_ROWS = 20_000
# A category with more values than this is a name or an id: too few rows of each to learn anything from.
MOST_CATEGORIES = 500
# So that a file of a dozen rows, in which everything is different, keeps its categories.
FEW_ROWS = 20
# What pandas and we call a column that had no name: an index that was saved, maybe before the rows were sorted.
_INDEX_NAME = re.compile(r"__index_level_\d+__|Unnamed: \d+|column_\d+|index|level_\d+")
LEAST_RISING = 0.99  # of the steps; two files in one begin to count again


def own_map(source: Source, path: str) -> ColumnMap:
    """The map of a file with TrustLens' own column names, or a DatasetError that says which are missing."""
    there = source.columns
    missing = [name for name in (*REQUIRED, "amount") if name not in there]
    if missing:
        raise DatasetError(
            f"{path}: has no column {', '.join(missing)}: expected TrustLens' own names, or a column map. The columns"
            f" are: {', '.join(there[:40])}. `python -m trainer inspect {shlex.quote(path)} --write map.toml` proposes"
            " a map."
        )
    return ColumnMap(
        texts={name: TextColumn(name) for name in TEXT_FIELDS if name in there},
        event_time=TimeColumn("event_time"),
        amount=AmountColumn("amount"),
        is_fraud=LabelColumn("is_fraud") if "is_fraud" in there else None,
        labelled_at=TimeColumn("labelled_at") if "labelled_at" in there and "is_fraud" in there else None,
        fraud_kind="fraud_kind" if "fraud_kind" in there and "is_fraud" in there else None,
        attributes=_attributes(source),
        path=path,
    )


def _attributes(source: Source) -> tuple[Attribute, ...]:
    rest = [name for name in source.columns if name not in ALL_NAMES and source.columns.count(name) == 1]
    rest = [name for name in rest if not is_nested_name(source.types[name])]
    if not rest:
        return ()
    sample = read_sample(source, rest, SAMPLE_ROWS)
    found = []
    for place, name in enumerate(rest):
        array = sample.column(place).combine_chunks()
        kind = kind_of(array)
        if kind is not None and not counts_rows(name, array):
            found.append(Attribute(name, name, kind))
    return tuple(found)


def counts_rows(name: str, array: pa.Array) -> bool:
    return kind_of(array) is Kind.NUMBER and is_row_number(name, _numbers(array))


def is_row_number(name: str, numbers: np.ndarray) -> bool:
    """Whole numbers that go up, or down, from row to row, with gaps after a filter: a clock, which no message has."""
    if not len(numbers) or (numbers % 1 != 0).any():
        return False
    if _INDEX_NAME.fullmatch(name) and len(np.unique(numbers)) == len(numbers):
        return True
    return len(numbers) >= FEW_ROWS and bool(abs(np.sign(np.diff(numbers)).mean()) >= LEAST_RISING)


def is_nested_name(type_: str) -> bool:
    """Of a type as a source names it: values that hold values."""
    return type_.startswith(("list", "large_list", "fixed_size_list", "struct", "map", "dense_union", "sparse_union"))


def read_sample(source: Source, columns: list[str], rows: int) -> pa.Table:
    """The first rows."""
    batches: list[pa.RecordBatch] = []
    taken = 0
    for piece in source.pieces(columns):
        batches.append(piece.table)
        taken += piece.table.num_rows
        if taken >= rows:
            break
    if not batches:
        return pa.table([pa.array([], pa.string()) for _ in columns], names=columns)
    return pa.Table.from_batches(batches).slice(0, rows)


def kind_of(array: pa.Array) -> Kind | None:
    """A number, a category of few values, or neither."""
    type_ = array.type
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return Kind.NUMBER if array.null_count < len(array) else None
    if pa.types.is_boolean(type_):
        return Kind.NUMBER if array.null_count < len(array) else None
    if not is_text(array):
        return None
    present = present_texts(array)
    if not len(present):
        return None
    if are_numbers(present):
        return Kind.NUMBER
    different = pc.count_distinct(present).as_py()
    return Kind.CATEGORY if different <= MOST_CATEGORIES and different * 2 <= max(len(present), FEW_ROWS) else None


def present_texts(array: pa.Array) -> pa.Array:
    """Without what is missing."""
    words = pc.utf8_lower(pc.utf8_trim_whitespace(array))
    missing = pc.is_in(words, value_set=pa.array([*MISSING_NUMBERS, "nan"]))
    return array.filter(pc.and_not(pc.is_valid(array), missing))


def _numbers(array: pa.Array) -> np.ndarray:
    """Of a column whose kind is number."""
    present = pc.utf8_trim_whitespace(present_texts(array)) if is_text(array) else array.drop_null()
    return numbers_of(present.cast(pa.float64()))


def are_numbers(present: pa.Array) -> bool:
    """The first few are tried first: a conversion that fails goes through all values before it says so."""
    try:
        for values in (present.slice(0, 100), present):
            pc.utf8_trim_whitespace(values).cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True
