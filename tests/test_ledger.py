"""Days closed from what passed by: which labels count, and how many are gone through to find that out."""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest

from risk.block import block_of
from risk.clock import DAY, HOUR, day_of
from risk.events import Label, Transaction
from risk.ledger import SeenDays, _are_in
from risk.ledger_day import LedgerTerms
from tests.cases import NEW_YEAR

FIRST = day_of(NEW_YEAR)


def sale(number: int, day: int) -> Transaction:
    return Transaction(f"t{number}", (FIRST + day) * DAY, "ann", "EUR", merchant_id="mill")


def label(number: int, day: int, *, is_fraud: bool) -> Label:
    return Label(f"t{number}", "ann", is_fraud, (FIRST + day) * DAY, "analyst")


def see(days: SeenDays, sales: Sequence[Transaction]) -> None:
    days.see(block_of(sales), np.arange(len(sales)))


@pytest.mark.parametrize("parcel", [1, 3])
def test_the_newest_label_decides_and_of_those_of_one_time_the_last_that_was_learned(parcel: int) -> None:
    said = [label(0, 1, is_fraud=True), label(0, 2, is_fraud=False), label(0, 2, is_fraud=True)]
    for labels in permutations(said):
        days = SeenDays(LedgerTerms(7, HOUR))
        see(days, [sale(0, 0)])
        for first in range(0, len(labels), parcel):
            days.learn(labels[first : first + parcel])
        [closed] = days.closed_until(FIRST)
        newest = max(range(3), key=lambda place: (labels[place].labelled_at, place))
        assert closed.frauds == (int(labels[newest].is_fraud),)


def test_with_a_long_delay_each_label_is_gone_through_no_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = 0

    def counting(texts: set[str], column: Sequence[str]) -> np.ndarray:
        nonlocal looked_at
        looked_at += len(column)
        return _are_in(texts, column)

    monkeypatch.setattr("risk.ledger._are_in", counting)
    delay, a_day, until = 60, 50, 100
    days = SeenDays(LedgerTerms(delay, HOUR))
    frauds = 0
    for day in range(until):
        sold = [sale(a_day * day + number, day) for number in range(a_day)]
        days.learn([label(a_day * day + number, day + 3, is_fraud=number == 7) for number in range(a_day)])
        frauds += sum(sum(closed.frauds) for closed in days.closed_until(FIRST + day - delay))
        see(days, sold)
    assert frauds == until - delay
    assert looked_at < 2 * a_day * until
