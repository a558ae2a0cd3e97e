"""A piece of a file becomes transactions and labels; a row that is none becomes a bad row with its reason."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from risk.block import NAMES, NO_ATTRIBUTES, Block, LabelBlock
from risk.block_codec import doubtful, minor_units, without_empty
from risk.catalogue import Kind
from risk.clock import DAY
from risk.codec import MOST_ATTRIBUTES, MOST_CHARACTERS, checked
from risk.dataset.column_map import TEXT_FIELDS, ColumnMap, Constant, RowNumber, TextColumn
from risk.dataset.source import BadRow, Piece
from risk.dataset.times import MISSING, as_times, check_range, time_values
from risk.dataset.values import Bad, as_amounts, as_attribute, as_labels, as_shared_texts, as_texts, is_text
from risk.diagnosis import rejected
from risk.events import Rejected, RejectReason

DEFAULT_LABEL_DELAY = 3 * DAY  # where a file does not say when its labels were known
NUMBERS_REFUSED = {
    RejectReason.NOT_FINITE,
    RejectReason.REFUND,
    RejectReason.AMOUNT_TOO_LARGE,
    RejectReason.TIME_OUT_OF_RANGE,
}
UNKNOWN = -1  # of is_fraud and labelled_at
OPTIONAL_TEXTS = ("merchant_id", "merchant_category", "channel", "device_id", "country")
FEW_VALUES = ("currency", "merchant_category", "channel", "country")

T = TypeVar("T")


class Rows(NamedTuple):
    """One chunk, in order. Bad rows are not in it."""

    block: Block
    is_fraud: np.ndarray  # int8: 1, 0, -1 not known
    labelled_at: np.ndarray  # int64 ms, -1 where there is no label
    fraud_kind: list[str | None]  # only evaluation may read it
    row_numbers: np.ndarray  # int64, 1-based data row of the file

    def labels(self) -> LabelBlock:
        """What somebody found out, as far as somebody did."""
        known = np.flatnonzero((self.is_fraud != UNKNOWN) & (self.labelled_at != UNKNOWN))
        identities, customers = (
            [column[row] for row in known.tolist()] for column in (self.block.transaction_id, self.block.customer_id)
        )
        return LabelBlock(identities, customers, self.is_fraud[known] == 1, self.labelled_at[known], "dataset")


class Marks(NamedTuple):
    """What a piece of a file says of labels, in the file's order; rows that are bad otherwise are among them."""

    times: np.ndarray  # int64 ms, MISSING where a row has none
    is_fraud: np.ndarray
    labelled_at: np.ndarray
    transaction_ids: list[str | None] | None
    customer_ids: list[str | None] | None


def read_marks(piece: Piece, column_map: ColumnMap, *, with_ids: bool) -> Marks:
    bad: Bad = {}
    times = as_times(time_values(piece.table, column_map.event_time), column_map.event_time, "event_time", bad)
    is_fraud, labelled_at = _labels(piece, column_map, times, bad)
    if not with_ids:
        return Marks(times, is_fraud, labelled_at, None, None)
    ids = _texts(piece, column_map, "transaction_id")
    customers = _texts(piece, column_map, "customer_id") if "customer_id" in column_map.texts else ids
    return Marks(times, is_fraud, labelled_at, ids, customers)


def read_rows(piece: Piece, column_map: ColumnMap) -> tuple[Rows, list[BadRow]]:
    """Every row passes the check that messages pass."""
    bad: Bad = {}
    count = piece.table.num_rows
    times = as_times(time_values(piece.table, column_map.event_time), column_map.event_time, "event_time", bad)
    for index in np.flatnonzero(times == MISSING).tolist():
        bad.setdefault(index, rejected(RejectReason.MISSING_FIELD, "event_time", None, "the time of the transaction"))
    amounts = _amounts(piece, column_map, bad)
    is_fraud, labelled_at = _labels(piece, column_map, times, bad)
    texts = {name: _texts(piece, column_map, name) for name in TEXT_FIELDS}
    if "customer_id" not in column_map.texts:
        texts["customer_id"] = texts["transaction_id"]
    columns: list[Any] = [
        times if name == "event_time" else amounts if name == "amount" else texts.get(name) for name in NAMES
    ]
    columns[-1] = _attributes(piece, column_map, bad)
    for row in np.flatnonzero(_refused(columns)).tolist():
        values: list[Any] = [int(times[row]) if column is times else column[row] for column in columns]
        answer = checked(*values)
        assert isinstance(answer, Rejected), "a row was refused that the codec takes"
        bad.setdefault(row, answer)
    for index, why in bad.items():
        bad[index] = _in_the_files_words(piece, column_map, index, why)
    kinds = (
        [None] * count if column_map.fraud_kind is None else as_shared_texts(piece.table.column(column_map.fraud_kind))
    )
    good = np.ones(count, bool)
    good[list(bad)] = False
    rows = Rows(
        _block(columns, good),
        is_fraud[good],
        labelled_at[good],
        [kind or None for kind in _only(kinds, good)],
        piece.rows[good],
    )
    return rows, [_bad_row(piece, index, why) for index, why in sorted(bad.items())]


def _refused(columns: Sequence[Any]) -> np.ndarray:
    """Which rows `codec.checked` refuses; why, it says of each of them."""
    identities, times, customers, currencies, *_, attributes = columns
    amounts = columns[NAMES.index("amount")]
    majors = np.array(amounts, np.float64)
    refused = doubtful(identities, times, customers, currencies, majors)
    nan = np.isnan(majors)
    if nan.any():  # an amount that is NaN is nonsense, and not a missing one
        refused |= nan & np.fromiter([amount is not None for amount in amounts], bool, len(amounts))
    for name, texts in zip(NAMES, columns, strict=True):
        if name in TEXT_FIELDS:
            _add_odd_texts(refused, texts)
    if any(attributes):
        refused |= np.fromiter(map(_are_odd, attributes), bool, len(attributes))
    return refused


def _add_odd_texts(refused: np.ndarray, texts: Sequence[str | None]) -> None:
    """Those that are too long, or hold NUL."""
    present = list(filter(None, texts))
    if "\0" in "".join(present) or max(map(len, present), default=0) > MOST_CHARACTERS:
        refused |= np.fromiter([text is not None and _is_odd(text) for text in texts], bool, len(texts))


def _is_odd(value: float | str) -> bool:
    if isinstance(value, str):
        return len(value) > MOST_CHARACTERS or "\0" in value
    return value - value != 0


def _are_odd(attributes: dict[str, float | str]) -> bool:
    return len(attributes) > MOST_ATTRIBUTES or any(map(_is_odd, attributes)) or any(map(_is_odd, attributes.values()))


def _block(columns: Sequence[Any], good: np.ndarray) -> Block:
    if not good.all():
        columns = [column[good] if isinstance(column, np.ndarray) else _only(column, good) for column in columns]
    named = dict(zip(NAMES, columns, strict=True))
    texts = {name: without_empty(named[name]) for name in OPTIONAL_TEXTS}
    amounts = minor_units(np.array(named["amount"], np.float64), named["currency"])
    return Block(**{**named, **texts, "amount": amounts})


def _in_the_files_words(piece: Piece, column_map: ColumnMap, index: int, why: Rejected) -> Rejected:
    """What was refused as a number is shown as the text that the file has: '-5.00', not -5.0."""
    if why.reason not in NUMBERS_REFUSED:
        return why
    row = piece.table.slice(index, 1)
    field = why.detail.partition(":")[0]
    if field == "amount" and column_map.amount is not None:
        array = row.column(column_map.amount.column)
    elif field == "event_time":
        array = time_values(row, column_map.event_time)
    elif field == "labelled_at" and column_map.labelled_at is not None:
        array = time_values(row, column_map.labelled_at)
    else:
        return why
    if not is_text(array):
        return why
    return rejected(why.reason, field, array[0].as_py(), why.detail.rpartition(", expected ")[2])


def _bad_row(piece: Piece, index: int, why: Rejected) -> BadRow:
    line = None if piece.lines is None else int(piece.lines[index])
    row = piece.table.slice(index, 1)
    texts = ((name, as_texts(row.column(place))[0]) for place, name in enumerate(piece.table.schema.names))
    values = {name: text for name, text in texts if text is not None}
    return BadRow.of(int(piece.rows[index]), line, why, values)


def _only(values: Sequence[T], good: np.ndarray) -> list[T]:
    return [value for value, is_good in zip(values, good.tolist(), strict=True) if is_good]


def _texts(piece: Piece, column_map: ColumnMap, name: str) -> list[str | None]:
    match column_map.texts.get(name):
        case TextColumn(column=column):
            array = piece.table.column(column)
            return as_shared_texts(array) if name in FEW_VALUES else as_texts(array)
        case Constant(value=value):
            return [value] * piece.table.num_rows
        case RowNumber():
            return [str(row) for row in piece.rows.tolist()]
        case _:
            return [None] * piece.table.num_rows


def _amounts(piece: Piece, column_map: ColumnMap, bad: Bad) -> Sequence[float | None]:
    if column_map.amount is None:
        return [None] * piece.table.num_rows
    return as_amounts(piece.table.column(column_map.amount.column), bad, column_map.amount.decimal)


def _attributes(piece: Piece, column_map: ColumnMap, bad: Bad) -> list[dict[str, float | str]]:
    """One dictionary a row, with the attributes that the row has."""
    if not column_map.attributes:
        return [NO_ATTRIBUTES] * piece.table.num_rows
    names = [attribute.name for attribute in column_map.attributes]
    columns: list[Sequence[float | str | None]] = [
        as_attribute(piece.table.column(one.column), one.name, bad, one.decimal)
        if one.kind is Kind.NUMBER
        else as_shared_texts(piece.table.column(one.column))
        for one in column_map.attributes
    ]
    return [
        {name: value for name, value in zip(names, values, strict=True) if value is not None and value != ""}
        for values in zip(*columns, strict=True)
    ]


def _labels(piece: Piece, column_map: ColumnMap, times: np.ndarray, bad: Bad) -> tuple[np.ndarray, np.ndarray]:
    count = piece.table.num_rows
    if column_map.is_fraud is None:
        return np.full(count, UNKNOWN, np.int8), np.full(count, UNKNOWN, np.int64)
    label = column_map.is_fraud
    is_fraud = as_labels(piece.table.column(label.column), bad, label.fraud, label.genuine)
    if column_map.labelled_at is None:
        labelled_at = np.where(times == MISSING, UNKNOWN, times + DEFAULT_LABEL_DELAY)
    else:
        column = time_values(piece.table, column_map.labelled_at)
        labelled_at = as_times(column, column_map.labelled_at, "labelled_at", bad)
        check_range(labelled_at, "labelled_at", bad)
        labelled_at = np.where(labelled_at == MISSING, UNKNOWN, labelled_at)
    return is_fraud, np.where(is_fraud == UNKNOWN, UNKNOWN, labelled_at)
