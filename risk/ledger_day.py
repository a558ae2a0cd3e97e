"""A closed day of the merchant ledger: what it holds, and how it is closed.

Apart from `risk.ledger`, so that who only stores and shows days need not load the compiled loops: 130 MB, and seconds.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import compress
from typing import NamedTuple, TypeVar

from msgspec import Struct

from risk.clock import DAY
from risk.codes import Array

LONGEST_DELAY_DAYS = 365


class LedgerTerms(NamedTuple):
    """On what terms a merchant ledger is kept. Those of other terms are other ledgers, with days of their own."""

    label_delay_days: int
    bucket_ms: int


class LedgerDay(Struct, frozen=True):
    """A closed UTC day: a row for each merchant and bucket of event time with anything in it, in that order."""

    day: int
    label_delay_days: int
    bucket_ms: int
    merchants: tuple[str, ...]
    buckets: tuple[int, ...]  # when the bucket begins, in ms
    transactions: tuple[int, ...]
    frauds: tuple[int, ...]

    @property
    def terms(self) -> LedgerTerms:
        return LedgerTerms(self.label_delay_days, self.bucket_ms)


Day = TypeVar("Day", int, Array)


def label_cutoff(day: Day, label_delay_days: int) -> Day:
    """A label counts for a day if its time is before this, and not before the day itself."""
    return (day + label_delay_days - 1) * DAY


def last_due_day(newest_event: int, label_delay_days: int) -> int:
    """The newest UTC day whose labels are due at this moment of event time: whoever has not reported a fraud of it by
    then counts as having none to report."""
    return (newest_event + 1) // DAY - 1 - label_delay_days


def close_day(day: int, terms: LedgerTerms, merchants: Sequence[str], event_times: Array, frauds: Array) -> LedgerDay:
    """Closes a day from the merchant and the event time of each of its scored transactions; `frauds` (bool) are those
    known as frauds at the cutoff."""
    places = list(zip(merchants, (event_times // terms.bucket_ms * terms.bucket_ms).tolist(), strict=True))
    transactions, reported = Counter(places), Counter(compress(places, frauds.tolist()))
    rows = sorted(transactions)
    return LedgerDay(
        day,
        *terms,
        merchants=tuple(merchant for merchant, _ in rows),
        buckets=tuple(bucket for _, bucket in rows),
        transactions=tuple(transactions[row] for row in rows),
        frauds=tuple(reported[row] for row in rows),
    )
