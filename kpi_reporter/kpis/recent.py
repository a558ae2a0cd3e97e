"""The days whose labels may still come or change: what is kept of each, so that a late label finds its flag."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from kpi_reporter.kpis.key_index import KeyIndex
from kpi_reporter.kpis.names import Names
from kpi_reporter.kpis.notables import NOTABLE, PARTITION_SHIFT, are_worked, look_up, replaced
from kpi_reporter.kpis.pieces import NONE, Piece
from kpi_reporter.kpis.sorted_sets import distinct, is_in, with_new
from kpi_reporter.kpis.tally import Tally, tally
from kpi_reporter.kpis.terms import Terms
from risk.clock import DAY
from risk.codes import Array
from risk.events import FRAUD
from risk.store import StoreToReport


@dataclass
class RecentDay:
    transactions: int = 0
    customers: Array = field(default_factory=lambda: np.empty(0, np.uint64))
    bundles: set[int] = field(default_factory=set)
    shared: Counter[int] = field(default_factory=Counter)  # decided while a challenger had a share, by bundle
    notables: Array = field(default_factory=lambda: np.zeros(0, NOTABLE))
    counted: Tally | None = None  # None where the notables have changed since

    def tally(self) -> Tally:
        if self.counted is None:
            self.counted = tally(self.notables)
        return self.counted


class Misses(NamedTuple):
    """Known frauds that were neither alerts nor reviews, as of one reading."""

    since: int  # what happened before is not kept
    rows: Array  # NOTABLE

    def worst(self, since: int, until: int, count: int) -> list[tuple[int, int]]:
        """Partition and offset of those with the most at stake, after the one moment and up to the other."""
        rows = self.rows[(self.rows["event_time"] > since) & (self.rows["event_time"] <= until)]
        places = rows["place"][np.lexsort((rows["place"], -rows["at_stake"]))][:count].tolist()
        return [divmod(place, 1 << PARTITION_SHIFT) for place in places]


class Recent:
    def __init__(self, first_day: int) -> None:
        self._first_day = first_day
        self.days: dict[int, RecentDay] = {}
        self._index = KeyIndex()
        self._suspects: dict[int, list[Array]] = {}  # offsets to look up, by partition

    def add(self, piece: Piece, fraud_keys: Array) -> None:
        """`fraud_keys`: of transactions that some label calls a fraud; it may have come before the flag."""
        days = piece.event_times // DAY
        is_recent = days >= self._first_day
        if not is_recent.any():
            return
        for day in distinct(days[is_recent]).tolist():
            own, of_day = days == day, self.days.setdefault(day, RecentDay())
            of_day.transactions += int(np.count_nonzero(own))
            of_day.bundles.update(distinct(piece.bundles[own]).tolist())
            of_day.shared.update(piece.bundles[own & piece.are_shared].tolist())
            found = distinct(piece.customers[own])
            of_day.customers = with_new(of_day.customers, found[~is_in(of_day.customers, found)])
        self._index.add(piece.partition, piece.offsets, piece.event_times, piece.keys)
        suspect = is_recent & ((piece.decisions != NONE) | is_in(fraud_keys, piece.keys))
        self._suspects.setdefault(piece.partition, []).append(piece.offsets[suspect])

    def suspect(self, keys: Array) -> None:
        """There are new labels of these transactions."""
        if len(keys):
            for partition, offsets in self._index.find(keys):
                self._suspects.setdefault(partition, []).append(offsets)

    def look_up(self, store: StoreToReport, bundles: Names, terms: Mapping[str, Terms | None]) -> None:
        """What became of the flags that something new is known of."""
        for partition, pieces in self._suspects.items():
            for found in look_up(store, partition, distinct(np.concatenate(pieces)), bundles, terms):
                days = found["event_time"] // DAY
                for day in distinct(days[days >= self._first_day]).tolist():
                    of_day = self.days[day]
                    of_day.notables = replaced(of_day.notables, found[days == day])
                    of_day.counted = None
        self._suspects.clear()

    def forget_before(self, day: int) -> None:
        if day > self._first_day:
            self._first_day = day
            self._index.forget_before(day)
            self.days = {known: of_day for known, of_day in self.days.items() if known >= day}

    def newest_worked(self, count: int) -> list[int]:
        """Where the newest alerts and reviews stand, newest first."""
        found: list[int] = []
        for day in sorted(self.days, reverse=True):
            if len(found) >= count:
                break
            rows = self.days[day].notables
            rows = rows[are_worked(rows)]
            found += rows["place"][np.lexsort((rows["place"], rows["event_time"]))[::-1]].tolist()
        return found[:count]

    def misses(self) -> Misses:
        missed = [
            day.notables[(day.notables["verdict"] == FRAUD) & ~are_worked(day.notables)] for day in self.days.values()
        ]
        return Misses(self._first_day * DAY, np.concatenate([np.zeros(0, NOTABLE), *missed]))

    def decided_since(self, moment: int, decision: int) -> int:
        """Flags of that decision after that moment, which lies in these days."""
        found = [of_day.notables for day, of_day in self.days.items() if day >= moment // DAY]
        return sum(
            int(np.count_nonzero((rows["decision"] == decision) & (rows["event_time"] > moment))) for rows in found
        )
