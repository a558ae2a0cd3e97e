"""The reporter's figures are those of plain SQL over the same store, whatever was read when."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kpi_reporter.kpis.reading import KpiReader
from risk.clock import DAY, HOUR
from risk.events import Label
from risk.money import LARGEST_MINOR
from risk.store import Store, open_store
from testing.stores import flag, store_flags, store_labels
from tests.cases import NEW_YEAR
from tests.kpi_stores import SmallWorld, assert_as_by_sql, read, remember_bundles


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "risk.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path) as made:
        remember_bundles(made)
        yield made


@pytest.fixture
def reader(path: Path) -> KpiReader:
    return KpiReader(path)


@pytest.mark.parametrize(
    ("seed", "has_rules"),
    [
        (0, False),
        (5, True),
        *(pytest.param(seed, seed > 2, marks=pytest.mark.proof) for seed in (1, 2, 3, 4)),
    ],
)
def test_every_figure_is_that_of_sql_after_every_step(store: Store, path: Path, seed: int, has_rules: bool) -> None:
    """Flags and labels in turns, a change of bundle on the way; one reader that follows, and a new one each time."""
    world, following = SmallWorld(seed, has_rules=has_rules), KpiReader(path)
    for step in range(12):
        world.write_flags(store, 120, ("one",) if step < 5 else ("one", "two", "yen") if step < 7 else ("two",))
        if step not in (0, 3):
            world.write_labels(store, 60)
        now = read(following)
        assert_as_by_sql(now, path)
        assert_as_by_sql(read(KpiReader(path)), path)
    assert all(one.frauds_caught and one.frauds_missed and one.alerts_unlabelled for one in now.quality)
    assert all(bool(one.reviews_alone.with_fraud) == has_rules for one in now.quality)


@pytest.mark.usefixtures("store")
def test_an_empty_store_has_figures_too(path: Path, reader: KpiReader) -> None:
    now = read(reader)
    assert_as_by_sql(now, path)
    assert (now.transactions, now.high_rate, now.newest_event, now.amounts) == (0, None, None, ())


def test_a_day_without_a_transaction_is_there_with_none(store: Store, path: Path, reader: KpiReader) -> None:
    """An outage would look like nothing in the charts."""
    store_flags(
        store, [flag(n, NEW_YEAR + day * DAY)._replace(bundle_version="one") for n, day in enumerate((0, 3, 3))]
    )
    now = read(reader)
    assert_as_by_sql(now, path)
    assert [(day.day - now.days[0].day, day.transactions) for day in now.days] == [(0, 1), (1, 0), (2, 0), (3, 2)]


def test_sums_of_money_are_exact_where_float64_is_not(store: Store, reader: KpiReader) -> None:
    """Three hundred of the largest amounts, less a cent each: the sum has seventeen digits."""
    rows = [flag(n, amount=LARGEST_MINOR - 1)._replace(bundle_version="one") for n in range(300)]
    store_flags(store, rows)
    [euros] = read(reader).amounts
    assert euros.total == 300 * (LARGEST_MINOR - 1) / 100
    assert euros.average == euros.total / 300


def test_without_a_label_only_alerts_are_counted(store: Store, reader: KpiReader) -> None:
    """No precision of 0 where nobody has looked."""
    rows = [flag(0, level="high"), flag(1, NEW_YEAR + 20 * DAY)]
    store_flags(store, [row._replace(bundle_version="one") for row in rows])
    week = read(reader).quality[1]
    assert (week.alerts, week.precision, week.recall, week.money) == (1, None, None, ())


def test_a_day_counts_when_the_newest_event_has_reached_its_end_and_the_label_delay(
    store: Store, reader: KpiReader
) -> None:
    """One millisecond before, it does not."""
    end = NEW_YEAR // DAY * DAY + DAY + 3 * DAY
    rows = [flag(0, NEW_YEAR), flag(1, end - 2), flag(2, end - 1)]
    rows = [row._replace(bundle_version="one") for row in rows]
    store_flags(store, rows[:2])
    assert [one.days_due for one in read(reader).quality] == [0, 0]
    store_flags(store, rows[2:])
    assert [(one.days_due, one.last_day) for one in read(reader).quality] == [(1, NEW_YEAR // DAY)] * 2


def test_a_fraud_before_the_alert_is_missed_and_one_after_it_is_caught(store: Store, reader: KpiReader) -> None:
    """What came first says the event time, not the order of arrival."""
    day = NEW_YEAR // DAY * DAY
    rows = [
        flag(0, day + 2 * HOUR, level="high", transaction="alert"),
        flag(1, day + HOUR, amount=1_000, transaction="before"),
        flag(2, day + 3 * HOUR, amount=500, transaction="after"),
        flag(3, day + 20 * DAY),
    ]
    store_flags(store, [row._replace(bundle_version="one") for row in rows])
    store_labels(store, [Label(name, "ann", True, day + DAY, "desk") for name in ("before", "after")])
    month = read(reader).quality[1]
    assert (month.frauds_caught, month.frauds_missed, month.precision, month.recall) == (1, 1, 1.0, 0.5)
    [money] = month.money
    assert (money.saved, money.lost, money.review) == (pytest.approx(4.0), pytest.approx(8.0), 5.0)


def test_a_label_that_comes_again_counts_as_one_verdict(store: Store, reader: KpiReader) -> None:
    """It is another message, so that what was received grows; what it says is known already."""
    store_flags(store, [flag(0, level="high")._replace(bundle_version="one"), flag(1, NEW_YEAR + 20 * DAY)])
    label = Label("t0", "ann", True, NEW_YEAR + DAY, "desk")
    store_labels(store, [label])
    before = read(reader)
    store_labels(store, [label])
    after = read(reader)
    assert (before.labels.fraud, after.labels.fraud) == (1, 2)
    assert after.quality == before.quality


def test_flags_of_a_bundle_that_nobody_knows_are_counted_and_not_judged(store: Store, reader: KpiReader) -> None:
    store_flags(store, [flag(0, level="high"), flag(1, NEW_YEAR + 20 * DAY)])
    now = read(reader)
    assert (now.transactions, now.unknown_bundles) == (2, ("v1",))
    assert [(one.days_due, one.last_day) for one in now.quality] == [(0, None), (0, None)]


def test_a_bundle_with_a_longer_label_delay_looks_back_further(store: Store, path: Path, reader: KpiReader) -> None:
    """What had been let go of is read again."""
    rows = [flag(n, NEW_YEAR + n * DAY, level="high")._replace(bundle_version="one") for n in range(60)]
    store_flags(store, rows)
    store_labels(store, [Label(f"t{n}", "ann", True, NEW_YEAR + n * DAY + 1, "desk") for n in range(60)])
    assert_as_by_sql(read(reader), path)
    remember_bundles(store, [("slow", 20, "EUR", 5.0, 1.0)])
    store_flags(store, [flag(60, NEW_YEAR + 60 * DAY)._replace(bundle_version="slow")])
    now = read(reader)
    assert_as_by_sql(now, path)
    assert now.quality[1].last_day == NEW_YEAR // DAY + 39
    assert now.quality[1].days_due == 30
