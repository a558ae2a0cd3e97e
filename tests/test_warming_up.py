"""How much of the past a score could see: the definition a second time, and that it means what it says."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.block import block_of
from risk.catalogue import ALL_FIELDS, CATALOGUE, EngineTerms, FeatureSet
from risk.clock import DAY, HOUR, day_of
from risk.engine import Engine, FeatureBlock
from risk.events import Label, Transaction
from risk.ledger import NO_DAY, SeenDays
from risk.ledger_day import LedgerTerms
from risk.warming_up import (
    Horizon,
    LabelSilence,
    LogStart,
    WarmingUp,
    history_days,
    history_days_of,
    horizon_of,
    label_silence,
    warming_up,
    warming_up_of,
)
from tests.cases import NEW_YEAR

NEW_YEARS_DAY = NEW_YEAR // DAY
ALL = [feature.name for feature in CATALOGUE]


@pytest.mark.parametrize(
    ("features", "delay", "history", "ledger"),
    [
        (ALL, 7, 30, 37),
        (ALL, 14, 30, 44),
        (["amount", "hour", "channel"], 7, 0, 0),
        (["customer_count_1h", "amount"], 7, 1, 0),
        (["customer_max_7d", "distinct_merchants_1d"], 7, 7, 0),
        (["seconds_since_last"], 7, 30, 0),
        (["merchant_risk_7d"], 7, 0, 14),
        (["customer_sum_1d", "merchant_count_1d", "attribute_customer_count_30d"], 10, 1, 11),
    ],
)
def test_what_is_needed_follows_from_the_features(features: list[str], delay: int, history: int, ledger: int) -> None:
    assert horizon_of(features, LedgerTerms(delay, HOUR)) == Horizon(history, ledger, LedgerTerms(delay, HOUR))


# The definition, counted day by day


def counted(horizon: Horizon, first_event: int, first_day: int, event_time: int, ledger_day: int | None) -> int | None:
    seen = []
    if horizon.history:
        days = 0
        while days < horizon.history and first_event <= event_time - (days + 1) * DAY:
            days += 1
        seen += [days] if days < horizon.history else []
    if horizon.ledger:
        whole = range(first_day + 1, event_time // DAY)
        days = horizon.ledger_terms.label_delay_days - 1 if ledger_day is None else len(whole)
        seen += [days] if days < horizon.ledger else []
    return min(seen) if seen else None


HORIZONS = st.builds(
    horizon_of,
    st.lists(st.sampled_from(ALL), max_size=6),
    st.builds(LedgerTerms, st.integers(2, 30), st.sampled_from([HOUR, DAY])),
)


@settings(deadline=None)
@given(HORIZONS, st.integers(0, 40 * DAY), st.integers(0, 40), st.lists(st.integers(-DAY, 90 * DAY), max_size=8))
def test_a_batch_says_what_is_counted_day_by_day(
    horizon: Horizon, first: int, first_day: int, times: Sequence[int]
) -> None:
    start = LogStart(NEW_YEAR + first, NEW_YEARS_DAY + first_day)
    events = [NEW_YEAR + first + time for time in times]
    used = [
        day if day >= start.first_ledger_day else None
        for day in (day_of(t) - horizon.ledger_terms.label_delay_days for t in events)
    ]
    expected = [
        counted(horizon, start.first_event, start.first_ledger_day, *row) for row in zip(events, used, strict=True)
    ]
    assert list(history_days_of(horizon, start, events, used)) == expected
    assert [history_days(horizon, start, *row) for row in zip(events, used, strict=True)] == expected


@settings(deadline=None)
@given(HORIZONS, st.integers(0, 90 * DAY), st.none() | st.integers(0, 60))
def test_of_a_partition_whose_beginning_is_not_known_nothing_is_said(
    horizon: Horizon, time: int, day: int | None
) -> None:
    start = LogStart(None, None if day is None else NEW_YEARS_DAY + day)
    assert list(history_days_of(horizon, start, [NEW_YEAR + time], [day])) == [None]
    assert warming_up(horizon, start, NEW_YEAR + time) is None


# It means what it says: with all that it needs, a score cannot tell what lies before the log


def world(days: int = 100) -> tuple[list[Transaction], list[Label]]:
    dice = random.Random(7)
    times = sorted(NEW_YEAR + dice.randrange(days * DAY) for _ in range(days * 30))
    transactions = [
        Transaction(
            f"t{number}",
            time,
            f"c{dice.randrange(8)}",
            "EUR",
            merchant_id=f"m{dice.randrange(9)}",
            amount=dice.randrange(100, 9_999),
            device_id=f"d{dice.randrange(60)}",
            country=f"{dice.randrange(40)}",
        )
        for number, time in enumerate(times)
    ]
    labels = [
        Label(one.transaction_id, one.customer_id, dice.random() < 0.4, one.event_time + 2 * DAY, "desk")
        for one in transactions
    ]
    return transactions, labels


def features(transactions: list[Transaction], labels: list[Label]) -> FeatureBlock:
    days = SeenDays(LedgerTerms(7, HOUR))
    days.learn(labels)
    return Engine(FeatureSet(ALL_FIELDS), EngineTerms("EUR"), days).features(block_of(transactions))


def test_only_a_score_that_saw_less_can_tell_what_lies_before_its_log() -> None:
    """For each feature alone: one without `history_days` is the same however far the log goes back, and the last ones
    that differ are nearly warm."""
    transactions, labels = world()
    cut = next(place for place, one in enumerate(transactions) if one.event_time > NEW_YEAR + 40.4 * DAY)
    late = transactions[cut:]
    long, short = features(transactions, labels).values[cut:], features(late, labels)
    start = LogStart(late[0].event_time, day_of(late[0].event_time))
    used = [None if day == NO_DAY else day for day in short.ledger_days.tolist()]
    times = [one.event_time for one in late]
    for column, feature in enumerate(FeatureSet(ALL_FIELDS).numbers):
        horizon = horizon_of([feature.name], LedgerTerms(7, HOUR))
        differs = ~(
            (long[:, column] == short.values[:, column]) | np.isnan(long[:, column]) & np.isnan(short.values[:, column])
        )
        seen = history_days_of(horizon, start, times, used)
        assert not any(one is None and other for one, other in zip(seen, differs.tolist(), strict=True)), feature.name
        if feature.name in ("customer_sum_30d", "merchant_count_30d", "merchant_risk_30d"):
            assert max(one for one, other in zip(seen, differs.tolist(), strict=True) if other) >= horizon.longest - 2


def test_late_transactions_see_less_than_nothing_as_nothing() -> None:
    """The first one in the log need not be the earliest."""
    assert history_days(horizon_of(ALL, LedgerTerms(7, HOUR)), LogStart(NEW_YEAR, None), NEW_YEAR - HOUR, None) == 0


# For people


def test_a_partition_says_until_when_it_warms_up() -> None:
    horizon, start = horizon_of(ALL, LedgerTerms(7, HOUR)), LogStart(NEW_YEAR + 5 * HOUR, NEW_YEARS_DAY)
    assert str(warming_up(horizon, start, NEW_YEAR + 13 * DAY)) == "warming up until 2024-02-08: 12 of 37 days"
    assert warming_up(horizon, start, NEW_YEAR + 38 * DAY) is None
    assert warming_up(horizon, start, NEW_YEAR + 38 * DAY - 1) is not None


@settings(deadline=None)
@given(st.integers(0, 50 * DAY), st.integers(0, 20 * DAY), st.booleans())
def test_it_is_warm_from_when_it_says(time: int, first: int, has_ledger: bool) -> None:
    """In a partition of its own, or one that came later to a ledger that had begun."""
    horizon = horizon_of(ALL if has_ledger else ["customer_mean_30d"], LedgerTerms(7, HOUR))
    start = LogStart(NEW_YEAR + first, NEW_YEARS_DAY)
    newest = NEW_YEAR + first + time
    said = warming_up(horizon, start, newest)
    assert (said is None) == (newest >= (said.until if said else newest))
    if said is not None:
        assert warming_up(horizon, start, said.until) is None
        assert warming_up(horizon, start, said.until - 1) is not None
        assert said.days < said.needed


def test_a_new_partition_beside_a_warm_ledger_waits_for_its_own_customers_only() -> None:
    horizon, start = horizon_of(ALL, LedgerTerms(7, HOUR)), LogStart(NEW_YEAR + 100 * DAY, NEW_YEARS_DAY)
    assert warming_up(horizon, start, NEW_YEAR + 112 * DAY) == WarmingUp(12, 30, NEW_YEAR + 130 * DAY)


def test_of_several_partitions_the_coldest_counts() -> None:
    horizon, ledger_day = horizon_of(ALL, LedgerTerms(7, HOUR)), NEW_YEARS_DAY
    cold, newer = LogStart(NEW_YEAR + 100 * DAY, ledger_day), LogStart(NEW_YEAR + 105 * DAY, ledger_day)
    warm, now = LogStart(NEW_YEAR, ledger_day), NEW_YEAR + 112 * DAY
    assert warming_up_of([(horizon, one, now) for one in (warm, cold, newer)]) == WarmingUp(7, 30, NEW_YEAR + 135 * DAY)
    assert warming_up_of([(horizon, warm, now)] * 2) is None


def silence(
    label: int | None, newest: int, features: Sequence[str] = ALL, first: int | None = 0
) -> LabelSilence | None:
    return label_silence([horizon_of(features, LedgerTerms(7, HOUR))], [(None, None), (first, newest * DAY)], label)


def test_labels_are_overdue_beyond_the_label_delay() -> None:
    assert silence(3 * DAY, 10) is None
    assert silence(3 * DAY - 1, 10) == LabelSilence(3 * DAY - 1, 7 * DAY + 1, 7)
    assert silence(30 * DAY, 10) is None


def test_without_any_label_it_counts_from_the_first_transaction() -> None:
    assert silence(None, 7) is None
    assert silence(None, 8) == LabelSilence(None, 8 * DAY, 7)
    assert silence(None, 8, first=None) is None


def test_a_bundle_without_the_ledger_does_not_miss_labels() -> None:
    assert silence(None, 80, ["amount", "customer_count_30d"]) is None


def test_of_several_bundles_the_one_with_the_shortest_delay_misses_labels_first() -> None:
    horizons = [horizon_of(ALL, LedgerTerms(delay, HOUR)) for delay in (30, 7, 14)]
    assert label_silence(horizons, [(0, 20 * DAY)], None) == LabelSilence(None, 20 * DAY, 7)
    assert label_silence(horizons, [], None) is None


def test_what_is_wrong_without_labels_is_said() -> None:
    assert str(silence(NEW_YEAR, NEW_YEARS_DAY + 9)) == (
        "labels overdue: the newest label is of 2024-01-01T00:00:00Z, 9 days of transactions ago; the label delay is 7 "
        "days. merchant_fraud and merchant_risk count no fraud of the days without labels: scores are too low"
    )
    assert str(silence(None, 9)).startswith("labels overdue: no label has come yet, 9 days of transactions ago")
