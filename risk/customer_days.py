"""What a case is, and what it can stop: as a fraud team works, customer by customer, day by day (docs/cost.md).

A case is a customer-day with at least one alert, a transaction at or above the threshold. It costs one review, however
many alerts it has. A fraud is caught if its own score reaches the threshold, or that of an earlier transaction of the
same customer on the same day: a case can stop what comes after its first alert, not what came before. So a row counts
from its running maximum on, the highest score of its customer-day up to and including itself.
"""

from typing import NamedTuple

import numpy as np

from risk.clock import DAY
from risk.codes import Array


class CustomerDays(NamedTuple):
    """Which customer-day each row belongs to, and how far the day had got when the row came."""

    groups: Array  # int64 for each row, 0 to size - 1
    size: int  # how many customer-days
    running_max: Array  # float64 for each row
    peaks: Array  # float64 for each customer-day: its highest score

    def which_hold(self, rows: Array) -> Array:
        """For each customer-day, whether one of these rows (bool for each row) belongs to it."""
        held = np.zeros(self.size, bool)
        held[self.groups[rows]] = True
        return held


def customer_days(event_times: Array, customers: Array, scores: Array) -> CustomerDays:
    """Of rows in the order of event time. Customers are numbers, equal for equal customers; no score is NaN."""
    days = event_times // DAY
    _, numbers = np.unique(customers, return_inverse=True)
    _, places = np.unique(days, return_inverse=True)
    _, groups = np.unique(numbers * (len(days) + 1) + places, return_inverse=True)
    count = int(groups.max()) + 1 if len(groups) else 0
    # Ranks instead of scores: added to a multiple of the group they make a running maximum that starts anew with
    # each customer-day, and stays exact.
    ranked, ranks = np.unique(scores, return_inverse=True)
    order = np.argsort(groups, kind="stable")
    running = np.maximum.accumulate((groups * (len(ranked) + 1) + ranks)[order])
    running_max = np.empty(len(scores))
    running_max[order] = ranked[running - groups[order] * (len(ranked) + 1)]
    peaks = np.full(count, -np.inf)
    np.maximum.at(peaks, groups, scores)
    return CustomerDays(groups, count, running_max, peaks)
