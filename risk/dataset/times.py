"""Columns to event times: integer milliseconds UTC, out of texts, numbers since an origin, or timestamp types."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from risk.clock import DAY, EARLIEST, LATEST, to_ms
from risk.dataset.column_map import UNITS, TimeColumn
from risk.dataset.values import Bad, are_null, as_texts, is_text, numbers_of
from risk.dataset.zones import to_utc
from risk.diagnosis import rejected
from risk.errors import DatasetError
from risk.events import RejectReason

Milliseconds = Callable[[np.ndarray], np.ndarray]
Read = Callable[[str], datetime]

MISSING = np.iinfo(np.int64).min
LONGEST_NUMBER = 40  # characters; a time has far fewer
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DECIMAL = re.compile(r"([+-]?(?=\.?\d)\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?", re.ASCII)
_ZONE = re.compile(r"(Z|[+-]\d\d:?\d\d)$")


def as_times(array: pa.Array, source: TimeColumn, field: str, bad: Bad | None) -> np.ndarray:
    """Milliseconds; MISSING where the column is empty. What cannot be read is in `bad`, and MISSING too; None spares
    the work for who does not want to know: to say why costs more than to find out."""
    times = _as_written(array, source, field, bad)
    return times if source.zone is None else np.where(times == MISSING, MISSING, to_utc(times, source.zone))


def _as_written(array: pa.Array, source: TimeColumn, field: str, bad: Bad | None) -> np.ndarray:
    """What brings no zone as if it were UTC."""
    if pa.types.is_timestamp(array.type):
        return _from_timestamps(array)
    if pa.types.is_date(array.type):
        days = array.cast(pa.date32()).cast(pa.int32())
        return _filled(pc.cast(days, pa.int64()), lambda d: d * DAY)
    if source.unit is not None:
        return _from_numbers(array, source, field, bad)
    if source.format is not None:
        return _from_format(array, source, field, bad)
    if is_text(array):
        return _from_iso(array, source, field, bad)
    texts = as_texts(array)
    return _row_by_row(
        texts, source, field, 'a time; for numbers the map must name a unit, such as unit = "seconds"', bad, None
    )


def time_values(table: pa.RecordBatch, source: TimeColumn) -> pa.Array:
    """The column that holds the time, or the texts of several joined by one space; empty only where all are."""
    if not source.beside:
        return table.column(source.column)
    parts = [[text or "" for text in as_texts(table.column(name))] for name in source.columns]
    return pa.array([" ".join(texts).strip() for texts in zip(*parts, strict=True)], pa.string())


def check_time_type(type_: str, source: TimeColumn, path: str, key: str) -> None:
    """What a typed file makes plain before a row is read: a unit is for numbers, and numbers need one."""
    if source.beside:
        return  # joined columns are read as text, whatever their types
    advice = f"{path}: {key} reads the column {source.column!r} of type {type_}: expected "
    if source.zone is not None and "tz=" in type_:
        raise DatasetError(f"{advice}no zone beside it, for its times bring their own. Leave it away.")
    is_moment = type_.startswith(("timestamp", "date"))
    is_number = type_.startswith(("int", "uint", "float", "double", "halffloat", "decimal"))
    if is_moment and (source.unit or source.format):
        raise DatasetError(f"{advice}neither unit nor format beside it. Leave them away.")
    if is_number and source.unit is None and source.format is None:
        raise DatasetError(
            f'{advice}a unit beside it, such as {{column = "{source.column}", unit = "seconds"}}. Add it.'
        )
    if type_.startswith(("time32", "time64", "duration", "bool")):
        raise DatasetError(f"{advice}a date with a time. Map another column.")


def check_range(times: np.ndarray, field: str, bad: Bad) -> None:
    outside = (times != MISSING) & ((times < EARLIEST) | (times >= LATEST))
    for index in np.flatnonzero(outside).tolist():
        value = f"{int(times[index])} ms since 1970"
        bad.setdefault(
            index, rejected(RejectReason.TIME_OUT_OF_RANGE, field, value, "a time from 1990 until before 2200")
        )


def _filled(numbers: pa.Array, to_milliseconds: Milliseconds) -> np.ndarray:
    return np.where(are_null(numbers), MISSING, to_milliseconds(numbers_of(numbers))).astype(np.int64)


def _from_timestamps(array: pa.Array) -> np.ndarray:
    per_second = _PER_SECOND[array.type.unit]
    numbers = array.cast(pa.timestamp(array.type.unit)).cast(pa.int64())
    if per_second == 1:
        return _filled(numbers, lambda n: n * 1_000)
    return _filled(numbers, lambda n: n // (per_second // 1_000))


def _from_iso(array: pa.Array, source: TimeColumn, field: str, bad: Bad | None) -> np.ndarray:
    present = pc.if_else(pc.equal(array, ""), None, array)
    # One try, with or without a zone as the first value has it: a conversion that fails costs more than it saves.
    first = next((text for text in present if text.is_valid), pa.scalar("")).as_py()
    zoned = source.zone is None and brings_zone(first)
    try:
        return _from_timestamps(present.cast(pa.timestamp("us", "UTC" if zoned else None)))
    except pa.ArrowInvalid:
        pass
    expected = "a time such as 2024-01-31T10:00:00Z or 2024-01-31 10:00:00"
    if source.zone is not None:
        expected = f"a time such as 2024-01-31 10:00:00, without a zone, for the map says {source.zone}"
    return _row_by_row(as_texts(array), source, field, expected, bad, datetime.fromisoformat)


def brings_zone(text: str) -> bool:
    return _ZONE.search(text) is not None


def _row_by_row(
    texts: list[str | None], source: TimeColumn, field: str, expected: str, bad: Bad | None, read: Read | None
) -> np.ndarray:
    times = np.full(len(texts), MISSING, np.int64)
    for index, text in enumerate(texts):
        if text is None or not text.strip():
            continue
        try:
            if read is None:
                raise ValueError(text)
            moment = read(text.strip())
            if moment.tzinfo is not None and source.zone is not None:
                raise ValueError(text)
            times[index] = to_ms(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)
        except (ValueError, OverflowError):
            if bad is not None:
                bad[index] = rejected(RejectReason.BAD_TIME, field, text, expected)
    return times


def _from_format(array: pa.Array, source: TimeColumn, field: str, bad: Bad | None) -> np.ndarray:
    import pandas as pd  # a third of a second to load, and few files need it

    texts = [text or "" for text in as_texts(array)]  # 20240131 may be a number
    try:
        moments = pd.to_datetime(pd.Series(texts, dtype=object), format=source.format, errors="coerce", utc=True)
    except ValueError as error:
        raise DatasetError(
            f"{field}.format = {source.format!r}: cannot be used ({error}): expected another."
        ) from error
    failed = moments.isna().to_numpy()
    values = moments.dt.tz_convert(None).to_numpy().astype("datetime64[ms]").astype(np.int64)
    times = np.where(failed, MISSING, values).astype(np.int64)
    if bad is None:
        return times
    for index in np.flatnonzero(failed).tolist():
        text = texts[index]
        if text.strip():
            bad[index] = rejected(RejectReason.BAD_TIME, field, text, f"a time in the format {source.format}")
    return times


def _from_numbers(array: pa.Array, source: TimeColumn, field: str, bad: Bad | None) -> np.ndarray:
    multiply, divide = UNITS[source.unit or "milliseconds"]
    whole = _whole_numbers(array)
    # Beyond this the product leaves int64. Such numbers go row by row; both ways cut off what no time can be.
    if whole is not None and _fits(whole, 2**62 // multiply):
        return _filled(whole, lambda n: np.clip(n * multiply // divide + source.origin, -LATEST, LATEST))
    expected = f"a number of {source.unit}"
    times = np.full(len(array), MISSING, np.int64)
    for index, text in enumerate(as_texts(array)):
        if text is None or not text.strip():
            continue
        moment = _moment(text.strip(), multiply, divide)
        if moment is not None:
            times[index] = max(-LATEST, min(LATEST, moment + source.origin))
        elif bad is not None:
            bad[index] = rejected(RejectReason.BAD_TIME, field, text, expected)
    return times


def _whole_numbers(array: pa.Array) -> pa.Array | None:
    """As int64, if all of them are whole numbers."""
    try:
        if is_text(array):
            present = pc.if_else(pc.equal(array, ""), None, array)
            # Arrow would take 0x10 for a number too.
            return (
                None if pc.any(pc.match_substring(present, "x", ignore_case=True)).as_py() else present.cast(pa.int64())
            )
        return array.cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _fits(numbers: pa.Array, limit: int) -> bool:
    ends = pc.min_max(numbers)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    return low is None or (-limit < low and high < limit)


def _moment(text: str, multiply: int, divide: int) -> int | None:
    """Out of the decimal digits, so that cutting off what is finer than a millisecond is exact."""
    found = _DECIMAL.fullmatch(text) if len(text) <= LONGEST_NUMBER else None
    if found is None:
        return None
    whole, fraction, exponent = found[1], found[2] or "", int(found[3] or 0)
    # Further away than this nothing is left of the number, or no time has so many digits.
    places = max(-2 * LONGEST_NUMBER, min(2 * LONGEST_NUMBER, exponent - len(fraction)))
    number, power = int(whole + fraction) * multiply, int(10 ** abs(places))
    return number * power // divide if places >= 0 else number // (divide * power)
