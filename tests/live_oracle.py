"""Cases, and what they are worth, by brute force: row by row, with a set of cases."""

from collections.abc import Iterable
from math import isnan

import pytest

from evaluation.result import Costs, NetMoney
from risk.clock import DAY


class Side:
    """One of two bundles. Rows in the order of time: event time, customer, amount, whether it was a fraud, whether it
    was an alert."""

    def __init__(self, rows: Iterable[tuple[int, object, float, bool, bool]]) -> None:
        self.opened: set[tuple[object, int]] = set()
        self.caught_rows: list[bool] = []
        self.saved = self.lost = 0.0
        with_fraud = set()
        for time, customer, amount, is_fraud, is_alert in rows:
            case = customer, time // DAY
            if is_alert:
                self.opened.add(case)
            if is_fraud:
                with_fraud.add(case)
                is_caught = case in self.opened
                self.caught_rows.append(is_caught)
                at_stake = 0.0 if isnan(amount) else amount
                self.saved += at_stake * is_caught
                self.lost += at_stake * (not is_caught)
        self.caught, self.frauds = sum(self.caught_rows), len(self.caught_rows)
        self.right = len(self.opened & with_fraud)

    def check(self, money: NetMoney, costs: Costs, *, days: int) -> None:
        cases = len(self.opened)
        assert (money.alerts, money.alerts_per_day, money.review) == (cases, cases / days, cases * costs.review_cost)
        assert (money.frauds_caught, money.frauds_missed) == (self.caught, self.frauds - self.caught)
        assert money.precision == (self.right / cases if cases else None)
        assert money.recall == (self.caught / self.frauds if self.frauds else None)
        assert money.saved == pytest.approx(self.saved * costs.loss_rate)
        assert money.lost == pytest.approx(self.lost * costs.loss_rate)
