"""The merchant ledger: what is known of merchants, in whole UTC days that are closed once and never change.

`MerchantLedger` is what features read. It is fed with closed days and cannot tell where they come from: offline
`SeenDays` closes them from what passed by; in the worker they come out of the store.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from risk import windows
from risk.arena import Arena
from risk.block import Block, LabelBlock, label_block_of
from risk.catalogue import LEDGER_FEATURES, EngineTerms
from risk.clock import DAY, SECOND, to_date, to_text
from risk.codes import Array, Codes
from risk.errors import EngineError
from risk.events import Label
from risk.horizon import oldest_ledger_day
from risk.ledger_day import LedgerDay, LedgerTerms, close_day, label_cutoff

NO_DAY = -1


class DaySource(Protocol):
    """Where closed days come from."""

    def see(self, block: Block, rows: Array) -> None:
        """These rows were scored."""

    def closed_until(self, day: int) -> Iterable[LedgerDay]:
        """The closed days up to this one that were not handed out before, in order. May wait; may raise, and then the
        engine's partition must be forgotten and restored."""


class _Seen(NamedTuple):
    """Scored transactions of one day that have a merchant."""

    merchants: list[str]
    times: Array
    customers: list[str]
    identities: list[str]

    @classmethod
    def of(cls, block: Block, rows: Array) -> "_Seen":
        named = [row for row in rows.tolist() if block.merchant_id[row] is not None]
        merchants, customers, identities = (
            [column[row] for row in named] for column in (block.merchant_id, block.customer_id, block.transaction_id)
        )
        return cls(merchants, block.event_time[named], customers, identities)


class _Labels(NamedTuple):
    """Labels of one day that all say fraud, or all genuine."""

    are_fraud: bool
    identities: list[str]
    customers: list[str]
    times: Array
    places: Array  # in the order in which all labels were learned
    named: set[str]  # the identities once more

    @classmethod
    def of(cls, labels: LabelBlock, rows: Array, first_place: int, *, are_fraud: bool) -> "_Labels":
        identities, customers = (
            [column[row] for row in rows.tolist()] for column in (labels.transaction_id, labels.customer_id)
        )
        return cls(are_fraud, identities, customers, labels.labelled_at[rows], rows + first_place, set(identities))


def _are_in(texts: set[str], column: Sequence[str]) -> Array:
    return np.fromiter(map(texts.__contains__, column), bool, len(column))


class SeenDays:
    """Closes days from the transactions that passed by and the labels that were learned: the source of days offline."""

    def __init__(self, terms: LedgerTerms, *, opening_day: int | None = None, keep: bool = False) -> None:
        self._terms = terms
        self._next = opening_day
        self._pending: defaultdict[int, list[_Seen]] = defaultdict(list)
        self._labels: defaultdict[int, list[_Labels]] = defaultdict(list)  # by day of the label
        self._learned = 0
        self._keep = keep
        self.handed_out: list[LedgerDay] = []
        self.stragglers = 0

    def learn(self, labels: LabelBlock | Iterable[Label]) -> None:
        """A label counts for a day only if it is known before that day's cutoff, whenever it is learned here."""
        if not isinstance(labels, LabelBlock):
            labels = label_block_of(labels, "several")
        days = labels.labelled_at // DAY
        for day in np.unique(days).tolist():
            if self._next is None or day >= self._next:
                for are_fraud in (False, True):
                    rows = np.flatnonzero((days == day) & (labels.is_fraud == are_fraud))
                    if len(rows):
                        self._labels[day].append(_Labels.of(labels, rows, self._learned, are_fraud=are_fraud))
        self._learned += len(days)

    def see(self, block: Block, rows: Array) -> None:
        days = block.event_time[rows] // DAY
        for day in np.unique(days).tolist():
            seen = rows[days == day]
            if self._next is not None and day < self._next:
                self.stragglers += len(seen)
            else:
                self._pending[day].append(_Seen.of(block, seen))

    def closed_until(self, day: int) -> Iterator[LedgerDay]:
        if self._next is None:
            # The first day is the first with a transaction; until it is due, a late one may still come before it.
            if min(self._pending, default=day + 1) > day:
                return
            self._next = min(self._pending)
        while self._next <= day:
            closed = self._close(self._next)
            self._next += 1
            if self._keep:
                self.handed_out.append(closed)
            yield closed

    def _close(self, day: int) -> LedgerDay:
        seen = self._pending.pop(day, [])
        reported = self._reported(day, seen)
        identities = {identity for _, identity in reported}
        merchants: list[str] = []
        times, frauds = [np.empty(0, np.int64)], [np.empty(0, bool)]
        for some in seen:
            merchants += some.merchants
            times.append(some.times)
            frauds.append(_are_in(identities, some.identities))
            for row in np.flatnonzero(frauds[-1]).tolist():
                frauds[-1][row] = (some.customers[row], some.identities[row]) in reported
        for old in [old for old in self._labels if old <= day]:
            del self._labels[old]  # they can count for no day that is still open
        return close_day(day, self._terms, merchants, np.concatenate(times), np.concatenate(frauds))

    def _reported(self, day: int, seen: Sequence[_Seen]) -> set[tuple[str, str]]:
        """Customer and id of what labels call a fraud at the cutoff: of the labels of a transaction the newest."""
        days = range(day, label_cutoff(day, self._terms.label_delay_days) // DAY)
        counting = [labels for when in days for labels in self._labels.get(when, ())]
        # Nearly all labels call genuine what nobody ever called a fraud. With a long delay there are those of many
        # days, and to go through all of them for each day would take longer than the features.
        called = set[str]().union(*(labels.named for labels in counting if labels.are_fraud))
        accused = {identity for some in seen for identity in some.identities if identity in called}
        newest: dict[tuple[str, str], tuple[int, int, bool]] = {}
        for labels in counting:
            if accused.isdisjoint(labels.named):
                continue
            for row in np.flatnonzero(_are_in(accused, labels.identities)).tolist():
                transaction = labels.customers[row], labels.identities[row]
                said = int(labels.times[row]), int(labels.places[row]), labels.are_fraud
                if transaction not in newest or said > newest[transaction]:
                    newest[transaction] = said
        return {transaction for transaction, (*_, is_fraud) in newest.items() if is_fraud}


class MerchantLedger:
    """Closed days, arranged for the question: how many, and how many frauds, in [E - W, E)?"""

    def __init__(self, terms: EngineTerms, merchants: Codes) -> None:
        self._terms = terms.ledger_terms
        bucket = terms.bucket_ms
        if bucket < SECOND or bucket % SECOND or DAY % bucket:
            raise EngineError(
                f"bucket: got {bucket} ms, expected whole seconds that divide a day, such as 1s, 60s, 1h or 1d"
            )
        self._merchants = merchants
        self._arena = Arena((np.int64, np.int64, np.int64), ends=(np.int64, np.int64))
        self._first_day: int | None = None
        self._newest_day: int | None = None
        self._forgotten = windows.NEVER

    def add(self, closed: LedgerDay) -> None:
        """Takes the next closed day in."""
        if closed.terms != self._terms:
            delay_days, bucket = self._terms
            raise EngineError(
                f"ledger day {closed.day}: got label delay {closed.label_delay_days} d, bucket {closed.bucket_ms} ms, "
                f"expected {delay_days} d and {bucket} ms; close the days again with these"
            )
        if self._newest_day is not None and closed.day <= self._newest_day:
            raise EngineError(
                f"ledger day: got {closed.day} after {self._newest_day}, expected days in order, once each"
            )
        self._newest_day = closed.day
        if self._first_day is None:
            self._first_day = closed.day
        if not closed.merchants:
            return
        series = np.array([self._merchants[merchant] for merchant in closed.merchants], np.int64)
        arena = self._arena
        arena.have_series(self._merchants.bound)
        arena.reserve(series, self._forgotten - 1)
        windows.append_day(
            self._book(), series, np.array(closed.buckets), np.array(closed.transactions), np.array(closed.frauds)
        )

    def forget_before(self, day: int) -> None:
        """Days before this one may go, at once or later; to ask for them is an error from now on."""
        if day * DAY > self._forgotten:
            self._forgotten = day * DAY
            self._arena.drop_idle(self._forgotten - 1)

    def mark_names(self, merchants: Array) -> None:
        """Which merchants' codes have entries."""
        has_entries = self._arena.cap[: len(merchants)] > 0
        merchants[: len(has_entries)] |= has_entries

    def features(self, merchant_codes: Array, event_times: Array) -> Array:
        """A row of LEDGER_FEATURES for each transaction."""
        delay_days, bucket = self._terms
        earliest = int(event_times.min())
        oldest = oldest_ledger_day(earliest, delay_days)
        if oldest * DAY < self._forgotten:
            raise EngineError(
                f"ledger: got a transaction at {to_text(earliest)}, which needs the days from {to_date(oldest)} on, "
                f"expected none before {to_date(self._forgotten // DAY)}; those were forgotten. A worker that is "
                "started again takes them in; offline, keep all days while partitions can still come"
            )
        out = np.empty((len(merchant_codes), len(LEDGER_FEATURES)))
        windows.look_up(self._book(), merchant_codes, event_times, delay_days * DAY, bucket, out)
        return out

    def _book(self) -> windows.Book:
        arena = self._arena
        return windows.Book(arena.lo, arena.hi, *arena.ends, *arena.columns)

    def day_used(self, needed: Array) -> Array:
        """The newest day that is looked at by who needs the days up to `needed`; -1 where there is none yet."""
        if self._first_day is None or self._newest_day is None:
            return np.full(len(needed), NO_DAY, np.int64)
        return np.where(needed < self._first_day, NO_DAY, np.minimum(needed, self._newest_day))
