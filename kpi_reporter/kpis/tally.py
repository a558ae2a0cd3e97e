"""What the cases of one UTC day came to, by the rule of `risk.customer_days`."""

from typing import NamedTuple

import numpy as np

from kpi_reporter.kpis.notables import are_worked
from kpi_reporter.kpis.pieces import ALERT
from risk.codes import Array
from risk.customer_days import customer_days
from risk.events import FRAUD, UNKNOWN


class Stake(NamedTuple):
    """Of one bundle: its cases, and the amounts of its frauds in minor units of its currency."""

    alerts: int = 0
    saved: int = 0
    lost: int = 0

    def plus(self, other: "Stake") -> "Stake":
        return Stake(*(one + more for one, more in zip(self, other, strict=True)))


class Tally(NamedTuple):
    alerts: int  # cases, and so in the next two
    alerts_with_fraud: int
    alerts_unlabelled: int
    reviews: int  # of the cases, those of reviews alone
    reviews_with_fraud: int
    fraud_days: int  # customers with a fraud on that day
    caught: int
    missed: int
    stakes: dict[int, Stake]  # by the bundle's number
    delays: Array  # of each fraud, from it to its label


def tally(notables: Array) -> Tally:
    """Of one day's alerts, reviews and frauds. The others neither open a case nor are caught by one."""
    rows = notables[np.lexsort((notables["place"], notables["event_time"]))]
    is_worked, is_fraud = are_worked(rows), rows["verdict"] == FRAUD
    by_day = customer_days(rows["event_time"], rows["customer"], is_worked.astype(float))
    has_case, has_fraud = by_day.which_hold(is_worked), by_day.which_hold(is_fraud)
    has_reviews_alone = has_case & ~by_day.which_hold(rows["decision"] == ALERT)
    is_known = by_day.which_hold(rows["verdict"] != UNKNOWN)
    caught = is_fraud & (by_day.running_max > 0)
    missed = is_fraud & (by_day.running_max == 0)
    worked = np.flatnonzero(is_worked)
    _, first = np.unique(by_day.groups[worked], return_index=True)
    raised = worked[first]  # the row that opened each case, whose bundle says what a review costs
    stakes: dict[int, Stake] = {}
    for bundle in np.unique(rows["bundle"]).tolist():
        own = rows["bundle"] == bundle
        stakes[bundle] = Stake(
            int(np.count_nonzero(own[raised])),
            int(rows["at_stake"][caught & own].sum()),
            int(rows["at_stake"][missed & own].sum()),
        )
    return Tally(
        alerts=int(np.count_nonzero(has_case)),
        alerts_with_fraud=int(np.count_nonzero(has_case & has_fraud)),
        alerts_unlabelled=int(np.count_nonzero(has_case & ~is_known)),
        reviews=int(np.count_nonzero(has_reviews_alone)),
        reviews_with_fraud=int(np.count_nonzero(has_reviews_alone & has_fraud)),
        fraud_days=int(np.count_nonzero(has_fraud)),
        caught=int(np.count_nonzero(caught)),
        missed=int(np.count_nonzero(missed)),
        stakes=stakes,
        delays=rows["labelled_at"][is_fraud] - rows["event_time"][is_fraud],
    )
