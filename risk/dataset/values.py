"""Columns to values: texts, numbers and labels. What cannot be read is noted by row; the other rows go on.

Whole columns are converted at once where that succeeds. Where it does not, row by row, with a wider grammar that
gives the same value for whatever the quick way accepts: what a value means never depends on its neighbours.
"""

import math
import re
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from risk.diagnosis import rejected
from risk.events import Rejected, RejectReason
from risk.words import number_text

Bad = dict[int, Rejected]

# What tools write where a number is missing. NaN is not among them: an amount that is not a number is nonsense.
MISSING_NUMBERS = frozenset({"", "na", "n/a", "null", "none"})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan)", re.IGNORECASE | re.ASCII)
# A sign of a currency before or behind; thousands in groups of three, so that a decimal comma is not taken for one.
_MONEY = re.compile(r"([+-]?)\s*[$€£¥₹]?\s*([+-]?)(\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+\.?\d*|\.\d+)\s*[$€£¥₹]?", re.ASCII)
# The same where a comma stands before the decimals: then a point, a space or an apostrophe parts the thousands.
_MONEY_COMMA = re.compile(
    r"([+-]?)\s*[$€£¥₹]?\s*([+-]?)"
    r"(\d{1,3}(?:([. '\u2019\u00a0\u202f])\d{3})(?:\4\d{3})*(?:,\d*)?|\d+,?\d*|,\d+)\s*[$€£¥₹]?",
    re.ASCII,
)
_PLAIN_COMMA = r"^([+-]?[0-9]+(,[0-9]+)?)?$"
_NOT_FINITE = re.compile(r"[+-]?(inf|infinity|nan)", re.IGNORECASE)
_LABELS = {"1": 1, "1.0": 1, "true": 1, "yes": 1, "0": 0, "0.0": 0, "false": 0, "no": 0, "": -1}


def is_text(array: pa.Array) -> bool:
    return bool(pa.types.is_string(array.type))


def numbers_of(array: pa.Array) -> np.ndarray:
    """A column of numbers, to be read only; where it is null, it holds anything. `to_numpy` and `fill_null` would
    import pandas, which takes as long as the features of 60,000 rows."""
    if not len(array):
        return np.empty(0, array.type.to_pandas_dtype())
    return np.from_dlpack(pa.Array.from_buffers(array.type, len(array), [None, array.buffers()[1]], 0, array.offset))


def are_null(array: pa.Array) -> np.ndarray:
    return numbers_of(array.is_null().cast(pa.uint8())).astype(bool)


def as_texts(array: pa.Array) -> list[str | None]:
    """The values as text: whole numbers without a point, whatever type the file gave them."""
    type_ = array.type
    if is_text(array):
        return array.to_pylist()  # type: ignore[no-any-return]
    if pa.types.is_floating(type_):
        return [None if v is None else number_text(v) for v in array.to_pylist()]
    if pa.types.is_boolean(type_):
        return [None if v is None else ("true" if v else "false") for v in array.to_pylist()]
    if pa.types.is_integer(type_):
        return array.cast(pa.string()).to_pylist()  # type: ignore[no-any-return]
    if pa.types.is_decimal(type_):
        return [None if v is None else _decimal_text(v) for v in array.to_pylist()]
    try:
        return [None if v is None else str(v) for v in array.to_pylist()]
    except (OverflowError, ValueError):
        return [_as_text(value) if value.is_valid else None for value in array]


def _as_text(value: pa.Scalar) -> str:
    """Python has no year for what DuckDB writes as infinity: such a value is said as the file counts it."""
    try:
        return str(value.as_py())
    except (OverflowError, ValueError):
        type_ = value.type
        unit = "days" if pa.types.is_date32(type_) else "ms" if pa.types.is_date64(type_) else type_.unit
        since = " since 1970" if pa.types.is_timestamp(type_) or pa.types.is_date(type_) else ""
        return f"{value.value} {unit}{since}"


def _decimal_text(value: Decimal) -> str:
    """As the same number has it in another type: 12, not 12.00."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def as_shared_texts(array: pa.Array) -> list[str | None]:
    """The same for a column of few values: each is made once, and its hash is computed once."""
    if not is_text(array):
        return as_texts(array)
    coded = array.dictionary_encode()
    if coded.null_count:
        return as_texts(array)
    words = np.array(coded.dictionary.to_pylist(), dtype=object)
    return words[numbers_of(coded.indices)].tolist()  # type: ignore[no-any-return]


def as_amounts(array: pa.Array, bad: Bad, decimal: str = ".") -> list[float | None]:
    example = "1234.50 or $1,234.50" if decimal == "." else "1234,50 or 1.234,50 €"
    return _as_numbers(array, "amount", f"a decimal number, such as {example}", bad, decimal)


def as_attribute(array: pa.Array, name: str, bad: Bad, decimal: str = ".") -> list[float | None]:
    """Here NaN is a missing value, which is what tools without a null write."""
    values = _as_numbers(array, f"attributes.{name}", "a number", bad, decimal)
    if math.inf in values or -math.inf in values:
        for index in [place for place, value in enumerate(values) if value is not None and abs(value) == math.inf]:
            (got,) = array.slice(index, 1).to_pylist()
            bad[index] = rejected(RejectReason.NOT_FINITE, f"attributes.{name}", got, "a finite number")
    return [None if v is None or v != v else v for v in values]


def _as_numbers(array: pa.Array, field: str, expected: str, bad: Bad, decimal: str) -> list[float | None]:
    type_ = array.type
    if pa.types.is_decimal(type_):
        # By way of the text: Arrow's own conversion of decimals does not always round to the nearest float.
        return array.cast(pa.string()).cast(pa.float64()).to_pylist()  # type: ignore[no-any-return]
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        return array.cast(pa.float64(), safe=False).to_pylist()  # type: ignore[no-any-return]
    if pa.types.is_boolean(type_) and field != "amount":
        return array.cast(pa.float64()).to_pylist()  # type: ignore[no-any-return]
    numbers = _numbers_at_once(array, decimal) if is_text(array) else None
    if numbers is not None:
        return numbers.to_pylist()  # type: ignore[no-any-return]
    read = _number if decimal == "." else _number_with_comma
    values: list[float | None] = []
    for index, text in enumerate(as_texts(array)):
        plain = (text or "").strip()
        is_missing = plain.lower() in MISSING_NUMBERS
        values.append(None if is_missing else read(plain))
        if values[-1] is None and not is_missing:
            is_comma = decimal == "." and _number_with_comma(plain) is not None
            cure = '; or decimal = "," in the map, where a comma stands before the decimals' if is_comma else ""
            bad[index] = rejected(RejectReason.WRONG_TYPE, field, text, expected + cure)
    return values


def _numbers_at_once(array: pa.Array, decimal: str) -> pa.Array | None:
    """None where a value needs the wider grammar."""
    present = pc.if_else(pc.equal(array, ""), None, array)
    if decimal == ",":
        if pc.all(pc.match_substring_regex(present, _PLAIN_COMMA)).as_py() is False:
            return None
        present = pc.replace_substring(present, ",", ".")
    try:
        numbers = present.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    # Arrow would take nan(...) for a number too.
    is_doubtful = pc.any(pc.is_nan(numbers)).as_py() and pc.any(pc.match_substring(present, "(")).as_py()
    return None if is_doubtful else numbers


def _number(plain: str) -> float | None:
    if _NUMBER.fullmatch(plain):
        return float(plain)
    money = _MONEY.fullmatch(plain)
    if money is None or (money[1] and money[2]):
        return None
    return float(money[1] + money[2] + money[3].replace(",", ""))


def _number_with_comma(plain: str) -> float | None:
    if _NOT_FINITE.fullmatch(plain):
        return float(plain)
    money = _MONEY_COMMA.fullmatch(plain)
    if money is None or (money[1] and money[2]):
        return None
    whole, _, decimals = money[3].partition(",")
    return float(f"{money[1]}{money[2]}{''.join(filter(str.isdigit, whole))}.{decimals or 0}")


def as_labels(array: pa.Array, bad: Bad, fraud: Sequence[str] = (), genuine: Sequence[str] = ()) -> np.ndarray:
    """1, 0, or -1 where the field is empty. A map's own words are compared as they stand."""
    own = {**dict.fromkeys(fraud, 1), **dict.fromkeys(genuine, 0), "": -1}
    expected = f"{', '.join([*fraud, *genuine])} or nothing" if fraud else "1, 0, true, false, yes, no or nothing"
    coded = array.dictionary_encode()
    meanings = np.empty(len(coded.dictionary) + 1, np.int8)
    meanings[-1] = -1  # null
    texts = as_texts(coded.dictionary)
    for place, text in enumerate(texts):
        plain = (text or "").strip()
        meanings[place] = own.get(plain, -2) if fraud else _LABELS.get(plain.lower(), -2)
    codes = np.where(are_null(coded.indices), len(coded.dictionary), numbers_of(coded.indices))
    labels = meanings[codes]
    for index in np.flatnonzero(labels == -2).tolist():
        bad[index] = rejected(RejectReason.WRONG_TYPE, "is_fraud", texts[codes[index]], expected)
    return np.asarray(labels)
