"""Columns to values: texts, numbers and labels. What cannot be read is noted by row; the other rows go on.

Whole columns are converted at once where that succeeds. Where it does not, row by row, with a wider grammar that
gives the same value for whatever the quick way accepts: what a row means never depends on its neighbours.
"""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from risk.diagnosis import rejected
from risk.events import Rejected, RejectReason

Bad = dict[int, Rejected]

# What tools write where a number is missing. NaN is not among them: an amount that is not a number is nonsense.
MISSING_NUMBERS = frozenset({"", "na", "n/a", "null", "none"})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan)", re.IGNORECASE | re.ASCII)
# A sign of a currency before or behind; thousands in groups of three, so that a decimal comma is not taken for one.
_MONEY = re.compile(r"([+-]?)\s*[$€£¥₹]?\s*([+-]?)(\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+\.?\d*|\.\d+)\s*[$€£¥₹]?", re.ASCII)
_LABELS = {"1": 1, "1.0": 1, "true": 1, "yes": 1, "0": 0, "0.0": 0, "false": 0, "no": 0, "": -1}


def is_text(array: pa.Array) -> bool:
    return bool(pa.types.is_string(array.type) or pa.types.is_large_string(array.type))


def as_texts(array: pa.Array) -> list[str | None]:
    """The values as text: whole numbers without a point, whatever type the file gave them."""
    type_ = array.type
    if is_text(array):
        return array.to_pylist()  # type: ignore[no-any-return]
    if pa.types.is_floating(type_):
        return [None if v is None else _float_text(v) for v in array.to_pylist()]
    if pa.types.is_boolean(type_):
        return [None if v is None else ("true" if v else "false") for v in array.to_pylist()]
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or pa.types.is_fixed_size_binary(type_):
        return [None if v is None else v.decode(errors="backslashreplace") for v in array.to_pylist()]
    if pa.types.is_integer(type_) or pa.types.is_decimal(type_):
        return array.cast(pa.string()).to_pylist()  # type: ignore[no-any-return]
    return [None if v is None else str(v) for v in array.to_pylist()]


def as_shared_texts(array: pa.Array) -> list[str | None]:
    """The same for a column of few values: each is made once, and its hash is computed once."""
    if not is_text(array):
        return as_texts(array)
    coded = array.dictionary_encode()
    if coded.null_count:
        return as_texts(array)
    words = np.array(coded.dictionary.to_pylist(), dtype=object)
    return words[coded.indices.to_numpy()].tolist()  # type: ignore[no-any-return]


def _float_text(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def as_amounts(array: pa.Array, bad: Bad) -> list[float | None]:
    expected = "a decimal number, such as 1234.50 or $1,234.50"
    return _as_numbers(array, "amount", expected, bad)


def as_attribute(array: pa.Array, name: str, bad: Bad) -> list[float | None]:
    """Here NaN is a missing value, which is what tools without a null write."""
    values = _as_numbers(array, f"attributes.{name}", "a number", bad)
    return [None if v is None or v != v else v for v in values]


def _as_numbers(array: pa.Array, field: str, expected: str, bad: Bad) -> list[float | None]:
    type_ = array.type
    if pa.types.is_decimal(type_):
        # By way of the text: Arrow's own conversion of decimals does not always round to the nearest float.
        return array.cast(pa.string()).cast(pa.float64()).to_pylist()  # type: ignore[no-any-return]
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        return array.cast(pa.float64(), safe=False).to_pylist()  # type: ignore[no-any-return]
    if pa.types.is_boolean(type_) and field != "amount":
        return array.cast(pa.float64()).to_pylist()  # type: ignore[no-any-return]
    if is_text(array):
        present = pc.if_else(pc.equal(array, ""), None, array)
        try:
            return present.cast(pa.float64()).to_pylist()  # type: ignore[no-any-return]
        except pa.ArrowInvalid:
            pass
    return [_number(i, text, field, expected, bad) for i, text in enumerate(as_texts(array))]


def _number(index: int, text: str | None, field: str, expected: str, bad: Bad) -> float | None:
    if text is None:
        return None
    plain = text.strip()
    if plain.lower() in MISSING_NUMBERS:
        return None
    if _NUMBER.fullmatch(plain):
        return float(plain)
    money = _MONEY.fullmatch(plain)
    if money is None or (money[1] and money[2]):
        bad[index] = rejected(RejectReason.WRONG_TYPE, field, text, expected)
        return None
    return float(money[1] + money[2] + money[3].replace(",", ""))


def as_labels(array: pa.Array, bad: Bad) -> np.ndarray:
    """1, 0, or -1 where the field is empty."""
    coded = array.dictionary_encode()
    meanings = np.empty(len(coded.dictionary) + 1, np.int8)
    meanings[-1] = -1  # null
    texts = as_texts(coded.dictionary)
    for place, text in enumerate(texts):
        meanings[place] = _LABELS.get((text or "").strip().lower(), -2)
    codes = coded.indices.fill_null(len(coded.dictionary)).to_numpy()
    labels = meanings[codes]
    for index in np.flatnonzero(labels == -2).tolist():
        bad[index] = rejected(
            RejectReason.WRONG_TYPE, "is_fraud", texts[codes[index]], "1, 0, true, false, yes, no or nothing"
        )
    return np.asarray(labels)
