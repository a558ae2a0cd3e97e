"""What the cases of each of many thresholds would have caught, missed and cost: counted in one pass, in bounded memory.

A case is all alerts of a customer on one UTC day: one review, however many transactions. A fraud is caught if it, or an
earlier transaction of that customer on that day, reached the threshold: a case can stop what comes after its first
alert, not what came before.

Where labels are missing, nothing is made up: a case that only transactions without a label raised is neither right
nor wrong, unless a fraud of that customer and day is known. Where there is no label at all, only cases are counted.
`alerts` in names, in JSON and in CSV are cases: they were called so when version 0.1 came out.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from risk.clock import DAY
from risk.codes import Codes
from risk.events import FRAUD, UNKNOWN
from trainer.unlabelled import Unlabelled


class Prices(NamedTuple):
    """One review costs this much; of a missed fraud this share of its amount is lost."""

    review_cost: float
    loss_rate: float


class Outcome(NamedTuple):
    """What one threshold comes to; None is what cannot be said without labels."""

    threshold: float
    alerts: int
    alerts_with_fraud: int | None
    good_customers_flagged: int | None  # a genuine transaction raised it, and that customer had no fraud on that day
    alerts_unknown: int  # the rest: only transactions without a label raised it
    frauds_caught: int | None
    frauds_missed: int | None
    saved: float | None  # what the caught frauds would have cost
    lost: float | None
    review: float

    @property
    def cost(self) -> float | None:
        return None if self.lost is None else self.lost + self.review

    @property
    def precision(self) -> float | None:
        """Of the cases of which it is known."""
        known = self.alerts - self.alerts_unknown
        return self.alerts_with_fraud / known if known and self.alerts_with_fraud is not None else None

    @property
    def recall(self) -> float | None:
        if self.frauds_caught is None or self.frauds_missed is None:
            return None
        frauds = self.frauds_caught + self.frauds_missed
        return self.frauds_caught / frauds if frauds else None


class CustomerDays(NamedTuple):
    """Of each customer of a day: how many thresholds were reached, by any of its transactions and by those that have a
    label; and whether one is known as a fraud."""

    reached: np.ndarray
    reached_by_known: np.ndarray
    has_fraud: np.ndarray

    @classmethod
    def new(cls, customers: int) -> "CustomerDays":
        return cls(np.zeros(customers, np.int64), np.zeros(customers, np.int64), np.zeros(customers, bool))

    def for_customers(self, count: int) -> "CustomerDays":
        """With room for so many at least."""
        if count <= len(self.reached):
            return self
        new = CustomerDays.new(2 * count)
        for old, column in zip(self, new, strict=True):
            column[: len(old)] = old
        return new


class Tally:
    """Counts by how many of the thresholds a score reaches: place k of an array is for those that reach k of them."""

    def __init__(self, thresholds: Sequence[float], prices: Prices) -> None:
        self.thresholds = np.array(sorted(thresholds))
        self._prices = prices
        places = len(self.thresholds) + 1
        self.transactions = self.labelled = 0
        self._frauds, self._customer_days, self._fraud_days, self._good_days = (
            np.zeros(places, np.int64) for _ in range(4)
        )
        self._amounts = np.zeros(places)

    def add_transactions(self, reached: np.ndarray, labels: np.ndarray, amounts: np.ndarray) -> None:
        self.transactions += len(reached)
        self.labelled += int(np.count_nonzero(labels != UNKNOWN))
        frauds = labels == FRAUD
        np.add.at(self._frauds, reached[frauds], 1)
        np.add.at(self._amounts, reached[frauds], amounts[frauds])  # one after the other: a sum has its order

    def add_customer_days(self, days: CustomerDays) -> None:
        np.add.at(self._customer_days, days.reached, 1)
        np.add.at(self._fraud_days, days.reached[days.has_fraud], 1)
        np.add.at(self._good_days, days.reached_by_known[~days.has_fraud], 1)

    def outcomes(self) -> Iterator[Outcome]:
        """For each threshold, from the lowest."""
        for place, threshold in enumerate(self.thresholds.tolist()):
            reached, below = slice(place + 1, None), slice(0, place + 1)
            alerts, with_fraud, good = (
                int(days[reached].sum()) for days in (self._customer_days, self._fraud_days, self._good_days)
            )
            bare = Outcome(threshold, alerts, None, None, alerts - with_fraud - good, None, None, None, None,
                           alerts * self._prices.review_cost)  # fmt: skip
            if not self.labelled:
                yield bare
                continue
            yield bare._replace(
                alerts_with_fraud=with_fraud,
                good_customers_flagged=good,
                frauds_caught=int(self._frauds[reached].sum()),
                frauds_missed=int(self._frauds[below].sum()),
                saved=float(self._amounts[reached].sum()) * self._prices.loss_rate,
                lost=float(self._amounts[below].sum()) * self._prices.loss_rate,
            )

    def at(self, threshold: float) -> Outcome:
        """At one of the thresholds."""
        return next(outcome for outcome in self.outcomes() if outcome.threshold == threshold)


class Week(NamedTuple):
    first_day: int
    days: int  # the last week may have fewer than seven
    tally: Tally


class Tallies:
    """Tallies by week and in total, fed with transactions in event-time order; keeps only the customers of one day."""

    def __init__(self, thresholds: Sequence[float], prices: Prices) -> None:
        self._thresholds, self._prices = thresholds, prices
        self.total = Tally(thresholds, prices)
        self._weeks: dict[int, Tally] = {}
        self._first_day: int | None = None
        self._day = -1
        self._customers = Codes()  # of today
        self._open = CustomerDays.new(0)  # of today, so far
        self._tallies: tuple[Tally, ...] = ()
        self._silent: list[int] = []  # days of which no transaction has a label
        self._busy_days = self._earlier = self._earlier_labelled = 0  # transactions of the days before

    @property
    def days(self) -> int:
        return 0 if self._first_day is None else self._day - self._first_day + 1

    @property
    def unlabelled(self) -> Unlabelled:
        total = self.total
        return Unlabelled(total.transactions - total.labelled, total.transactions, tuple(self._silent), self._busy_days)

    def weeks(self) -> list[Week]:
        """From the first day on; a week without a transaction is not among them."""
        begin = self._first_day or 0
        return [
            Week(begin + 7 * number, min(7, self.days - 7 * number), tally) for number, tally in self._weeks.items()
        ]

    def add(
        self, times: np.ndarray, customers: Sequence[str], scores: np.ndarray, labels: np.ndarray, amounts: np.ndarray
    ) -> np.ndarray:
        """How many thresholds each transaction's customer-day has reached when the transaction is there."""
        reached = np.searchsorted(self.total.thresholds, scores, side="right")
        # A transaction that comes late counts on the day that it comes.
        days = np.maximum(np.maximum.accumulate(times // DAY), self._day)
        starts = np.flatnonzero(np.diff(days, prepend=-1)).tolist()
        for first, last in pairwise([*starts, len(days)]):
            if days[first] > self._day:
                self._begin(int(days[first]))
            part = slice(first, last)
            reached[part] = self._add_to_today(customers[part], reached[part], labels[part])
            for tally in self._tallies:
                tally.add_transactions(reached[part], labels[part], amounts[part])
        return reached

    def _add_to_today(self, customers: Sequence[str], reached: np.ndarray, labels: np.ndarray) -> np.ndarray:
        codes = np.fromiter(map(self._customers.__getitem__, customers), np.int64, len(customers))
        today = self._open = self._open.for_customers(self._customers.bound)
        so_far: np.ndarray = np.maximum(running_maximum(codes, reached), today.reached[codes])
        known = labels != UNKNOWN
        np.maximum.at(today.reached, codes, reached)
        np.maximum.at(today.reached_by_known, codes[known], reached[known])
        today.has_fraud[codes[labels == FRAUD]] = True
        return so_far

    def finish(self) -> None:
        """The last day is over."""
        if self.total.transactions > self._earlier:
            self._busy_days += 1
            if self.total.labelled == self._earlier_labelled:
                self._silent.append(self._day)
        self._earlier, self._earlier_labelled = self.total.transactions, self.total.labelled
        customers = slice(1, self._customers.bound)  # 0 is nobody's
        for tally in self._tallies:
            tally.add_customer_days(CustomerDays(*(column[customers] for column in self._open)))
        self._customers = Codes()
        self._open = CustomerDays.new(len(self._open.reached))

    def _begin(self, next_day: int) -> None:
        self.finish()
        self._day = next_day
        if self._first_day is None:
            self._first_day = next_day
        week = self._weeks.setdefault((next_day - self._first_day) // 7, Tally(self._thresholds, self._prices))
        self._tallies = (self.total, week)


def running_maximum(groups: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Of each row the largest of its group's values so far; the values are whole and not negative."""
    if not len(values):
        return values
    step = int(values.max()) + 1
    order = np.argsort(groups, kind="stable")
    raised = groups[order] * step
    found: np.ndarray = np.empty_like(values)
    found[order] = np.maximum.accumulate(raised + values[order]) - raised
    return found
