"""A closed day of the merchant ledger: what it holds, and how it is closed.

Apart from `risk.ledger`, so that who only stores and shows days need not load the compiled loops: 130 MB, and seconds.
"""

from collections import defaultdict
from collections.abc import Iterable
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


def close_day(day: int, terms: LedgerTerms, sightings: Iterable[tuple[str, int, bool]]) -> LedgerDay:
    """Closes a day from (merchant, event time, known as fraud at the cutoff) of each of its scored transactions."""
    counts: defaultdict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
    for merchant, event_time, is_fraud in sightings:
        count = counts[merchant, event_time // terms.bucket_ms * terms.bucket_ms]
        count[0] += 1
        count[1] += is_fraud
    rows = sorted(counts.items())
    return LedgerDay(
        day,
        *terms,
        merchants=tuple(merchant for (merchant, _), _ in rows),
        buckets=tuple(bucket for (_, bucket), _ in rows),
        transactions=tuple(count for _, (count, _) in rows),
        frauds=tuple(fraud for _, (_, fraud) in rows),
    )
