"""How the time of a column is written: found by reading its values."""

from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from risk.clock import EARLIEST, LATEST, to_ms
from risk.dataset.column_map import UNITS, TimeColumn
from risk.dataset.names import are_numbers, present_texts
from risk.dataset.times import MISSING, as_times
from risk.dataset.values import Bad, is_text
from risk.errors import DatasetError
from trainer.inspection.words import TIME, TIME_NOT, unit_of, words_of

LOOKED_AT = 5_000
HANDFUL = 20
FEWEST_DIGITS = 5  # of a date such as 1 Feb 2024
ENOUGH = 0.95  # of the values must be times; the others are dirt, which inspect counts
RELATIVE_ORIGIN = to_ms(datetime(2024, 1, 1, tzinfo=UTC))
# Numbers since 1970 that fall between these years are taken for times; wider, and every id would be one.
FIRST_EPOCH, LAST_EPOCH = to_ms(datetime(2000, 1, 1, tzinfo=UTC)), to_ms(datetime(2040, 1, 1, tzinfo=UTC))
EPOCH_UNITS = ("seconds", "milliseconds", "microseconds", "nanoseconds")

_DATES = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%d %b %Y", "%b %d, %Y", "%d-%b-%Y")
_TIMES = (" %H:%M:%S", " %H:%M", " %H:%M:%S.%f", " %I:%M:%S %p", " %I:%M %p", "T%H:%M:%S", "")
FORMATS = (*(date + time for time in _TIMES for date in _DATES), "%Y%m%d%H%M%S", "%d/%m/%y %H:%M", "%m/%d/%y %H:%M")


class TimeLook(NamedTuple):
    """A column that can be read as a time, and how sure that is."""

    source: TimeColumn
    score: int
    remark: str | None


def look_at_time(name: str, array: pa.Array) -> TimeLook | None:
    """The best way to read a column as a time, or None."""
    words = words_of(name)
    named = 2 * bool(words & TIME) - 6 * bool(words & TIME_NOT)
    few = _spread(array)
    if pa.types.is_timestamp(array.type) or pa.types.is_date(array.type):
        return TimeLook(TimeColumn(name), 4 + named, None)
    if not len(few):
        return None
    if _holds_numbers(few):
        look = _numbers(name, words, few, named)
    elif is_text(few):
        look = _texts(name, few, named)
    else:
        look = None
    if look is None:
        return None
    times = as_times(few, look.source, "event_time", {})
    times = times[times != MISSING]
    return look._replace(score=look.score + bool((np.diff(times) >= 0).all() and len(times) > 1))


def _spread(array: pa.Array) -> pa.Array:
    """Some values from the whole of a column, in order."""
    present = present_texts(array) if is_text(array) else array.drop_null()
    places = np.unique(np.linspace(0, len(present) - 1, min(LOOKED_AT, len(present))).astype(np.int64))
    return present.take(pa.array(places)) if len(present) else present


def _holds_numbers(few: pa.Array) -> bool:
    if is_text(few):
        # Fourteen digits are rather a date without signs between, 20240131235959.
        return are_numbers(few) and not _share(few, TimeColumn("", "%Y%m%d%H%M%S")) >= ENOUGH
    return bool(pa.types.is_integer(few.type) or pa.types.is_floating(few.type) or pa.types.is_decimal(few.type))


def _share(few: pa.Array, source: TimeColumn) -> float:
    """How much of it reads as a sane time."""
    bad: Bad = {}
    try:
        times = as_times(few, source, "event_time", bad)
    except DatasetError:
        return 0.0
    return float(((times >= EARLIEST) & (times < LATEST)).sum()) / len(few)


def _texts(name: str, few: pa.Array, named: int) -> TimeLook | None:
    if not any(sum(map(str.isdigit, text)) >= FEWEST_DIGITS for text in few.slice(0, HANDFUL).to_pylist()):
        return None
    if _may_be(few, name, None) and _share(few, TimeColumn(name)) >= ENOUGH:
        return TimeLook(TimeColumn(name), 3 + named, None)
    shares = {pattern: _share(few, TimeColumn(name, pattern)) for pattern in FORMATS if _may_be(few, name, pattern)}
    best = max(shares, key=shares.__getitem__, default=None)
    if best is None or shares[best] < ENOUGH:
        return None
    equal = [pattern for pattern, share in shares.items() if share == shares[best]]
    remark = None
    if len(equal) > 1:
        best = max(equal, key=lambda pattern: _sortedness(few, TimeColumn(name, pattern)))
        remark = f"{name}: {' and '.join(equal)} fit equally well; {best} was taken: check day and month"
    return TimeLook(TimeColumn(name, best), 3 + named, remark)


def _may_be(few: pa.Array, name: str, pattern: str | None) -> bool:
    """A handful decides whether the format is worth trying on all."""
    return _share(few.slice(0, HANDFUL), TimeColumn(name, pattern)) > 0


def _sortedness(few: pa.Array, source: TimeColumn) -> float:
    times = as_times(few, source, "event_time", {})
    return float((np.diff(times[times != MISSING]) >= 0).mean()) if len(times) > 1 else 0.0


def _numbers(name: str, words: frozenset[str], few: pa.Array, named: int) -> TimeLook | None:
    values = few.cast(pa.float64())
    low, high = pc.min(values).as_py(), pc.quantile(values, ENOUGH)[0].as_py()
    for unit in EPOCH_UNITS:
        multiply, divide = UNITS[unit]
        if low * multiply / divide >= FIRST_EPOCH and high * multiply / divide <= LAST_EPOCH:
            return TimeLook(TimeColumn(name, unit=unit), 2 + named, None)
    counted = unit_of(words)
    if counted is None or named <= 0 or low < 0:
        return None
    remark = f"{name}: counts {counted} from an unknown start; 2024-01-01 was taken: say origin if you know it"
    return TimeLook(TimeColumn(name, unit=counted, origin=RELATIVE_ORIGIN), 1 + named, remark)
