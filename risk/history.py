"""Customers' histories of one partition: verdicts and the features that look at a customer's past.

Merchants, devices and ids are compared by codes that mean something in this process only: never stored, never
ordered, never sent.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from risk import windows
from risk.arena import Arena
from risk.block import NO_AMOUNT, Block
from risk.catalogue import HISTORY_FEATURES, EngineTerms
from risk.codes import Array, Codes
from risk.horizon import history_horizon
from risk.money import scale_of

SWEEP_AFTER = 65_536
FIRST_INDEX = 1024
# Room and index are made for so many rows at once: a customer who becomes busy is indexed from the next piece on.
PIECE = 4096
# The same where histories are put back, and nobody looks at them yet: 12 MB of rows.
RESTORED_AT_ONCE = 262_144
_NONE = (np.empty(0, np.int64), np.empty(0, np.int32))


class Taken(NamedTuple):
    """What a partition's histories say of a batch, and the batch as numbers."""

    block: Block
    verdicts: Array
    features: Array  # the columns of HISTORY_FEATURES
    amounts: Array  # minor units; -1 where missing or in another currency
    merchant_codes: Array


class Histories:
    """What is remembered of a partition's customers, back to the horizon."""

    def __init__(self, terms: EngineTerms, merchants: Codes, countries: Codes) -> None:
        self._currency = terms.currency
        self._scale = scale_of(terms.currency)
        self._max_lateness = terms.max_lateness_ms
        self._merchants = merchants
        self._countries = countries
        self._customers = Codes()  # the series of each in the arena
        self._sweep_at = SWEEP_AFTER
        self._seen = np.zeros(1024, np.int64)
        columns = (np.int64, np.int64, np.int64, np.int32, np.int32, np.int64, np.int32)
        self._arena = Arena(columns, ends=(np.int64, np.int32, np.uint8, np.int32, np.int64))
        self._tops = np.empty(0, np.int64)
        self._index = _empty_index(FIRST_INDEX)
        self.newest = windows.NEVER

    def take(self, block: Block) -> Taken:
        """Verdicts and features row by row; what is scored is part of the past for the next row."""
        verdicts = np.empty(len(block), np.uint8)
        out = np.full((len(block), len(HISTORY_FEATURES)), np.nan)
        pieces = [
            self._take(block.cut(first, first + PIECE), verdicts[first : first + PIECE], out[first : first + PIECE])
            for first in range(0, len(block), PIECE)
        ]
        amounts, merchants = (np.concatenate(column) for column in zip(*pieces, strict=True)) if pieces else _NONE
        return Taken(block, verdicts, out, amounts, merchants)

    def _take(self, block: Block, verdicts: Array, out: Array) -> tuple[Array, Array]:
        self._forget_idle()
        rows = self._coded(block)
        self._make_room(rows.customers)
        self.newest = windows.take(
            rows, self._past(), self._index, self.newest, self._max_lateness, self._scale, self._seen, verdicts, out
        )
        return rows.amounts, rows.merchants

    def copy_to(self, empty: "Histories", customers: Iterable[str]) -> None:
        """What is remembered of these customers, and the partition's clock, for who may not touch the original."""
        empty.newest = self.newest
        known = [customer for customer in dict.fromkeys(customers) if customer in self._customers]
        series = np.array([self._customers[customer] for customer in known], np.int64)
        copies = empty._series_of(known)
        mine, theirs = self._arena, empty._arena
        lengths = mine.hi[series] - mine.lo[series]
        owners = np.repeat(copies, lengths)
        empty._make_room(owners)
        within = np.arange(len(owners)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        sources, targets = within + np.repeat(mine.lo[series], lengths), within + theirs.lo[owners]
        for column, copy in zip(mine.columns, theirs.columns, strict=True):
            copy[targets] = column[sources]
        theirs.hi[copies] += lengths
        for end, copy in zip(mine.ends, theirs.ends, strict=True):
            copy[copies] = end[series]
        past = empty._past()
        past.busy[copies] = 0  # not in its index yet
        windows.find_moved_tops(copies, past)

    def mark_names(self, merchants: Array, countries: Array) -> None:
        """Which codes are remembered."""
        windows.mark_codes(self._past(), merchants, countries)

    def restore(self, blocks: Iterable[Block]) -> int:
        """Puts back transactions that were scored earlier, in any order; how many. Many at once: each time, a customer
        whose room is too small moves."""
        restored = waiting = 0
        coded: list[windows.Rows] = []
        for block in blocks:
            if not coded:
                self._forget_idle()
            coded.append(self._coded(block))
            waiting += len(block)
            if waiting >= RESTORED_AT_ONCE:
                restored += self._remember(coded)
                coded, waiting = [], 0
        return restored + self._remember(coded)

    def _remember(self, coded: list[windows.Rows]) -> int:
        if not any(len(rows.times) for rows in coded):
            return 0
        rows = windows.Rows._make(map(np.concatenate, zip(*coded, strict=True)))
        self._make_room(rows.customers)
        # Customer by customer, as their entries lie in memory. The oldest first: an entry that belongs at the end of
        # its history is put there without moving others.
        order = np.lexsort((rows.times, rows.customers))
        windows.remember_all(windows.Rows._make(column[order] for column in rows), self._past(), self._index)
        self.newest = max(self.newest, int(rows.times.max()))
        return len(order)

    def _past(self) -> windows.Past:
        arena = self._arena
        return windows.Past._make([arena.lo, arena.hi, *arena.ends, self._tops, *arena.columns])

    def _make_room(self, customers: Array) -> None:
        """Room for a batch, in the arena, its tops and the index: the compiled loops never allocate."""
        movers = self._arena.reserve(customers, self.horizon)
        tops = (len(self._arena.times) >> windows.TOP_BITS) + 1
        if tops > len(self._tops):
            self._tops = np.concatenate([self._tops, np.empty(tops - len(self._tops), np.int64)])
        past = self._past()
        windows.find_moved_tops(movers, past)
        busy = np.empty(len(customers), np.int64)
        count, entries = windows.newly_busy(customers, past, busy)
        if (int(self._index.size[0]) + entries) * 2 > len(self._index.codes):
            self._grow_index(entries)
        windows.index_customers(busy[:count], past, self._index)

    def _grow_index(self, entries: int) -> None:
        alive = int(np.count_nonzero((self._index.customers >= 0) & (self._index.last > self.horizon)))
        old, self._index = self._index, _empty_index(1 << (4 * (alive + entries)).bit_length())
        windows.copy_index(old, self._index, self.horizon)

    @property
    def horizon(self) -> int:
        return history_horizon(self.newest, self._max_lateness)

    def _coded(self, block: Block) -> windows.Rows:
        """The rows as arrays of numbers."""
        count = len(block)
        series = self._series_of(block.customer_id)
        amounts = block.amount
        if block.currency.count(self._currency) != count:
            ours = np.fromiter(map(self._currency.__eq__, block.currency), bool, count)
            amounts = np.where(ours, amounts, NO_AMOUNT)
        rows = windows.Rows(
            series,
            block.event_time,
            amounts,
            np.fromiter(map(hash, block.transaction_id), np.int64, count),
            np.fromiter(map(self._merchants.__getitem__, block.merchant_id), np.int32, count),
            np.fromiter([hash(device or "") for device in block.device_id], np.int64, count),
            np.fromiter(map(self._countries.__getitem__, block.country), np.int32, count),
        )
        if self._merchants.bound > len(self._seen):
            more = np.zeros(2 * self._merchants.bound - len(self._seen), np.int64)
            self._seen = np.concatenate([self._seen, more])
        return rows

    def _series_of(self, customers: Sequence[str]) -> Array:
        series = np.fromiter(map(self._customers.__getitem__, customers), np.int64, len(customers))
        self._arena.have_series(self._customers.bound)
        return series

    def _forget_idle(self) -> None:
        """Customers of whom nothing is left within reach, so that memory follows those who are active. Before rows are
        coded and not between that and their joining the past: until then their series must stay theirs."""
        if len(self._customers) < self._sweep_at:
            return
        active = np.ones(self._customers.bound, bool)
        active[self._arena.drop_idle(self.horizon)] = False
        self._customers.keep(active)
        self._sweep_at = max(SWEEP_AFTER, 2 * len(self._customers))


def _empty_index(places: int) -> windows.Index:
    """For less than half as many entries; the places are a power of two."""
    return windows.Index(
        np.full(places, -1, np.int32), np.empty(places, np.int64), np.empty(places, np.int64), np.zeros(1, np.int64)
    )
