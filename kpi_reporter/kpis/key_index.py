"""Where the flags of a transaction lie in the log, by the hash of customer and transaction id.

Eight bytes a flag: the upper 40 bits of the hash, then how far the offset lies behind the run's first. What is found
may rarely be another transaction, so whoever asks looks into the store; nothing that is there is missed.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kpi_reporter.kpis.sorted_sets import distinct
from risk.clock import DAY
from risk.codes import Array

OFFSET_BITS = 24
SPAN = 1 << OFFSET_BITS
_LOW = np.uint64(SPAN - 1)
# A merge of two halves of this takes 3 ms.
LARGEST_RUN = 1 << 18


class Run(NamedTuple):
    """Flags of one partition that follow each other, in the order of their hashes."""

    first: int  # offset
    last: int
    newest_day: int
    packed: Array


class KeyIndex:
    def __init__(self) -> None:
        self._runs: dict[int, list[Run]] = {}

    def add(self, partition: int, offsets: Array, event_times: Array, keys: Array) -> None:
        """After all that the partition had so far. The offsets span less than 2²⁴."""
        first = int(offsets[0])
        packed = np.sort((keys & ~_LOW) | (offsets - first).astype(np.uint64))
        runs = self._runs.setdefault(partition, [])
        runs.append(Run(first, int(offsets[-1]), int(event_times.max()) // DAY, packed))
        # Like sizes are merged, so that there are few runs and each flag is moved few times.
        while len(runs) > 1 and _belong_together(runs[-2], runs[-1]):
            runs[-2:] = [_merged(*runs[-2:])]

    def find(self, keys: Array) -> Iterator[tuple[int, Array]]:
        """Partitions and offsets where one of these keys may stand. The keys are sorted."""
        lowest, highest = keys & ~_LOW, keys | _LOW
        for partition, runs in self._runs.items():
            for run in runs:
                begins, ends = np.searchsorted(run.packed, lowest), np.searchsorted(run.packed, highest, side="right")
                hits = np.flatnonzero(ends > begins)
                if len(hits):
                    rows = [run.packed[begins[hit] : ends[hit]] & _LOW for hit in hits.tolist()]
                    yield partition, distinct(np.concatenate(rows)).astype(np.int64) + run.first

    def forget_before(self, day: int) -> None:
        """Runs that hold nothing of that day or later."""
        for partition, runs in self._runs.items():
            self._runs[partition] = [run for run in runs if run.newest_day >= day]


def _belong_together(older: Run, newer: Run) -> bool:
    size = len(older.packed) + len(newer.packed)
    return len(older.packed) <= 2 * len(newer.packed) and size <= LARGEST_RUN and newer.last - older.first < SPAN


def _merged(older: Run, newer: Run) -> Run:
    moved = newer.packed + np.uint64(newer.first - older.first)
    # Stable, because that sort sees two sorted halves and only merges them.
    packed = np.sort(np.concatenate((older.packed, moved)), kind="stable")
    return Run(older.first, newer.last, max(older.newest_day, newer.newest_day), packed)
