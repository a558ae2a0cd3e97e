"""The two groups of customers of a share: how those fared for whom the challenger decided, and how the others.

Who is in which a hash says, so but for chance the groups differ in nothing but their bundle. What is counted is what
was sent to people, by model and rules together.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from evaluation.live_days import COUNTED, Calendar
from evaluation.money import Accounting
from evaluation.ranking import NO_MERCHANT, Predictions, Shares, shares_of_groups
from evaluation.result import Costs, Figure, NetMoney
from risk.clock import DAY, to_date, to_text
from risk.codes import Array
from risk.customer_days import customer_days


class Decisions(NamedTuple):
    """What became of the customers' transactions while a share stood, in the order of event time; every array of the
    same length. Each customer is either the challenger's or not, all the time."""

    percent: float  # of the customers
    event_times: Array  # int64, milliseconds UTC
    customers: Array  # int64 codes
    amounts: Array  # float64, as those of Pairs
    are_frauds: Array  # bool, by the newest label
    are_challengers: Array  # bool: decided by the challenger
    are_worked: Array  # bool: alerts and reviews, by model and rules together

    def some(self, chosen: Array) -> "Decisions":
        return Decisions(self.percent, *(column[chosen] for column in self[1:]))


class Group(Struct, frozen=True):
    """Customers for whom one of the two decided, and how they fared."""

    customers: int
    transactions: int
    worked: int  # alerts and reviews among them
    money: NetMoney
    precision: Figure  # cases with a fraud, of all
    recall: Figure  # frauds caught, of all
    case_rate: Figure  # customer-days with a case, of all on which one of these customers did something


class Groups(Struct, frozen=True):
    """The customers of a share and the others, each as their bundle and the rules decided, on the days whose labels are
    due and that neither learned from or was tested on. Intervals are as wide as whole customers make them; differences
    are the challenger's less those of the bundle in use."""

    percent: float  # of the customers, who were to be the challenger's
    since: str  # from when on, in event time
    first: str
    last: str
    days: int
    in_use: Group
    challenger: Group
    precision: Figure
    recall: Figure
    case_rate: Figure


def groups_of(decisions: Decisions, calendar: Calendar, costs: Costs) -> Groups | None:
    """None where there is no day that can be judged."""
    days = decisions.event_times // DAY
    due = [day for day in np.unique(days).tolist() if calendar.standing(day) == COUNTED]
    kept = decisions.some(np.isin(days, due))
    if not due:
        return None
    by_day = customer_days(kept.event_times, kept.customers, kept.are_worked.astype(float))
    _, first = np.unique(by_day.groups, return_index=True)
    is_fraud, side = kept.are_frauds, kept.are_challengers.astype(np.int64)
    has_case, had_fraud = by_day.which_hold(kept.are_worked), by_day.which_hold(is_fraud)
    side_of_day, customer_of_day = side[first], kept.customers[first]
    shares = (
        shares_of_groups(side_of_day[has_case], 2, had_fraud[has_case], customer_of_day[has_case]),
        shares_of_groups(side[is_fraud], 2, by_day.running_max[is_fraud] > 0, kept.customers[is_fraud]),
        shares_of_groups(side_of_day, 2, has_case, customer_of_day),
    )
    in_use, challenger = (
        _group(kept.some(side == place), costs, len(due), [_share(one, place) for one in shares]) for place in (0, 1)
    )
    return Groups(
        decisions.percent,
        to_text(int(decisions.event_times[0])),
        to_date(due[0]).isoformat(),
        to_date(due[-1]).isoformat(),
        len(due),
        in_use,
        challenger,
        *map(_difference, shares),
    )


def _group(rows: Decisions, costs: Costs, days: int, figures: Sequence[Figure]) -> Group:
    nobody, scores = np.full(len(rows.event_times), NO_MERCHANT), rows.are_worked.astype(float)
    predictions = Predictions(
        rows.event_times, rows.customers, nobody, rows.amounts, rows.are_frauds, None, scores, scores, days
    )
    money = Accounting(predictions, review_cost=costs.review_cost, loss_rate=costs.loss_rate).at(1.0)
    worked = int(np.count_nonzero(rows.are_worked))
    return Group(len(np.unique(rows.customers)), len(scores), worked, money, *figures)


def _share(shares: Shares, place: int) -> Figure:
    if not shares.rows[place]:
        return Figure(None)
    return Figure(float(shares.value[place]), float(shares.low[place]), float(shares.high[place]), "customers")


def _difference(shares: Shares) -> Figure:
    """Of two groups that have no customer in common; the interval is Newcombe's (1998), out of those of the two."""
    if not shares.rows.all():
        return Figure(None)
    other, value = shares.value
    below = math.hypot(value - shares.low[1], shares.high[0] - other)
    above = math.hypot(shares.high[1] - value, other - shares.low[0])
    return Figure(float(value - other), float(value - other - below), float(value - other + above), "customers")
