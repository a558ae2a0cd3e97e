"""What alerts at each of many thresholds would have caught, missed and cost: counted in one pass, in bounded memory.

An alert is a customer-day: one review, however many transactions. A fraud is caught if it, or an earlier transaction of
that customer on that day, reached the threshold: an alert can stop what comes after it, not what came before.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from risk.clock import DAY


class Costs(NamedTuple):
    """One review costs this much; of a missed fraud this share of its amount is lost."""

    review_cost: float
    loss_rate: float


class Outcome(NamedTuple):
    """What one threshold comes to."""

    threshold: float
    alerts: int
    frauds_caught: int
    frauds_missed: int
    alerts_with_fraud: int
    good_customers_flagged: int
    saved: float  # what the caught frauds would have cost
    lost: float
    review: float

    @property
    def cost(self) -> float:
        return self.lost + self.review

    @property
    def precision(self) -> float | None:
        return self.alerts_with_fraud / self.alerts if self.alerts else None

    @property
    def recall(self) -> float | None:
        frauds = self.frauds_caught + self.frauds_missed
        return self.frauds_caught / frauds if frauds else None


class Tally:
    """Counts by how many of the thresholds a score reaches: place k of an array is for those that reach k of them."""

    def __init__(self, thresholds: Sequence[float], costs: Costs) -> None:
        self.thresholds = np.array(sorted(thresholds))
        self._costs = costs
        places = len(self.thresholds) + 1
        self.transactions = 0
        self._customer_days, self._fraud_days, self._frauds = (np.zeros(places, np.int64) for _ in range(3))
        self._amounts = np.zeros(places)

    def add_fraud(self, reached: int, amount: float) -> None:
        self._frauds[reached] += 1
        self._amounts[reached] += amount

    def add_customer_day(self, reached: int, *, has_fraud: bool) -> None:
        self._customer_days[reached] += 1
        self._fraud_days[reached] += has_fraud

    def outcomes(self) -> Iterator[Outcome]:
        """For each threshold, from the lowest."""
        for place, threshold in enumerate(self.thresholds.tolist()):
            reached, below = slice(place + 1, None), slice(0, place + 1)
            alerts = int(self._customer_days[reached].sum())
            with_fraud = int(self._fraud_days[reached].sum())
            yield Outcome(
                threshold,
                alerts,
                frauds_caught=int(self._frauds[reached].sum()),
                frauds_missed=int(self._frauds[below].sum()),
                alerts_with_fraud=with_fraud,
                good_customers_flagged=alerts - with_fraud,
                saved=float(self._amounts[reached].sum()) * self._costs.loss_rate,
                lost=float(self._amounts[below].sum()) * self._costs.loss_rate,
                review=alerts * self._costs.review_cost,
            )


class Calendar:
    """Tallies by week and in total, fed with transactions in event-time order; keeps only the customers of one day."""

    def __init__(self, thresholds: Sequence[float], costs: Costs) -> None:
        self._thresholds, self._costs = thresholds, costs
        self.total = Tally(thresholds, costs)
        self.weeks: dict[int, Tally] = {}
        self.first_day: int | None = None
        self.last_day: int | None = None
        self._day = -1
        self._open: dict[str, tuple[int, bool]] = {}  # customer: thresholds reached so far today, had a fraud
        self._tallies: tuple[Tally, ...] = ()

    @property
    def days(self) -> int:
        return 0 if self.first_day is None or self.last_day is None else self.last_day - self.first_day + 1

    def add(
        self, times: Sequence[int], customers: Sequence[str], scores: np.ndarray, fraud: Sequence[bool],
        amounts: Sequence[float],
    ) -> None:  # fmt: skip
        reached = np.searchsorted(self.total.thresholds, scores, side="right").tolist()
        for time, customer, reach, is_fraud, amount in zip(times, customers, reached, fraud, amounts, strict=True):
            day = time // DAY
            if day > self._day:
                self._begin(day)
            most, had_fraud = self._open.get(customer, (0, False))
            most = max(most, reach)
            self._open[customer] = (most, had_fraud or is_fraud)
            for tally in self._tallies:
                tally.transactions += 1
                if is_fraud:
                    tally.add_fraud(most, amount)

    def finish(self) -> None:
        """The last day is over."""
        for most, had_fraud in self._open.values():
            for tally in self._tallies:
                tally.add_customer_day(most, has_fraud=had_fraud)
        self._open.clear()

    def _begin(self, next_day: int) -> None:
        self.finish()
        self._day = self.last_day = next_day
        if self.first_day is None:
            self.first_day = next_day
        week = self.weeks.setdefault((next_day - self.first_day) // 7, Tally(self._thresholds, self._costs))
        self._tallies = (self.total, week)
