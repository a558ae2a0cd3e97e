"""How the time of a column is written: found by reading its values."""

import re
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from risk.clock import DAY, EARLIEST, LATEST, to_ms
from risk.dataset.column_map import UNITS, TimeColumn
from risk.dataset.names import present_texts
from risk.dataset.times import MISSING, as_times, brings_zone
from risk.dataset.values import Bad, as_texts, is_text
from risk.errors import DatasetError
from trainer.inspection.words import ID, TIME, TIME_NOT, unit_of, words_of

LOOKED_AT = 5_000
HANDFUL = 20
FEWEST_DIGITS = 5  # of a date such as 1 Feb 2024
ENOUGH = 0.6  # of the values must be times, and at least so many; the others are dirt, which inspect counts
FEWEST_TIMES = 3
ENOUGH_NUMBERS = (
    0.95  # the same for numbers under a name that says nothing of time: ids may fall between the years, too
)
RELATIVE_ORIGIN = to_ms(datetime(2024, 1, 1, tzinfo=UTC))
# Numbers since 1970 that fall between these years are taken for times; wider, and every id would be one.
FIRST_EPOCH, LAST_EPOCH = to_ms(datetime(2000, 1, 1, tzinfo=UTC)), to_ms(datetime(2040, 1, 1, tzinfo=UTC))
EPOCH_UNITS = ("seconds", "milliseconds", "microseconds", "nanoseconds")

_DATES = (
    "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%d %b %Y", "%b %d, %Y", "%d-%b-%Y",
    "%d.%m.%y", "%d/%m/%y", "%m/%d/%y",
)  # fmt: skip
_TIMES = (" %H:%M:%S", " %H:%M", " %H:%M:%S.%f", " %I:%M:%S %p", " %I:%M %p", "T%H:%M:%S", "")
FORMATS = tuple(date + time for time in _TIMES for date in _DATES)
_DIRECTIVES = {"Y": r"\d{4}", "y": r"\d\d", "b": r"\w+\.?", "p": r"\w+", "f": r"\d+"}  # the others: a digit or two


def _shape(pattern: str) -> re.Pattern[str]:
    """What every text of that format looks like. A column looks like few of them, and to see that takes no time, other
    than to try them."""
    plain = re.escape(pattern).replace(r"\ ", r"\s+")
    return re.compile(re.sub(r"%(\w)", lambda found: _DIRECTIVES.get(found[1], r"\s?\d{1,2}"), plain))


_SHAPES = {pattern: _shape(pattern) for pattern in FORMATS}
DIGITS_ALONE = {"%Y%m%d": 8, "%Y%m%d%H%M%S": 14}

CLOCKS = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%H:%M:%S.%f", "%H.%M", "%H%M%S")
_CLOCK = r"^ *\d{1,2}([:.]?)\d{2}([:.]?\d{2}(\.\d+)?)?( ?[AaPp][Mm])? *$"


class TimeLook(NamedTuple):
    """A column that can be read as a time, and how sure that is."""

    source: TimeColumn
    score: int
    remark: str | None
    is_date: bool = False  # no value has a time of day


def look_at_clock(name: str, array: pa.Array) -> str | None:
    """The format of a column that holds times of day without a date, or None. 16.13 may be an amount, so only a name
    can make it a time."""
    few = _spread(array)
    clocks = CLOCKS if words_of(name) & TIME else tuple(clock for clock in CLOCKS if ":" in clock)
    if pa.types.is_time(array.type):
        few = pa.array([str(text)[:8] for text in as_texts(few)], pa.string())
    if not len(few) or not is_text(few) or not pc.any(pc.match_substring_regex(few, _CLOCK)).as_py():
        return None
    dated = pc.binary_join_element_wise(pa.scalar("2024-01-01"), pc.utf8_trim_whitespace(few), " ")
    shares = {clock: _share(dated, TimeColumn("", f"%Y-%m-%d {clock}")) for clock in clocks}
    best = max(shares, key=shares.__getitem__)
    return best if _is_enough(shares[best], len(few)) else None


def with_clock(date: TimeColumn, clock_column: str, clock: str) -> TimeColumn:
    """A date and a time of day in two columns are one time."""
    return TimeColumn(date.column, f"{date.format or '%Y-%m-%d'} {clock}", beside=(clock_column,))


def count_not_times(array: pa.Array, source: TimeColumn) -> tuple[int, str]:
    """How many values are no times, and the first of them."""
    bad: Bad = {}
    times = as_times(array, source, "event_time", bad)
    wrong = np.flatnonzero((times != MISSING) & ((times < EARLIEST) | (times >= LATEST))).tolist()
    places = sorted({*bad, *wrong})
    return len(places), "" if not places else str(as_texts(array.slice(places[0], 1))[0])


def lacks_zone(array: pa.Array, source: TimeColumn) -> bool:
    """Whether times are taken as UTC because they say nothing else; numbers count from a moment."""
    if pa.types.is_timestamp(array.type):
        return array.type.tz is None
    if source.unit is not None or source.format is not None or not is_text(array):
        return source.unit is None
    return not any(map(brings_zone, _spread(array).to_pylist()))


def look_at_time(name: str, array: pa.Array) -> TimeLook | None:
    """The best way to read a column as a time, or None."""
    words = words_of(name)
    named = 2 * bool(words & TIME) - 6 * bool(words & TIME_NOT)
    few = _spread(array)
    if pa.types.is_timestamp(array.type) or pa.types.is_date(array.type):
        return TimeLook(TimeColumn(name), 4 + named, None, bool(pa.types.is_date(array.type)))
    if not len(few):
        return None
    look = _digits_alone(name, words, few, named)
    numbers = None if look else _as_numbers(few)
    if numbers is not None:
        look = _numbers(name, words, numbers, named)
    elif look is None and is_text(few):
        look = _texts(name, few, named)
    if look is None:
        return None
    times = as_times(few, look.source, "event_time", None)
    times = times[times != MISSING]
    is_date = look.source.unit is None and bool((times % DAY == 0).all())
    is_sorted = bool((np.diff(times) >= 0).all() and len(times) > 1)
    return look._replace(score=look.score + is_sorted, is_date=is_date)


def _spread(array: pa.Array) -> pa.Array:
    """Some values from the whole of a column, in order."""
    present = present_texts(array) if is_text(array) else array.drop_null()
    places = np.unique(np.linspace(0, len(present) - 1, min(LOOKED_AT, len(present))).astype(np.int64))
    return present.take(pa.array(places)) if len(present) else present


def _as_numbers(few: pa.Array) -> np.ndarray | None:
    """NaN where a value is none; None where too many are."""
    if not is_text(few):
        plain = pa.types.is_integer(few.type) or pa.types.is_floating(few.type) or pa.types.is_decimal(few.type)
        return few.cast(pa.float64()).to_numpy(zero_copy_only=False) if plain else None
    is_number = pc.match_substring_regex(few, r"^ *[+-]?\d+(\.\d*)?([eE][+-]?\d+)? *$")
    if not _is_enough(pc.mean(is_number.cast(pa.int8())).as_py(), len(few)):
        return None
    texts = pc.if_else(is_number, pc.utf8_trim_whitespace(few), None)
    return np.asarray(texts.cast(pa.float64()).to_numpy(zero_copy_only=False))


def _is_enough(share: float, count: int) -> bool:
    return share == 1 or (share >= ENOUGH and round(share * count) >= FEWEST_TIMES)


def _share(few: pa.Array, source: TimeColumn) -> float:
    """How much of it reads as a sane time."""
    try:
        times = as_times(few, source, "event_time", None)
    except DatasetError:
        return 0.0
    return float(((times >= EARLIEST) & (times < LATEST)).sum()) / len(few)


def _digits_alone(name: str, words: frozenset[str], few: pa.Array, named: int) -> TimeLook | None:
    """20240131, 20240131235959: dates without signs between, which are numbers to everybody else."""
    if (words & ID and not words & TIME) or not (is_text(few) or pa.types.is_integer(few.type)):
        return None
    enough = ENOUGH if named > 0 else ENOUGH_NUMBERS
    lengths = pc.utf8_length(few.cast(pa.string()))
    for pattern, count in DIGITS_ALONE.items():
        alike = few.filter(pc.equal(lengths, count))
        source = TimeColumn(name, pattern)
        if len(alike) >= FEWEST_TIMES and _share(alike, source) * len(alike) >= enough * len(few):
            return TimeLook(source, 3 + named, None)
    return None


def _texts(name: str, few: pa.Array, named: int) -> TimeLook | None:
    if not any(sum(map(str.isdigit, text)) >= FEWEST_DIGITS for text in few.slice(0, HANDFUL).to_pylist()):
        return None
    if _share(few.slice(0, HANDFUL), TimeColumn(name)) > 0 and _is_enough(_share(few, TimeColumn(name)), len(few)):
        return TimeLook(TimeColumn(name), 3 + named, None)
    handful = few.slice(0, HANDFUL).to_pylist()
    likely = [pattern for pattern, shape in _SHAPES.items() if any(map(shape.fullmatch, handful))]
    shares = {pattern: _share(few, TimeColumn(name, pattern)) for pattern in likely}
    best = max(shares, key=shares.__getitem__, default=None)
    if best is None or not _is_enough(shares[best], len(few)):
        return None
    equal = [pattern for pattern, share in shares.items() if share == shares[best]]
    remark = None
    if len(equal) > 1:
        best = max(equal, key=lambda pattern: _sortedness(few, TimeColumn(name, pattern)))
        remark = f"{name}: {' and '.join(equal)} fit equally well; {best} was taken: check day and month"
    return TimeLook(TimeColumn(name, best), 3 + named, remark)


def _sortedness(few: pa.Array, source: TimeColumn) -> float:
    times = as_times(few, source, "event_time", None)
    return float((np.diff(times[times != MISSING]) >= 0).mean()) if len(times) > 1 else 0.0


def _numbers(name: str, words: frozenset[str], values: np.ndarray, named: int) -> TimeLook | None:
    if words & ID and not words & TIME:
        return None  # 2024000001 is an invoice, and as seconds a day in 2034
    enough = ENOUGH if named > 0 else ENOUGH_NUMBERS
    for unit in EPOCH_UNITS:
        multiply, divide = UNITS[unit]
        epochs = values * multiply / divide
        if ((epochs >= FIRST_EPOCH) & (epochs <= LAST_EPOCH)).mean() >= enough:
            return TimeLook(TimeColumn(name, unit=unit), 2 + named, None)
    counted = unit_of(words)
    if counted is None or named <= 0 or (values >= 0).mean() < ENOUGH:
        return None
    remark = f"{name}: counts {counted} from an unknown start; 2024-01-01 was taken: say origin if you know it"
    return TimeLook(TimeColumn(name, unit=counted, origin=RELATIVE_ORIGIN), 1 + named, remark)
