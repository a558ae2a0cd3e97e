"""The merchant ledger: what is known of merchants, in whole UTC days that are closed once and never change.

`MerchantLedger` is what features read. It is fed with closed days and cannot tell where they come from: offline
`SeenDays` closes them from what passed by; in the worker they come out of the store.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from risk import windows
from risk.arena import Arena
from risk.block import Block
from risk.catalogue import LEDGER_FEATURES, EngineTerms
from risk.clock import DAY, SECOND, day_of, to_date, to_text
from risk.codes import Array, Codes
from risk.errors import EngineError
from risk.events import Label
from risk.horizon import oldest_ledger_day
from risk.ledger_day import LedgerDay, LedgerTerms, close_day, label_cutoff

NO_DAY = -1


# A scored transaction, as a ledger day needs it: merchant, event time, customer, id.
Sighting = tuple[str | None, int, str, str]


class DaySource(Protocol):
    """Where closed days come from."""

    def see(self, block: Block, rows: Array) -> None:
        """These rows were scored."""

    def closed_until(self, day: int) -> Iterable[LedgerDay]:
        """The closed days up to this one that were not handed out before, in order. May wait; may raise, and then the
        engine's partition must be forgotten and restored."""


class SeenDays:
    """Closes days from the transactions that passed by and the labels that were learned: the source of days offline."""

    def __init__(self, terms: LedgerTerms, *, opening_day: int | None = None, keep: bool = False) -> None:
        self._terms = terms
        self._next = opening_day
        self._pending: defaultdict[int, list[Sighting]] = defaultdict(list)
        self._labels: defaultdict[tuple[str, str], list[tuple[int, bool]]] = defaultdict(list)
        self._labelled: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)  # by day of the label
        self._keep = keep
        self.handed_out: list[LedgerDay] = []
        self.stragglers = 0

    def learn(self, labels: Iterable[Label]) -> None:
        """A label counts for a day only if it is known before that day's cutoff, whenever it is learned here."""
        for label in labels:
            day = day_of(label.labelled_at)
            if self._next is None or day >= self._next:
                transaction = (label.customer_id, label.transaction_id)
                self._labels[transaction].append((label.labelled_at, label.is_fraud))
                self._labelled[day].append(transaction)

    def see(self, block: Block, rows: Array) -> None:
        times, days = block.event_time[rows].tolist(), (block.event_time[rows] // DAY).tolist()
        merchants, customers, ids = block.merchant_id, block.customer_id, block.transaction_id
        for row, time, day in zip(rows.tolist(), times, days, strict=True):
            if self._next is not None and day < self._next:
                self.stragglers += 1
            else:
                self._pending[day].append((merchants[row], time, customers[row], ids[row]))

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
        cutoff = label_cutoff(day, self._terms.label_delay_days)
        seen = self._pending.pop(day, [])
        sightings = [
            (merchant, time, self._is_fraud(customer, identity, time, cutoff))
            for merchant, time, customer, identity in seen
            if merchant is not None
        ]
        self._forget_labels(day)
        return close_day(day, self._terms, sightings)

    def _is_fraud(self, customer: str, identity: str, event_time: int, cutoff: int) -> bool:
        labels = self._labels.get((customer, identity))
        if labels is None:
            return False
        since = day_of(event_time) * DAY
        known = [(when, number, is_fraud) for number, (when, is_fraud) in enumerate(labels) if since <= when < cutoff]
        return max(known)[2] if known else False

    def _forget_labels(self, closed: int) -> None:
        """Labels of a closed day or earlier can count for no day that is still open."""
        for day in [day for day in self._labelled if day <= closed]:
            for transaction in self._labelled.pop(day):
                rest = [label for label in self._labels.pop(transaction, ()) if day_of(label[0]) > closed]
                if rest:
                    self._labels[transaction] = rest


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
