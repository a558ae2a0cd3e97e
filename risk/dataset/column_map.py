"""What a column map is: which column of a foreign file is which field of a transaction.

docs/datasets.md explains its forms; map_file.py beside this file reads them from TOML, written_map.py writes them.
"""

import difflib
from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from risk.catalogue import Kind
from risk.errors import DatasetError

# How many of a unit make a millisecond, or how many milliseconds it has: (multiply by, divide by).
UNITS: dict[str, tuple[int, int]] = {
    "nanoseconds": (1, 1_000_000),
    "microseconds": (1, 1_000),
    "milliseconds": (1, 1),
    "seconds": (1_000, 1),
    "minutes": (60_000, 1),
    "hours": (3_600_000, 1),
    "days": (86_400_000, 1),
}

# In the order in which `codec.checked` takes them, without event_time and amount.
TEXT_FIELDS = (
    "transaction_id",
    "customer_id",
    "currency",
    "merchant_id",
    "merchant_category",
    "channel",
    "device_id",
    "country",
)
LABEL_FIELDS = ("is_fraud", "labelled_at", "fraud_kind")
ALL_NAMES = (*TEXT_FIELDS, "event_time", "amount", *LABEL_FIELDS)
REQUIRED = ("transaction_id", "event_time", "currency")
# Fields that say something of a person, maybe: they may be declared as sensitive, as attributes may.
CATEGORY_FIELDS = ("merchant_category", "channel", "country")
NAME_LISTS = ("sensitive", "learn_sensitive")
DECIMAL_MARKS = (".", ",")


class TextColumn(Struct, frozen=True):
    """The column's values as text, as they stand."""

    column: str


class Constant(Struct, frozen=True):
    """The same text in every row."""

    value: str


class RowNumber(Struct, frozen=True):
    """The number of the data row, counted from 1: for files without an id."""


class TimeColumn(Struct, frozen=True):
    """Without format and unit: RFC 3339, ISO 8601 without a zone, or a timestamp type."""

    column: str
    format: str | None = None
    unit: str | None = None
    origin: int = 0  # milliseconds UTC of the time that the number 0 stands for
    beside: tuple[str, ...] = ()  # further columns, joined to the first by one space: the format is of them all
    zone: str | None = None  # of times that bring none; UTC without

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column, *self.beside)


class AmountColumn(Struct, frozen=True):
    """Decimal numbers in major units. Where the mark before the decimals is a comma, others part the thousands."""

    column: str
    decimal: str = "."


class LabelColumn(Struct, frozen=True):
    """Without words of its own: 1, 0, true, false, yes, no. With them, these and no others."""

    column: str
    fraud: tuple[str, ...] = ()
    genuine: tuple[str, ...] = ()


class Attribute(Struct, frozen=True):
    """A further column that travels with the transaction."""

    name: str
    column: str
    kind: Kind
    decimal: str = "."


TextSource = TextColumn | Constant | RowNumber


class ColumnMap(Struct, frozen=True):
    """Which column is which field. A field that the file does not have is None or not in `texts`."""

    texts: dict[str, TextSource]
    event_time: TimeColumn
    amount: AmountColumn | None = None
    is_fraud: LabelColumn | None = None
    labelled_at: TimeColumn | None = None
    fraud_kind: str | None = None
    attributes: tuple[Attribute, ...] = ()
    sensitive: tuple[str, ...] = ()  # attributes and fields that are measured by group
    learn_sensitive: tuple[str, ...] = ()  # those of them that models may learn from all the same
    path: str = "the column map"  # for messages: where it was written down

    @property
    def not_learned(self) -> tuple[str, ...]:
        """Attributes and fields that no model learns from."""
        return tuple(name for name in self.sensitive if name not in self.learn_sensitive)

    def columns_by_key(self) -> Iterator[tuple[str, str]]:
        """Each key of the map that reads a column, with that column."""
        for name, source in self.texts.items():
            if isinstance(source, TextColumn):
                yield name, source.column
        for column in self.event_time.columns:
            yield "event_time", column
        if self.amount is not None:
            yield "amount", self.amount.column
        yield from self.label_columns()
        for attribute in self.attributes:
            yield f"attributes.{attribute.name}", attribute.column

    def label_columns(self) -> Iterator[tuple[str, str]]:
        if self.is_fraud is not None:
            yield "is_fraud", self.is_fraud.column
        for column in () if self.labelled_at is None else self.labelled_at.columns:
            yield "labelled_at", column
        if self.fraud_kind is not None:
            yield "fraud_kind", self.fraud_kind

    def check_columns(self, columns: Iterable[str], file: str) -> None:
        """Every column that the map reads is in the file. What is read as something else is no likely slip."""
        there, read = list(columns), {column for _, column in self.columns_by_key()}
        for key, column in self.columns_by_key():
            if column not in there:
                free = [name for name in there if name not in read]
                near = near_matches(column, free) or f" The columns are: {', '.join(there[:40])}."
                raise mistake(self.path, key, column, f"a column of {file}", near)

    @property
    def without_labels(self) -> "ColumnMap":
        return replace(self, is_fraud=None, labelled_at=None, fraud_kind=None)


def mistake(path: str, key: str, value: object, expected: str, advice: str = "") -> DatasetError:
    """One wording for everything that can be wrong in a map."""
    return DatasetError(f"{path}: {key} = {_shown(value)}: expected {expected}.{advice}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def near_matches(word: str, words: Iterable[str]) -> str:
    """A sentence with the likely slips, or nothing."""
    by_lower = {w.lower(): w for w in words}
    near = [by_lower[w] for w in difflib.get_close_matches(word.lower(), by_lower, n=3, cutoff=0.6)]
    return f" Did you mean {' or '.join(near)}?" if near else ""


def check_apart(column_map: ColumnMap) -> ColumnMap:
    """Neither a label nor what is sensitive comes in under another name."""
    _check_labels_apart(column_map)
    _check_sensitive_apart(column_map)
    return column_map


def _check_sensitive_apart(column_map: ColumnMap) -> None:
    """What no model learns from may not be learned from by way of another name of the same column."""
    read = list(column_map.columns_by_key())
    kept = {*column_map.not_learned, *(f"attributes.{name}" for name in column_map.not_learned)}
    secret = {column: key for key, column in read if key in kept}
    for key, column in read:
        if key not in kept and column in secret:
            raise mistake(
                column_map.path,
                key,
                column,
                f"a column that is not sensitive, as {secret[column]} is",
                f" A model would learn from it as {key}. Leave {key} away, or say learn_sensitive.",
            )


def _check_labels_apart(column_map: ColumnMap) -> None:
    """The label may teach and judge; as a part of the transaction it would give the answer away."""
    labels = list(column_map.label_columns())
    if column_map.is_fraud is None and labels:
        key, column = labels[0]
        raise mistake(column_map.path, key, column, "a map that has is_fraud too", " Add is_fraud, or leave this away.")
    secret = {column: key for key, column in reversed(labels)}
    for key, column in column_map.columns_by_key():
        if key in LABEL_FIELDS:
            continue
        name = key.removeprefix("attributes.")
        told = secret.get(column) or (column if column in LABEL_FIELDS else None)
        if told is None and key.startswith("attributes.") and name in LABEL_FIELDS:
            told = name
        if told is not None:
            raise mistake(
                column_map.path,
                key,
                column,
                f"a column that does not hold {told}",
                f" The label, labelled_at and fraud_kind can never be an attribute or a field. Leave {key} away.",
            )
