"""Many growing series in shared columns: the memory behind histories and the ledger.

A million customers with sixty entries each would be a million small arrays; here they are seven large ones. Room is
made before a batch (`reserve`), so that the compiled loops never allocate.
"""

from collections.abc import Sequence

import numpy as np

from risk import windows
from risk.codes import Array

FIRST_SERIES = 1024
FIRST_PLACES = 4096


class Arena:
    """`columns[0]` holds the time of each entry, by which a series is ordered."""

    def __init__(self, columns: Sequence[type], ends: Sequence[type]) -> None:
        self.columns: list[Array] = [np.empty(FIRST_PLACES, dtype) for dtype in columns]
        self.ends: list[Array] = [np.zeros(FIRST_SERIES, dtype) for dtype in ends]
        self.start, self.lo, self.hi, self.cap, self._wanted = (np.zeros(FIRST_SERIES, np.int64) for _ in range(5))
        self._free = np.full(len(windows.SIZES), -1, np.int64)
        self._end = 0

    @property
    def times(self) -> Array:
        return self.columns[0]

    def have_series(self, count: int) -> None:
        """Series 0 to count - 1 exist."""
        if count <= len(self.start):
            return
        more = max(count, 2 * len(self.start)) - len(self.start)
        self.start, self.lo, self.hi, self.cap, self._wanted = (
            np.concatenate([old, np.zeros(more, np.int64)])
            for old in (self.start, self.lo, self.hi, self.cap, self._wanted)
        )
        self.ends = [np.concatenate([old, np.zeros(more, old.dtype)]) for old in self.ends]

    def reserve(self, series: Array, horizon: int) -> Array:
        """Makes room for one entry for each mention of a series; entries at or before the horizon may go. Answers the
        series whose entries are somewhere else now."""
        needed = windows.plan(series, self._wanted, self.start, self.lo, self.hi, self.cap, self.times, horizon)
        if self._end + needed > len(self.times):
            self._grow(self._end + needed)
        moves, movers, freed, self._end = windows.place(
            series, self._wanted, self.start, self.lo, self.hi, self.cap, self._free, self.times, self._end
        )
        for column in self.columns:
            windows.move(column, moves)
        windows.release(freed, self._free, self.times)
        return movers

    def drop_idle(self, horizon: int) -> Array:
        """Empties the series whose newest entry is at or before the horizon, and says which they were."""
        series, freed = windows.idle(self.start, self.lo, self.hi, self.cap, self.times, horizon)
        windows.release(freed, self._free, self.times)
        for end in self.ends:
            end[series] = 0
        return series

    def _grow(self, places: int) -> None:
        size = max(places, len(self.times) * 3 // 2)
        for number, old in enumerate(self.columns):
            # What is never written to is never given memory by the system, so the spare part costs nothing yet.
            self.columns[number] = np.empty(size, old.dtype)
            self.columns[number][: self._end] = old[: self._end]
