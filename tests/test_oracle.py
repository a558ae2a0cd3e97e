"""The oracle itself, on cases small enough to work out by hand from DESIGN.md."""

import math
from typing import Any

import pytest

from risk.clock import DAY, HOUR, SECOND
from risk.events import Label, Transaction
from tests.cases import NEW_YEAR, Arrival, Case, Rules
from tests.oracle import DUPLICATE, LATE, SCORED, expect

NOON = NEW_YEAR + 12 * HOUR  # a Monday


def paid(identity: str, time: int, **fields: Any) -> Transaction:
    usual = {"customer_id": "ann", "currency": "EUR", "merchant_id": "shop", "amount": 1000, "device_id": "phone",
             "country": "DE"}  # fmt: skip
    return Transaction(identity, time, **(usual | fields))


def cleared_or_fraud(identity: str, is_fraud: bool, labelled_at: int) -> Label:
    return Label(identity, "ann", is_fraud, labelled_at, "bank")


def answer(*transactions: Transaction, labels: tuple[Label, ...] = (), **rules: Any) -> list[dict[str, float]]:
    """The features of each row by name, and its verdict."""
    case = Case(Rules(**rules), labels, tuple(Arrival(0, t) for t in transactions))
    outcome = expect(case)
    names = [feature.name for feature in case.rules.feature_set.numbers]
    rows = zip(outcome.values.tolist(), outcome.verdicts.tolist(), strict=True)
    return [dict(zip(names, row, strict=True)) | {"verdict": verdict} for row, verdict in rows]


def test_first_transaction_has_an_empty_past() -> None:
    (row,) = answer(paid("1", NOON, amount=1234))
    assert [row["customer_count_30d"], row["customer_sum_30d"], row["new_merchant_30d"]] == [0, 0, 1]
    assert all(math.isnan(row[name]) for name in ("customer_mean_30d", "customer_max_1h", "seconds_since_last"))
    assert math.isnan(row["amount_to_mean_30d"])
    assert [row["amount"], row["hour"], row["night"], row["weekend"]] == [12.34, 12, 0, 0]
    assert [row["merchant_count_30d"], row["merchant_fraud_30d"], row["merchant_risk_30d"]] == [0, 0, 0]


def test_window_leaves_out_its_far_edge_and_takes_in_the_moment_itself() -> None:
    rows = (paid("1", NOON), paid("2", NOON + 1, amount=2001), paid("3", NOON + HOUR, amount=3000))
    *_, third, tie = answer(*rows, paid("4", NOON + HOUR))
    assert [third["customer_count_1h"], third["customer_sum_1h"], third["customer_max_1h"]] == [1, 20.01, 20.01]
    assert [third["customer_count_1d"], third["customer_sum_1d"], third["customer_mean_1d"]] == [2, 30.01, 15.005]
    assert third["amount_to_mean_30d"] == 30.0 / 15.005
    assert third["seconds_since_last"] == 3599.999
    assert [tie["customer_count_1h"], tie["seconds_since_last"]] == [2, 0]


def test_late_row_does_not_see_what_happened_after_it_and_is_seen_by_the_next() -> None:
    rows = (paid("1", NOON), paid("2", NOON - 2 * HOUR, amount=500, merchant_id="bar"), paid("3", NOON + SECOND))
    _, late, third = answer(*rows)
    assert [late["customer_count_30d"], late["new_merchant_30d"]] == [0, 1]
    assert [third["customer_count_30d"], third["customer_sum_1d"], third["seconds_since_last"]] == [2, 15, 1]
    assert third["distinct_merchants_1d"] == 2


def test_late_means_more_than_the_lateness_behind_the_newest_scored_row() -> None:
    rows = (paid("1", NOON), paid("2", NOON - HOUR), paid("3", NOON - HOUR - 1), paid("1", NOON + DAY), paid("5", NOON))
    verdicts = [row["verdict"] for row in answer(*rows, max_lateness_ms=HOUR)]
    assert verdicts == [SCORED, SCORED, LATE, DUPLICATE, SCORED]  # the duplicate moved no time


@pytest.mark.parametrize(
    ("distance", "verdict"),
    [
        (30 * DAY + HOUR - 1, DUPLICATE),
        (30 * DAY + HOUR, SCORED),  # its start is left out
        (-HOUR, DUPLICATE),  # its end is taken in
        (-HOUR - 1, LATE),
    ],
)
def test_edges_of_the_duplicate_window(distance: int, verdict: int) -> None:
    _, row = answer(paid("1", NOON), paid("1", NOON + distance), max_lateness_ms=HOUR)
    assert row["verdict"] == verdict


def test_the_same_id_of_another_customer_is_no_duplicate() -> None:
    _, row = answer(paid("1", NOON), paid("1", NOON, customer_id="bob"))
    assert row["verdict"] == SCORED


def test_rows_that_are_not_scored_have_no_features_and_leave_no_trace() -> None:
    _, repeated, third = answer(paid("1", NOON), paid("1", NOON, amount=9), paid("3", NOON))
    assert all(math.isnan(value) for name, value in repeated.items() if name != "verdict")
    assert [third["customer_count_1h"], third["customer_sum_1h"]] == [1, 10]


def test_missing_and_foreign_amounts_count_but_do_not_add_up() -> None:
    rows = (paid("1", NOON), paid("2", NOON, amount=None), paid("3", NOON, amount=7, currency="USD"))
    *_, foreign, fourth = answer(*rows, paid("4", NOON, amount=2500, merchant_id=None, country=None))
    assert math.isnan(foreign["amount"])
    assert math.isnan(foreign["amount_to_mean_30d"])
    assert [fourth["customer_count_1h"], fourth["customer_sum_1h"], fourth["customer_mean_1h"]] == [3, 10, 10]
    assert fourth["amount_to_mean_30d"] == 2.5
    assert math.isnan(fourth["new_country_30d"])
    assert math.isnan(fourth["new_merchant_30d"])
    assert math.isnan(fourth["merchant_count_1d"])
    assert fourth["new_device_30d"] == 0


def test_ratio_to_a_mean_of_zero_is_missing() -> None:
    _, row = answer(paid("1", NOON, amount=0), paid("2", NOON))
    assert [row["customer_mean_30d"], row["customer_max_30d"]] == [0, 0]
    assert math.isnan(row["amount_to_mean_30d"])


def test_a_thing_is_new_again_after_exactly_thirty_days() -> None:
    before, after = (answer(paid("1", NOON), paid("2", NOON + 30 * DAY - early))[1] for early in (1, 0))
    assert [before["new_merchant_30d"], before["new_device_30d"], before["new_country_30d"]] == [0, 0, 0]
    assert [after["new_merchant_30d"], after["new_device_30d"], after["new_country_30d"]] == [1, 1, 1]


@pytest.mark.parametrize(("currency", "major"), [("JPY", 1234567.0), ("EUR", 12345.67), ("KWD", 1234.567)])
def test_amounts_follow_the_currency(currency: str, major: float) -> None:
    rows = (paid("1", NOON, amount=1234567, currency=currency), paid("2", NOON, currency=currency))
    first, second = answer(*rows, currency=currency)
    assert [first["amount"], second["customer_sum_1h"], second["customer_max_1h"]] == [major, major, major]


@pytest.mark.parametrize(
    ("time", "hour", "night", "weekend"),
    [
        (NEW_YEAR + 22 * HOUR - 1, 21, 0, 0),
        (NEW_YEAR + 22 * HOUR, 22, 1, 0),
        (NEW_YEAR + 5 * DAY - 1, 23, 1, 0),  # Friday's last millisecond
        (NEW_YEAR + 5 * DAY + 6 * HOUR - 1, 5, 1, 1),
        (NEW_YEAR + 7 * DAY - 1, 23, 1, 1),
        (NEW_YEAR + 7 * DAY + 6 * HOUR, 6, 0, 0),
    ],
)
def test_hours_nights_and_weekends(time: int, hour: int, night: int, weekend: int) -> None:
    (row,) = answer(paid("1", time))
    assert [row["hour"], row["night"], row["weekend"]] == [hour, night, weekend]


@pytest.mark.parametrize(
    ("time", "counts"),
    [
        (NOON + 7 * DAY + HOUR - 1, [0, 0, 0]),  # E is noon itself, and left out
        (NOON + 7 * DAY + HOUR, [1, 1, 1]),  # E is one o'clock
        (NOON + 8 * DAY + HOUR - 1, [1, 1, 1]),  # E - 1 d is noon, and taken in
        (NOON + 8 * DAY + HOUR, [0, 1, 1]),
        (NOON + 14 * DAY + HOUR, [0, 0, 1]),
        (NOON + 37 * DAY + HOUR - 1, [0, 0, 1]),
        (NOON + 37 * DAY + HOUR, [0, 0, 0]),
    ],
)
def test_ledger_window_moves_by_whole_buckets(time: int, counts: list[int]) -> None:
    _, row = answer(paid("1", NOON), paid("2", time, customer_id="bob"))
    assert [row["merchant_count_1d"], row["merchant_count_7d"], row["merchant_count_30d"]] == counts


@pytest.mark.parametrize(
    ("labels", "frauds"),
    [
        ([], 0),
        ([(True, -1)], 1),
        ([(True, 0)], 0),  # at the cutoff is too late
        ([(True, -2), (False, -1)], 0),  # cleared
        ([(False, -1), (True, -2)], 0),  # the newest counts, whatever came last
        ([(True, -2), (False, 0)], 1),  # cleared too late
        ([(True, -1), (False, -1)], 0),  # of equal times, the one that came last
        ([(False, -1), (True, -1)], 1),
    ],
)
def test_fraud_is_what_the_newest_label_before_the_cutoff_says(labels: list[tuple[bool, int]], frauds: int) -> None:
    cutoff = NEW_YEAR + 6 * DAY  # day k + D - 1
    told = tuple(cleared_or_fraud("1", is_fraud, cutoff + offset) for is_fraud, offset in labels)
    *_, row = answer(paid("1", NOON), paid("2", NOON), paid("3", NOON + 8 * DAY), labels=told)
    assert [row["merchant_count_1d"], row["merchant_fraud_1d"], row["merchant_risk_1d"]] == [2, frauds, frauds / 2]


@pytest.mark.parametrize(
    ("labelled_at", "first", "again"),
    [
        (NEW_YEAR - 1, 0, 0),  # before the first one's day
        (NEW_YEAR, 1, 0),  # with the day, if before the hour
        (NEW_YEAR + 2 * DAY, 1, 0),
        (NEW_YEAR + 40 * DAY - 1, 0, 0),
        (NEW_YEAR + 40 * DAY, 0, 1),
        (NEW_YEAR + 46 * DAY, 0, 0),  # the second one's cutoff
    ],
)
def test_a_label_is_about_the_use_of_an_id_in_whose_days_it_lies(labelled_at: int, first: int, again: int) -> None:
    rows = [paid("1", NOON), paid("2", NOON + 8 * DAY), paid("1", NOON + 40 * DAY), paid("3", NOON + 48 * DAY)]
    _, one, _, other = answer(*rows, labels=(cleared_or_fraud("1", True, labelled_at),))
    assert [one["merchant_fraud_1d"], other["merchant_fraud_1d"]] == [first, again]


def test_a_straggler_on_a_closed_day_is_scored_but_not_counted() -> None:
    transactions = (paid("1", NOON + 8 * DAY, customer_id="bob"), paid("2", NOON), paid("3", NOON + 8 * DAY))
    outcome = expect(Case(Rules(), (), tuple(Arrival(n, t) for n, t in enumerate(transactions))))
    assert outcome.verdicts.tolist() == [SCORED, SCORED, SCORED]
    names = [feature.name for feature in Rules().feature_set.numbers]
    assert outcome.values[2, names.index("merchant_count_30d")] == 0
