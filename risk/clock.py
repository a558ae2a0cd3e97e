"""Event time: integer milliseconds since 1970-01-01 UTC, so that comparisons and differences are exact."""

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # help and short commands have times, and do not load it
    import numpy as np

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DATE = EPOCH.date()

# Outside these, a time is a wrong unit or a broken clock, not a transaction.
EARLIEST = 631_152_000_000  # 1990-01-01T00:00:00Z
LATEST = 7_258_118_400_000  # 2200-01-01T00:00:00Z


def to_ms(moment: datetime) -> int:
    """Milliseconds of an aware datetime; what is finer is cut off."""
    since = moment - EPOCH
    return since.days * DAY + since.seconds * SECOND + since.microseconds // 1000


def to_datetime(ms: int) -> datetime:
    return EPOCH + timedelta(0, 0, 1000 * ms)  # days, seconds, microseconds: by name it takes half as long again


def to_datetimes(ms: "np.ndarray[Any, Any]") -> list[datetime]:
    """All at once, for a seventh of the time: NumPy makes the differences."""
    return [EPOCH + since for since in ms.astype("timedelta64[ms]").tolist()]


def to_text(ms: int) -> str:
    """RFC 3339 in UTC, with milliseconds only where there are some."""
    text = to_datetime(ms).isoformat(timespec="milliseconds" if ms % SECOND else "seconds")
    return text.replace("+00:00", "Z")


def to_words(ms: int) -> str:
    """The same for people, who may be shown a time that no calendar has."""
    try:
        return to_text(ms)
    except OverflowError:
        return f"{ms} ms since 1970"


def date_ms(text: str) -> int:
    """Midnight UTC of a day such as 2024-05-01; ValueError where it is none."""
    if not text.isascii():  # strptime takes the digits of every script
        raise ValueError(f"got {text!r}, expected a day such as 2024-05-01")
    return to_ms(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC))


def day_of(ms: int) -> int:
    """The UTC day, counted from 1970-01-01."""
    return ms // DAY


def to_date(day: int) -> date:
    return EPOCH_DATE + timedelta(days=day)


def day_of_date(day: date) -> int:
    return (day - EPOCH_DATE).days
