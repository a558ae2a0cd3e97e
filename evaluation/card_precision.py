"""CP@100, card precision at the top: what a team sees that works through the 100 highest customers of every day.

A day's list is the 100 customers with the highest daily score. The share of them that had a fraud that day, averaged
over the days that have transactions, is the figure. A customer whose fraud was found is off the lists of later days.
A place that nobody fills counts as a place without fraud.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from evaluation.money import customer_days
from evaluation.ranking import Predictions
from risk.clock import DAY
from risk.codes import Array

PLACES = 100
FEWEST_CUSTOMERS = 5  # of a day, for each place on its list


class CardPrecision(NamedTuple):
    value: float  # NaN where there is not one day
    possible: float  # the highest that any ranking could have reached
    listed: Array  # for each row, whether it is the one that put its customer on a list
    hits: Array  # of these, whether the customer had a fraud that day
    days: int
    customers_per_day: float
    places: int

    @property
    def says_nothing(self) -> bool:
        """A list of every other customer of a day is no list of the most suspicious."""
        return self.customers_per_day < FEWEST_CUSTOMERS * self.places


def card_precision(predictions: Predictions, places: int = PLACES) -> CardPrecision:
    by_day = customer_days(predictions)
    # The first row that reached the day's highest score stands for the customer-day.
    at_peak = np.flatnonzero(predictions.scores == by_day.peaks[by_day.groups])
    _, first = np.unique(by_day.groups[at_peak], return_index=True)
    rows = at_peak[first]
    had_fraud = by_day.which_hold(predictions.is_fraud)
    days, customers = predictions.event_times[rows] // DAY, predictions.customers[rows]

    listed, hits = np.zeros(len(predictions.scores), bool), np.zeros(len(predictions.scores), bool)
    found: set[int] = set()
    # Of equal scores the earlier row comes first: rows are in the order of time.
    order = np.lexsort((rows, -by_day.peaks, days))
    every_day = np.split(order, np.flatnonzero(np.diff(days[order])) + 1) if len(order) else []
    for today in every_day:
        open_cases = [place for place in today.tolist() if int(customers[place]) not in found] if found else today
        top = np.array(open_cases[:places], np.int64)
        listed[rows[top]] = True
        caught = top[had_fraud[top]]
        hits[rows[caught]] = True
        found.update(customers[caught].tolist())
    count = len(every_day)
    whole = places * count
    bad = np.flatnonzero(had_fraud)
    most = _most_found(zip(customers[bad].tolist(), days[bad].tolist(), strict=True), places)
    return CardPrecision(
        value=int(hits.sum()) / whole if whole else np.nan,
        possible=most / whole if whole else np.nan,
        listed=listed,
        hits=hits,
        days=count,
        customers_per_day=by_day.size / count if count else 0.0,
        places=places,
    )


def _most_found(frauds: Iterable[tuple[int, int]], places: int) -> int:
    """How many customers can be found at most, each on one of the days they had a fraud, so many a day.

    Where a day is full, somebody on its list may be found on another day instead: a search along such exchanges finds
    room if there is any. Days from which none was found stay full for good and are not searched again.
    """
    fraud_days: dict[int, list[int]] = {}
    for customer, day in frauds:
        fraud_days.setdefault(customer, []).append(day)
    lists: dict[int, set[int]] = {day: set() for days in fraud_days.values() for day in days}
    full: set[int] = set()
    for customer, own_days in fraud_days.items():
        came_from: dict[int, tuple[int, int | None]] = {day: (customer, None) for day in own_days if day not in full}
        queue = deque(came_from)
        while queue:
            day = queue.popleft()
            if len(lists[day]) < places:
                _exchange(lists, came_from, day)
                break
            for other in lists[day]:
                for elsewhere in fraud_days[other]:
                    if elsewhere not in came_from and elsewhere not in full:
                        came_from[elsewhere] = (other, day)
                        queue.append(elsewhere)
        else:
            full.update(came_from)
    return sum(len(names) for names in lists.values())


def _exchange(lists: dict[int, set[int]], came_from: dict[int, tuple[int, int | None]], day: int) -> None:
    step: int | None = day
    while step is not None:
        mover, previous = came_from[step]
        lists[step].add(mover)
        if previous is not None:
            lists[previous].discard(mover)
        step = previous
