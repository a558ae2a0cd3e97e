"""How many different customers there are: exact up to a million, then an estimate out of 16 KB (HyperLogLog, Flajolet
and others, 2007: the standard error is 1.04 / √registers, here 0.8 %)."""

from zlib import crc32

import numpy as np

from kpi_reporter.kpis.sorted_sets import distinct_with_places, is_in, with_new
from risk.codes import Array

EXACT_UP_TO = 1_000_000
INDEX_BITS = 14
REGISTERS = 1 << INDEX_BITS
_ALPHA = 0.7213 / (1 + 1.079 / REGISTERS)


class Customers:
    def __init__(self, exact_up_to: int = EXACT_UP_TO) -> None:
        self._exact_up_to = exact_up_to
        self._known: Array | None = np.empty(0, np.uint64)
        self._registers = np.zeros(REGISTERS, np.uint8)

    def add(self, hashes: Array, ids: list[bytes]) -> None:
        found, places = distinct_with_places(hashes)
        if self._known is not None:
            fresh = ~is_in(self._known, found)
            found, places = found[fresh], places[fresh]
            self._known = with_new(self._known, found)
            if len(self._known) > self._exact_up_to:
                self._known = None
        if len(places):
            self._note([ids[place] for place in places.tolist()])

    def _note(self, ids: list[bytes]) -> None:
        # Not `hash`, which is another one in each process: a restart shall not change the figure.
        mixed = _mixed(np.fromiter(map(crc32, ids), np.uint64, len(ids)))
        rest = mixed << np.uint64(INDEX_BITS)
        _, exponents = np.frexp((rest >> np.uint64(11)).astype(np.float64))  # 53 bits, so that nothing is rounded up
        ranks = np.where(rest >> np.uint64(11) == 0, 54, 54 - exponents)
        np.maximum.at(self._registers, (mixed >> np.uint64(64 - INDEX_BITS)).astype(np.int64), ranks.astype(np.uint8))

    @property
    def is_estimated(self) -> bool:
        return self._known is None

    def count(self) -> int:
        return self._estimate() if self._known is None else len(self._known)

    def _estimate(self) -> int:
        return round(_ALPHA * REGISTERS**2 / float(np.sum(2.0 ** -self._registers.astype(np.float64))))


def _mixed(numbers: Array) -> Array:
    """Every bit depends on every bit of the number (the finish of splitmix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(numbers ^ (numbers >> np.uint64(31)))
