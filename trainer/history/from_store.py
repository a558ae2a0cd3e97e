"""Rows out of the store, all partitions as one history."""

import heapq
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np

from evaluation.live_days import labelled_until
from risk.clock import DAY, to_date
from risk.dataset.rows import UNKNOWN
from risk.errors import StoreError
from risk.ledger_day import last_due_day
from risk.store import Position, Store
from trainer.history.labels import Known, known_of, was_corrected
from trainer.unlabelled import Gaps, LabelledDays, Span

MANY = 65_536  # rows at once


class Days(NamedTuple):
    """Which days of the store a history is of, both included."""

    first: int
    last: int
    last_due: int  # the newest whose labels are due, or were when the last of them came
    pruned_before: int | None  # the first day that is whole, where older ones were pruned
    silent_until: int | None = None  # the newest with transactions, where labels stopped before it


def days_of_store(
    store: Store, transactions: str, label_delay_days: int, *, since: int | None = None, until: int | None = None
) -> Days:
    """`since` and `until` are moments at which days begin; without them from the first whole day to the last one whose
    labels are due."""
    positions = [p for p in store.positions() if p.topic == transactions and p.newest_event_time is not None]
    first = store.first_event_day()
    if first is None or not positions:
        raise StoreError("the store: nothing was scored yet, expected some work; start a worker")
    whole_from = max((_whole_from(store, position) for position in positions), default=0)
    newest = max(p.newest_event_time for p in positions if p.newest_event_time is not None)
    until_label = labelled_until(newest, store.newest_label(), label_delay_days)
    # Where no label ever came there is nothing to learn, which whoever reads them says.
    last_due = last_due_day(newest if until_label is None else until_label, label_delay_days)
    days = Days(
        max(first, whole_from) if since is None else since // DAY,
        last_due if until is None else min(until // DAY - 1, newest // DAY),
        last_due,
        whole_from if whole_from > first else None,
        newest // DAY if until_label not in (None, newest) else None,
    )
    if days.last < days.first:
        raise StoreError(
            f"got days from {to_date(days.first)} to {to_date(days.last)}, expected one at least: there are "
            f"transactions until {to_date(newest // DAY)}, and labels are due {label_delay_days} days after a day ends"
        )
    return days


def _whole_from(store: Store, position: Position) -> int:
    """The first UTC day of which nothing of this partition was pruned. What is pruned is older than all that stays, and
    nothing goes before the first one does."""
    first = next(store.flags(position.partition), None)
    if first is None or first.event_time == position.first_event_time:
        return 0
    return -(-first.event_time // DAY)


class StoredHistory:
    """Counts what it meets on the way."""

    def __init__(self, store: Store, transactions: str, days: Days, label_delay_days: int) -> None:
        self.days = days
        self.rows = self.frauds = self.labels = self.corrected = 0
        self._positions = [p for p in store.positions() if p.topic == transactions]
        self._store = store
        self._labelled = LabelledDays(label_delay_days)

    def batches(self) -> Iterator[list[Known]]:
        """In the order of each partition's log, and between partitions by event time. Of what happened in the same
        millisecond in two of them nobody knows which came first; the id decides, for most systems count them up."""
        span = self.days.first * DAY, (self.days.last + 1) * DAY
        partitions = [self._store.labelled_flags(position.partition, *span) for position in self._positions]
        merged = heapq.merge(*partitions, key=lambda flag: (flag.event_time, flag.transaction_id))
        while flags := list(islice(merged, MANY)):
            rows = [known_of(flag, self.days.last_due) for flag in flags]
            self.corrected += sum(was_corrected(flag.labels) for flag in flags)
            self._count(rows)
            yield rows

    def _count(self, rows: list[Known]) -> None:
        """Of labels only those that came: what counts as genuine without any would hide that they are missing."""
        reported = [row.is_fraud if row.labelled_at is not None else None for row in rows]
        self.rows += len(rows)
        self.frauds += sum(row.is_fraud is True for row in rows)
        self.labels += sum(verdict is not None for verdict in reported)
        self._labelled.add(
            np.array([row.flag.event_time for row in rows], np.int64),
            np.array([UNKNOWN if verdict is None else verdict for verdict in reported], np.int8),
            np.array([UNKNOWN if row.labelled_at is None else row.labelled_at for row in rows], np.int64),
        )

    @property
    def gaps(self) -> Gaps | None:
        """Days of which labels seem to be missing; after all was read."""
        return self._labelled.gaps(Span(self.days.first, self.days.last))

    @property
    def behind(self) -> list[str]:
        """Partitions whose work ends before the history does."""
        return [
            f"partition {position.partition} has nothing after {to_date(newest // DAY)}"
            for position in self._positions
            if (newest := position.newest_event_time) is not None and newest // DAY < self.days.last
        ]
