"""What the cases of each of many thresholds would have caught, missed and cost: counted in one pass, in bounded memory.

A case is all alerts of a customer on one UTC day: one review, however many transactions. A fraud is caught if it, or an
earlier transaction of that customer on that day, reached the threshold: a case can stop what comes after its first
alert, not what came before.

Where labels are missing, nothing is made up: a case that only transactions without a label raised is neither right
nor wrong, unless a fraud of that customer and day is known. Where there is no label at all, only cases are counted.
`alerts` in names, in JSON and in CSV are cases: they were called so when version 0.1 came out.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from risk.clock import DAY

FRAUD, GENUINE, UNKNOWN = 1, 0, -1  # labels as `Rows.is_fraud` has them


class Costs(NamedTuple):
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


class CustomerDay(NamedTuple):
    """How many thresholds were reached: by any of its transactions, and by those that have a label."""

    reached: int = 0
    reached_by_known: int = 0
    has_fraud: bool = False

    def with_one(self, reached: int, label: int) -> "CustomerDay":
        known = self.reached_by_known if label == UNKNOWN else max(self.reached_by_known, reached)
        return CustomerDay(max(self.reached, reached), known, self.has_fraud or label == FRAUD)


NEW_DAY = CustomerDay()


class Tally:
    """Counts by how many of the thresholds a score reaches: place k of an array is for those that reach k of them."""

    def __init__(self, thresholds: Sequence[float], costs: Costs) -> None:
        self.thresholds = np.array(sorted(thresholds))
        self._costs = costs
        places = len(self.thresholds) + 1
        self.transactions = self.labelled = 0
        self._frauds, self._customer_days, self._fraud_days, self._good_days = (
            np.zeros(places, np.int64) for _ in range(4)
        )
        self._amounts = np.zeros(places)

    def add_transaction(self, reached: int, label: int, amount: float) -> None:
        self.transactions += 1
        self.labelled += label != UNKNOWN
        if label == FRAUD:
            self._frauds[reached] += 1
            self._amounts[reached] += amount

    def add_customer_day(self, day: CustomerDay) -> None:
        self._customer_days[day.reached] += 1
        if day.has_fraud:
            self._fraud_days[day.reached] += 1
        else:
            self._good_days[day.reached_by_known] += 1

    def outcomes(self) -> Iterator[Outcome]:
        """For each threshold, from the lowest."""
        for place, threshold in enumerate(self.thresholds.tolist()):
            reached, below = slice(place + 1, None), slice(0, place + 1)
            alerts, with_fraud, good = (
                int(days[reached].sum()) for days in (self._customer_days, self._fraud_days, self._good_days)
            )
            bare = Outcome(threshold, alerts, None, None, alerts - with_fraud - good, None, None, None, None,
                           alerts * self._costs.review_cost)  # fmt: skip
            if not self.labelled:
                yield bare
                continue
            yield bare._replace(
                alerts_with_fraud=with_fraud,
                good_customers_flagged=good,
                frauds_caught=int(self._frauds[reached].sum()),
                frauds_missed=int(self._frauds[below].sum()),
                saved=float(self._amounts[reached].sum()) * self._costs.loss_rate,
                lost=float(self._amounts[below].sum()) * self._costs.loss_rate,
            )

    def at(self, threshold: float) -> Outcome:
        """At one of the thresholds."""
        return next(outcome for outcome in self.outcomes() if outcome.threshold == threshold)


class Week(NamedTuple):
    first_day: int
    days: int  # the last week may have fewer than seven
    tally: Tally


class Calendar:
    """Tallies by week and in total, fed with transactions in event-time order; keeps only the customers of one day."""

    def __init__(self, thresholds: Sequence[float], costs: Costs) -> None:
        self._thresholds, self._costs = thresholds, costs
        self.total = Tally(thresholds, costs)
        self._weeks: dict[int, Tally] = {}
        self._first_day: int | None = None
        self._day = -1
        self._open: dict[str, CustomerDay] = {}  # today's, so far
        self._tallies: tuple[Tally, ...] = ()

    @property
    def days(self) -> int:
        return 0 if self._first_day is None else self._day - self._first_day + 1

    def weeks(self) -> list[Week]:
        """From the first day on; a week without a transaction is not among them."""
        begin = self._first_day or 0
        return [
            Week(begin + 7 * number, min(7, self.days - 7 * number), tally) for number, tally in self._weeks.items()
        ]

    def add(
        self, times: Sequence[int], customers: Sequence[str], scores: np.ndarray, labels: Sequence[int],
        amounts: Sequence[float],
    ) -> list[int]:  # fmt: skip
        """How many thresholds each transaction's customer-day has reached when the transaction is there."""
        reached = np.searchsorted(self.total.thresholds, scores, side="right").tolist()
        for place, (time, customer, label, amount) in enumerate(zip(times, customers, labels, amounts, strict=True)):
            day = time // DAY
            if day > self._day:
                self._begin(day)
            self._open[customer] = so_far = self._open.get(customer, NEW_DAY).with_one(reached[place], label)
            reached[place] = so_far.reached
            for tally in self._tallies:
                tally.add_transaction(so_far.reached, label, amount)
        return list(reached)

    def finish(self) -> None:
        """The last day is over."""
        for customer_day in self._open.values():
            for tally in self._tallies:
                tally.add_customer_day(customer_day)
        self._open.clear()

    def _begin(self, next_day: int) -> None:
        self.finish()
        self._day = next_day
        if self._first_day is None:
            self._first_day = next_day
        week = self._weeks.setdefault((next_day - self._first_day) // 7, Tally(self._thresholds, self._costs))
        self._tallies = (self.total, week)
