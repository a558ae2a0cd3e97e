"""What is sent, in which order: the same for the same file and options, so that a place in it is one number."""

import heapq
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from producer.replay.refused import Refused, RefusedRows
from risk.clock import DAY, day_of
from risk.dataset import BadRow, Dataset, Rows
from risk.dataset.rows import UNKNOWN
from risk.events import Label, Transaction


class Span(NamedTuple):
    """Which part of a file is sent, and when it is said to have happened."""

    since: int | None = None  # these two in the file's own times
    until: int | None = None
    shift_ms: int = 0
    labels: bool = True
    laps: bool = False  # again and again, each lap behind the one before


class Entry(NamedTuple):
    """`due` is what the pace goes by."""

    due: int
    event: Transaction | Label | Refused


class Sequence:
    """The entries of a dataset: transactions by event time, a label before the first transaction that is not earlier
    than it, refused rows before the good row that they stand before.

    A label is due when it was known, though never before its transaction. What is due counts for `since` and `until`,
    so two runs that meet at a day send together what one would.
    """

    def __init__(self, dataset: Dataset, refused: RefusedRows, span: Span, now_ms: int) -> None:
        """`refused` is what the dataset was opened with. No label that is dated after `now_ms` is sent."""
        self.refused = refused
        self.early_labels = 0  # dated before the day of their transaction: no day of the ledger counts them
        self.future_labels = 0
        self.timed_frauds = self.untimed_frauds = 0  # whether it is known when their label was
        self._dataset, self._span, self._now = dataset, span, now_ms
        self._known: list[tuple[int, int, Label]] = []  # by time, then as they came
        self._came = 0
        first, last = dataset.ends or (0, 0)
        self._lap_ms = (day_of(last) - day_of(first) + 1) * DAY

    def __iter__(self) -> Iterator[Entry]:
        newest = lap = 0
        while lap == 0 or (self._span.laps and self._dataset.ends is not None):
            for rows in self._dataset.rows():
                for entry in self._chunk(rows, lap):
                    newest = entry.due
                    yield entry
                if self._ends_before(int(rows.block.event_time[-1])):
                    break
            else:
                yield from self._messages(self.refused.left() if lap == 0 else [], newest)
            self.refused.clear()
            lap += 1
        yield from self._left_labels(newest)

    def _chunk(self, rows: Rows, lap: int) -> Iterator[Entry]:
        shift = self._span.shift_ms + lap * self._lap_ms
        since = (self._span.since or 0) + shift
        refused = self.refused.before(rows, self._dataset) if lap == 0 else {}
        known = self._known
        for place, (transaction, fraud, at) in enumerate(
            zip(rows.block, rows.is_fraud.tolist(), rows.labelled_at.tolist(), strict=True)
        ):
            if self._ends_before(transaction.event_time):
                break
            if shift:
                transaction = _moved(transaction, shift, lap)
            moment = transaction.event_time
            if fraud != UNKNOWN and at != UNKNOWN and self._span.labels:
                known_at = at + shift
                label = Label(transaction.transaction_id, transaction.customer_id, fraud == 1, known_at, "dataset")
                self._learn(label, moment, since)
            if moment < since:
                continue
            if fraud == 1:
                self.timed_frauds += at != UNKNOWN
                self.untimed_frauds += at == UNKNOWN
            while known and known[0][0] <= moment:
                due, _, label = heapq.heappop(known)
                yield Entry(due, label)
            if place in refused:
                yield from self._messages(refused[place], moment)
            yield Entry(moment, transaction)

    def _learn(self, label: Label, event_time: int, since: int) -> None:
        self.early_labels += day_of(label.labelled_at) < day_of(event_time)
        due = max(label.labelled_at, event_time)
        if due >= since:
            self._came += 1
            heapq.heappush(self._known, (due, self._came, label))

    def _ends_before(self, event_time: int) -> bool:
        """Of the file's own time."""
        return self._span.until is not None and event_time >= self._span.until

    def _messages(self, bad_rows: Iterable[BadRow], due: int) -> Iterator[Entry]:
        for message in self.refused.messages(bad_rows, self._dataset, self._span.shift_ms):
            yield Entry(due, message)

    def _left_labels(self, newest: int) -> Iterator[Entry]:
        """Known after the last transaction: sent without a pace, as far as they can be known by now."""
        limit = self._now + 1
        if self._span.until is not None:
            limit = min(limit, self._span.until + self._span.shift_ms)
        while self._known:
            due, _, label = heapq.heappop(self._known)
            if due < limit:
                yield Entry(newest, label)
            elif due > self._now:
                self.future_labels += 1


def _moved(transaction: Transaction, shift_ms: int, lap: int) -> Transaction:
    """Ids of another lap are others, or they would be duplicates."""
    name = f"{transaction.transaction_id}~{lap}" if lap else transaction.transaction_id
    return replace(transaction, transaction_id=name, event_time=transaction.event_time + shift_ms)
