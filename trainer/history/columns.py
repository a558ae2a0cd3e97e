"""Which columns a history has: those that a bundle learned from, and what it must not learn from, declared as such."""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pyarrow as pa

from risk.bundle import Manifest
from risk.catalogue import Kind
from risk.dataset.column_map import (
    ALL_NAMES,
    AmountColumn,
    Attribute,
    ColumnMap,
    LabelColumn,
    TextColumn,
    TimeColumn,
)
from risk.dataset.map_file import parse_map
from risk.dataset.parquet_file import MAP_KEY
from risk.dataset.written_map import write_map
from risk.engine import attribute_number, attribute_text
from risk.money import to_major
from risk.store import LabelledFlag
from trainer.history.labels import Known
from trainer.parquet_columns import number_column, text_column

TIME = pa.timestamp("ms", tz="UTC")
ALWAYS = ("transaction_id", "currency")
_attributes = msgspec.json.Decoder(dict[str, float | str])


def columns_of(manifest: Manifest) -> ColumnMap:
    """TrustLens' own names for all that the bundle was trained on, in its order: another one makes another model.
    Sensitive attributes travel with the messages, so
    they are in the store: as columns without a declaration, models would learn from them."""
    text = manifest.training.columns
    trained = None if text is None else parse_map(text, f"the column map of {manifest.version}")
    sensitive = () if trained is None else trained.sensitive
    kinds = {
        **dict.fromkeys(manifest.number_attributes, Kind.NUMBER),
        **dict.fromkeys(manifest.category_attributes, Kind.CATEGORY),
        **({} if trained is None else {one.name: one.kind for one in trained.attributes if one.name in sensitive}),
    }
    fields = {*ALWAYS, *manifest.fields, *(name for name in sensitive if name not in kinds)}
    return ColumnMap(
        texts={name: TextColumn(name) for name in ALL_NAMES if name in fields},
        event_time=TimeColumn("event_time"),
        amount=AmountColumn("amount"),
        is_fraud=LabelColumn("is_fraud"),
        labelled_at=TimeColumn("labelled_at"),
        attributes=tuple(Attribute(name, _column(name), kind) for name, kind in kinds.items()),
        sensitive=sensitive,
        learn_sensitive=() if trained is None else trained.learn_sensitive,
        path=f"the columns of {manifest.version}",
    )


def _column(attribute: str) -> str:
    """An attribute may be called like a field."""
    return f"attributes.{attribute}" if attribute in ALL_NAMES else attribute


def schema_of(columns: ColumnMap) -> pa.Schema:
    """The file says itself what its columns are, so that nobody has to guess the kinds of attributes."""
    types = {"event_time": TIME, "amount": pa.float64(), "is_fraud": pa.int8(), "labelled_at": TIME}
    fields = [(name, types.get(name, pa.string())) for name in ALL_NAMES if name in types or name in columns.texts]
    attributes = [(one.column, pa.float64() if one.kind is Kind.NUMBER else pa.string()) for one in columns.attributes]
    return pa.schema([*fields, *attributes], metadata={MAP_KEY: write_map(columns)})


def table_of(rows: Sequence[Known], columns: ColumnMap, schema: pa.Schema) -> pa.Table:
    return pa.Table.from_arrays(list(_arrays(rows, columns, schema)), schema=schema)


def _arrays(rows: Sequence[Known], columns: ColumnMap, schema: pa.Schema) -> Iterator[pa.Array]:
    flags, is_fraud, labelled_at = zip(*rows, strict=True)
    named = dict(zip(LabelledFlag._fields, zip(*flags, strict=True), strict=True))
    named |= {"is_fraud": is_fraud, "labelled_at": labelled_at}
    for name in ALL_NAMES:
        if name not in schema.names:
            continue
        values = named[name]
        if name == "amount":
            majors = [
                None if minor is None else to_major(minor, currency)
                for minor, currency in zip(values, named["currency"], strict=True)
            ]
            yield _numbers(majors, np.float64, pa.float64())
        elif name == "is_fraud":
            yield _numbers(values, np.int8, pa.int8())
        elif name in ("event_time", "labelled_at"):
            yield _numbers(values, np.int64, TIME)
        else:
            yield text_column(values)
    present = [{} if text is None else _attributes.decode(text) for text in named["attributes"]]
    for one in columns.attributes:
        found = [attributes.get(one.name) for attributes in present]
        if one.kind is Kind.NUMBER:
            numbers = np.array([attribute_number(value) for value in found], np.float64)
            yield number_column(numbers, pa.float64(), known=~np.isnan(numbers))
        else:
            yield text_column([attribute_text(value) for value in found])


def _numbers(values: Sequence[float | None], dtype: type, type_: pa.DataType) -> pa.Array:
    known = np.fromiter((value is not None for value in values), bool, len(values))
    return number_column(np.array([0 if value is None else value for value in values], dtype), type_, known=known)
