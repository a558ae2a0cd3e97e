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
    order = np.lexsort((days, customers))  # stable: rows of a customer-day stay in the order of time
    is_first = np.ones(len(order), bool)
    is_first[1:] = (np.diff(customers[order]) != 0) | (np.diff(days[order]) != 0)
    sorted_groups = np.cumsum(is_first) - 1
    groups = np.empty(len(order), np.int64)
    groups[order] = sorted_groups
    # Ranks instead of scores: added to a multiple of the group they make a running maximum that starts anew with
    # each customer-day, and stays exact.
    ranked, ranks = np.unique(scores, return_inverse=True)
    floor = sorted_groups * (len(ranked) + 1)
    reached = ranked[np.maximum.accumulate(floor + ranks[order]) - floor]
    running_max = np.empty(len(order))
    running_max[order] = reached
    peaks = reached[np.append(is_first[1:], True)] if len(order) else np.empty(0)  # the last of each has seen all
    return CustomerDays(groups, len(peaks), running_max, peaks)
