"""What became of the frauds: what the store says was decided against the truth, which the stream never saw."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from demo.errors import DemoError
from demo.history import History
from risk.codes import Array
from risk.customer_days import customer_days


class Kind(NamedTuple):
    name: str
    frauds: int
    caught: int
    amount_caught: float
    amount_missed: float

    @property
    def missed(self) -> int:
        return self.frauds - self.caught


class Outcome(NamedTuple):
    kinds: list[Kind]  # the most frequent first
    alerts: int  # customers on one day
    alerts_right: int

    @property
    def total(self) -> Kind:
        return Kind(
            "all",
            sum(kind.frauds for kind in self.kinds),
            sum(kind.caught for kind in self.kinds),
            sum(kind.amount_caught for kind in self.kinds),
            sum(kind.amount_missed for kind in self.kinds),
        )


def outcome_of(history: History, decided: Mapping[tuple[str, str], bool]) -> Outcome:
    """`decided`: whether people look at it, by customer and transaction."""
    keys = list(zip(history.customers, history.transactions, strict=True))
    unscored = [key for key in keys if key not in decided]
    if unscored:
        raise DemoError(
            f"the store: {len(unscored):,} transactions have no score, such as {unscored[0][1]}; expected one for each"
        )
    _, customers = np.unique(np.array(history.customers), return_inverse=True)
    days = customer_days(history.event_times, customers, np.array([float(decided[key]) for key in keys]))
    is_caught = history.is_fraud & (days.running_max > 0)
    alerts = days.peaks > 0
    return Outcome(
        _kinds(history, is_caught), int(alerts.sum()), int((alerts & days.which_hold(history.is_fraud)).sum())
    )


def _kinds(history: History, is_caught: Array) -> list[Kind]:
    names = np.array([kind or "" for kind in history.kinds])
    found = []
    for name in np.unique(names[history.is_fraud]):
        of_kind = history.is_fraud & (names == name)
        caught, missed = of_kind & is_caught, of_kind & ~is_caught
        amounts = [float(np.nansum(history.amounts[rows])) for rows in (caught, missed)]
        found.append(Kind(str(name), int(of_kind.sum()), int(caught.sum()), *amounts))
    return sorted(found, key=lambda kind: -kind.frauds)
