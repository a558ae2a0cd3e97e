"""Local times to UTC, by the rules of a time zone."""

from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np

from risk.clock import DAY, EARLIEST, LATEST

_NO_PLACE = {"localtime", "Factory", "posixrules"}  # what they mean depends on the machine
SECOND = timedelta(seconds=1)


def zone_names() -> set[str]:
    return available_timezones() - _NO_PLACE


def to_utc(local: np.ndarray, zone: str) -> np.ndarray:
    """Milliseconds as a clock on the wall shows them. An hour that comes twice is the first one, and one that is left
    out is counted on: in both, the offset from before the change holds, as Python and Java have it without a hint."""
    changes, offsets = _offsets(zone)
    return np.asarray(local - offsets[np.searchsorted(changes, local, side="right")])


@lru_cache(maxsize=8)
def _offsets(zone: str) -> tuple[np.ndarray, np.ndarray]:
    """The local times from which on another offset holds, and the offsets: one more."""
    rules = ZoneInfo(zone)

    def offset(second: int) -> int:
        there = datetime.fromtimestamp(second, rules).utcoffset()
        return 0 if there is None else there // SECOND

    day = DAY // 1_000
    first, last = EARLIEST // 1_000 - day, LATEST // 1_000 + day
    changes, offsets = [], [offset(first)]
    for early in range(first, last, day):
        late, after = early + day, offset(early + day)
        if after == offsets[-1]:
            continue
        while late - early > 1:
            middle = (early + late) // 2
            early, late = (middle, late) if offset(middle) == offsets[-1] else (early, middle)
        changes.append(late + max(offsets[-1], after))
        offsets.append(after)
    return np.array(changes, np.int64) * 1_000, np.array(offsets, np.int64) * 1_000
