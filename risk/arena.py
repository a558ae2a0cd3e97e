"""Many growing series in shared columns: the memory behind histories and the ledger.

A million customers with sixty entries each would be a million small arrays; here they are seven large ones. Room is
made before a batch (`reserve`), so that the compiled loops never allocate.
"""

import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np

from risk import windows
from risk.codes import Array

FIRST_SERIES = 1024
FIRST_PLACES = 4096
# Rather than ask for more memory, blocks are moved together when one place in so many is in nobody's.
WASTE = 16
# Until they are moved together again, there is room for so many batches like the last one, and so many places at most
# beyond that: histories are put back in batches that are far larger than those that come later.
BATCHES, MOST_SPARE = 4, 65_536
_NOBODY = np.empty(0, np.int64)


class Arena:
    """`columns[0]` holds the time of each entry, by which a series is ordered."""

    def __init__(self, columns: Sequence[type], ends: Sequence[type]) -> None:
        self.columns: list[Array] = [_places(FIRST_PLACES, np.dtype(dtype)) for dtype in columns]
        self.ends: list[Array] = [np.zeros(FIRST_SERIES, dtype) for dtype in ends]
        self.start, self.lo, self.hi, self.cap, self._wanted = (np.zeros(FIRST_SERIES, np.int64) for _ in range(5))
        self._free = np.full(len(windows.SIZES), -1, np.int64)
        self._end = 0
        self.limit = FIRST_PLACES  # of the places in use; the columns have more

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
        shifted = _NOBODY
        if self._end + needed > self.limit:
            if self._unused() * WASTE >= self._end:
                shifted = self._close_ranks()
            # Also where they were moved together: they would be again with the next batch. An eighth of a small arena
            # is less than one batch needs where many series grow.
            spare = min((BATCHES - 1) * needed, MOST_SPARE)
            self.limit = max(self.limit, (self._end + needed + spare) * 9 // 8)
            if self.limit > len(self.times):
                self._grow(self.limit * 3 // 2)
        made = windows.Moves.at_most(len(series))
        moved, outgrown, self._end = windows.place(
            series, self._wanted, self.start, self.lo, self.hi, self.cap, self._free, self.times, self._end, made
        )
        moves, movers = made.moves[:moved], made.movers[:moved]
        for column in self.columns:
            windows.move(column, moves)
        windows.release(made.freed[:outgrown], self._free, self.times)
        return np.concatenate([shifted, movers]) if len(shifted) else movers

    def drop_idle(self, horizon: int) -> Array:
        """Empties the series whose newest entry is at or before the horizon, and says which they were."""
        series, freed = np.empty(len(self.start), np.int64), np.empty((len(self.start), 2), np.int64)
        count = windows.idle(self.start, self.lo, self.hi, self.cap, self.times, horizon, series, freed)
        windows.release(freed[:count], self._free, self.times)
        series = series[:count]
        for end in self.ends:
            end[series] = 0
        return series

    def _unused(self) -> int:
        """Places in blocks that were outgrown. Where many series grow alike, nobody wants blocks of the old sizes."""
        return self._end - int(self.cap.sum())

    def _close_ranks(self) -> Array:
        """Moves all blocks to the left, until none is between two others that nobody uses. Answers the series that have
        one."""
        series = np.flatnonzero(self.cap)
        series = series[np.argsort(self.start[series], kind="stable")]
        lengths, blocks = self.hi[series] - self.lo[series], self.cap[series]
        targets = np.cumsum(blocks) - blocks
        moves = np.stack([self.lo[series], targets, lengths], axis=1)
        for column in self.columns:
            windows.move(column, moves)  # from left to right and never to the right: nothing is written over unread
        self.start[series] = self.lo[series] = targets
        self.hi[series] = targets + lengths
        self._free[:] = -1
        self._end = int(blocks.sum())
        return series

    def _grow(self, places: int) -> None:
        for number, old in enumerate(self.columns):
            # What is never written to is never given memory by the system, so the spare part costs nothing yet.
            self.columns[number] = _places(places, old.dtype)
            self.columns[number][: self._end] = old[: self._end]


def _places(count: int, dtype: "np.dtype[Any]") -> Array:
    """Memory straight from the system, which has it back as soon as the array is let go of: what columns outgrow
    would otherwise stay with the process as holes, 650 bytes a customer at 100,000 customers."""
    memory = mmap.mmap(-1, count * dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):  # Linux; rows are found anywhere, and large pages are found faster
        memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, dtype)
