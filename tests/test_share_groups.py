"""The two groups of a share: counted again customer by customer, and told apart only where they differ."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from evaluation.live_days import Calendar
from evaluation.result import Costs, Figure
from evaluation.share_groups import Decisions, Groups, groups_of
from risk.clock import DAY, date_ms
from tests.live_oracle import Side

FIRST = date_ms("2024-05-01")
COSTS = Costs(5.0, 0.8, None)
DAYS = 20
ALWAYS = Calendar(3, FIRST + 60 * DAY)


def decisions_of(seed: int, *, caught: tuple[float, float] = (0.5, 0.5), rows: int = 6_000) -> Decisions:
    """Of 300 customers a fifth is the challenger's. So many of the frauds go to people, and one in fifty of the others:
    by the bundle in use, and by the challenger."""
    dice = np.random.default_rng(seed)
    customers = dice.integers(0, 300, rows)
    are_challengers, are_frauds = customers % 5 == 0, dice.random(rows) < 0.05
    of_frauds = np.where(are_challengers, caught[1], caught[0])
    are_worked = dice.random(rows) < np.where(are_frauds, of_frauds, 0.02)
    amounts = np.where(dice.random(rows) < 0.1, np.nan, dice.random(rows) * 100)
    times = FIRST + np.sort(dice.integers(0, DAYS * DAY, rows))
    return Decisions(20.0, times, customers, amounts, are_frauds, are_challengers, are_worked)


def groups(decisions: Decisions, calendar: Calendar = ALWAYS) -> Groups:
    found = groups_of(decisions, calendar, COSTS)
    assert found is not None
    return found


def test_every_figure_is_what_counting_row_by_row_gives() -> None:
    decisions = decisions_of(1)
    found = groups(decisions)
    assert (found.percent, found.days, found.first, found.last) == (20.0, DAYS, "2024-05-01", "2024-05-20")
    assert found.since.startswith("2024-05-01T00:")
    for group, chosen in ((found.challenger, decisions.are_challengers), (found.in_use, ~decisions.are_challengers)):
        rows = decisions.some(chosen)
        columns = rows.event_times, rows.customers, rows.amounts, rows.are_frauds, rows.are_worked
        side = Side(
            (int(time), int(name), float(amount), *rest) for time, name, amount, *rest in zip(*columns, strict=True)
        )
        side.check(group.money, COSTS, days=DAYS)
        every = {
            (name, time // DAY) for time, name in zip(rows.event_times.tolist(), rows.customers.tolist(), strict=True)
        }
        assert group.customers == len(set(rows.customers.tolist()))
        assert (group.transactions, group.worked) == (len(rows.customers), np.count_nonzero(rows.are_worked))
        assert group.case_rate.value == pytest.approx(len(side.opened) / len(every))
        assert (group.precision.value, group.recall.value) == pytest.approx((group.money.precision, group.money.recall))
        for figure in (group.case_rate, group.precision, group.recall):
            assert 0 <= (figure.low or 0) < (figure.value or 0) < (figure.high or 0) <= 1
    assert found.recall.value == pytest.approx((found.challenger.recall.value or 0) - (found.in_use.recall.value or 0))


def test_only_days_that_can_be_judged_count() -> None:
    """Labels until day 12, of which three days are not due yet; two days somebody learned from."""
    decisions, first = decisions_of(1), FIRST // DAY
    calendar = Calendar(3, FIRST + 12 * DAY - 1, [range(first, first + 2)])
    found = groups(decisions, calendar)
    assert (found.first, found.last, found.days) == ("2024-05-03", "2024-05-09", 7)
    days = decisions.event_times // DAY - first
    alone = groups(decisions.some((days >= 2) & (days < 9)))
    assert (found.in_use, found.challenger, found.recall) == (alone.in_use, alone.challenger, alone.recall)
    assert groups_of(decisions, Calendar(3, FIRST), COSTS) is None
    assert groups_of(decisions.some(days < 0), ALWAYS, COSTS) is None


def holds(figure: Figure, value: float) -> bool:
    return figure.low is not None and figure.high is not None and figure.low <= value <= figure.high


def test_intervals_hold_what_is_true_as_often_as_they_say() -> None:
    """Of equal bundles about one in twenty lies above or below 0; where one catches far more, hardly any holds 0."""
    equal = [groups(decisions_of(seed)).recall for seed in range(60)]
    assert sum(holds(one, 0.0) for one in equal) >= 54
    better = [groups(decisions_of(seed, caught=(0.3, 0.8))).recall for seed in range(20)]
    assert sum(holds(one, 0.0) for one in better) == 0
    assert sum(holds(one, 0.5) for one in better) >= 17


def interval(found: Groups, name: str) -> Sequence[float | None]:
    figure = getattr(found, name)
    return figure.value, figure.low, figure.high


def test_a_group_that_has_none_has_no_share_and_one_that_caught_all_has_an_interval() -> None:
    decisions = decisions_of(2)
    none = groups(decisions._replace(are_worked=decisions.are_worked & ~decisions.are_challengers))
    assert interval(none.challenger, "precision") == interval(none, "precision") == (None, None, None)  # type: ignore[arg-type]
    assert none.challenger.recall.value == 0
    assert (none.challenger.recall.high or 0) > 0
    everything = groups(decisions._replace(are_worked=decisions.are_worked | decisions.are_frauds))
    assert everything.challenger.recall.value == 1
    assert (everything.challenger.recall.low or 1) < 1
    low, high = everything.recall.low, everything.recall.high
    assert low is not None
    assert high is not None
    assert math.isclose(everything.recall.value or 0, 0)
    assert low < 0 < high
