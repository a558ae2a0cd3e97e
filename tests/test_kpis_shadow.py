"""The reporter's challenger: what counting every stored pair row by row gives, whatever was read when."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from evaluation.live import Cases
from evaluation.result import Costs
from kpi_reporter.__main__ import main
from kpi_reporter.collector import FAMILIES
from kpi_reporter.kpis.reading import KpiReader
from kpi_reporter.kpis.values import Shadow, ShadowWindow, Unready
from risk.clock import DAY, to_date
from risk.events import Label
from risk.store import NO_CHALLENGER, Store, open_store
from testing.stores import NEW_YEAR, NOTHING_SENT, TRANSACTIONS, flag
from tests.kpi_stores import manifest, read
from tests.shadow_stores import ShadowWorld, all_pairs, sides
from tests.test_reporter_metrics import scraped

FIRST = NEW_YEAR // DAY
DELAY = 3
COSTS = Costs(5.0, 0.8, None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "risk.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path) as made:
        for version in ("one", "two"):
            made.remember_bundle(version, manifest(DELAY, "EUR", 5.0, 0.8))
        made.remember_challenger("new", manifest(DELAY, "EUR", 5.0, 0.8))
        yield made


@pytest.fixture
def world(store: Store) -> ShadowWorld:
    return ShadowWorld(store, in_use="one", challenger="new", lifts=(2.5, 4.0), a_day=60, fraud_share=0.05)


def shadow(path: Path) -> Shadow:
    return read(KpiReader(path)).shadow


def assert_as_counted(store: Store, found: Shadow, in_use: str = "one") -> None:
    """By brute force over the whole store."""
    pairs = [pair for pair in all_pairs(store, "new") if pair.bundle_version == in_use]
    newest = max(row.event_time for row in store.flags())
    known = store.newest_label() or 0
    until = newest if newest - known <= DELAY * DAY else known
    last = (until + 1) // DAY - 1 - DELAY
    by_day = Counter(row.event_time // DAY for row in store.flags())
    assert (found.challenger, found.in_use, found.currency) == ("new", in_use, "EUR")
    assert [one.days for one in found.windows] == [7, 30]
    for one in found.windows:
        recent = [pair for pair in pairs if pair.event_time // DAY > newest // DAY - one.days]
        days = {pair.event_time // DAY for pair in recent}
        assert one.transactions == len(recent)
        assert one.others == sum(by_day[day] for day in days) - len(recent)
        assert one.same_level == sum(pair.level == pair.challenger_level for pair in recent) / len(recent)
        mine, theirs = sides(recent)
        assert one.cases == Cases(len(mine.opened), len(theirs.opened), len(mine.opened & theirs.opened))
        judged = [pair for pair in pairs if last - one.days < pair.event_time // DAY <= last]
        days = {pair.event_time // DAY for pair in judged}
        assert (one.days_due, one.last_day) == (len(days), max(days, default=None))
        if not judged:
            assert one.judged is None
            continue
        assert one.judged is not None
        for money, side in zip((one.judged.in_use, one.judged.challenger), sides(judged), strict=True):
            side.check(money, COSTS, days=len(days))


def test_every_figure_is_that_of_counting_and_of_whoever_begins_to_read_now(
    store: Store, world: ShadowWorld, path: Path
) -> None:
    """Over six weeks, with stretches that were given up, days whose labels came late, and another bundle in use."""
    following = KpiReader(path)
    for day in range(42):
        world.in_use = "one" if day < 20 else "two"
        world.write_day(FIRST + day, given_up=(0.0, 0.3, 0.0, 0.7)[day % 4])
        if day % 5 == 4 or day < 6:
            found = read(following).shadow
            assert found == shadow(path)
            assert_as_counted(store, found, world.in_use)
    week, month = found.windows
    assert week.others > 0
    assert month.judged is not None
    assert month.judged.in_use.frauds_missed > month.judged.challenger.frauds_missed > 0
    assert month.cases.only_in_use > 0


def test_a_fraud_that_is_known_late_counts_where_both_had_scored_it_and_nowhere_else(
    store: Store, world: ShadowWorld, path: Path
) -> None:
    """Neither had found them high; of each day the last one was scored by both, and one in the middle given up."""
    following = KpiReader(path)
    for day in range(10):
        world.write_day(FIRST + day, given_up=0.3, is_labelled=False)
    world.write_labels([Label("nothing", "nobody", False, NEW_YEAR + 10 * DAY, "desk")])
    before = read(following).shadow
    assert_judged_frauds(before, 0)
    in_both = {(pair.partition, pair.offset) for pair in all_pairs(store, "new")}
    low = [row for row in store.flags() if row.level == "low" and row.event_time < NEW_YEAR + 5 * DAY]
    given_up = [row for row in low if (row.source_partition, row.source_offset) not in in_both]
    world.write_labels(
        [Label(row.transaction_id, row.customer_id, True, row.event_time + DAY, "desk") for row in given_up]
    )
    assert_judged_frauds(read(following).shadow, 0)
    others = [row for row in low if (row.source_partition, row.source_offset) in in_both]
    world.write_labels(
        [Label(row.transaction_id, row.customer_id, True, row.event_time + DAY, "desk") for row in others]
    )
    after = read(following).shadow
    assert len(others) > 100
    assert len(given_up) > 100
    assert_judged_frauds(after, len(others))
    assert_as_counted(store, after)


def assert_judged_frauds(found: Shadow, frauds: int) -> None:
    judged = found.windows[1].judged
    assert judged is not None
    for side in (judged.in_use, judged.challenger):
        assert side.frauds_caught + side.frauds_missed == frauds


def test_another_challenger_begins_anew_and_none_is_said_to_be_none(
    store: Store, world: ShadowWorld, path: Path
) -> None:
    following = KpiReader(path)
    world.write_day(FIRST)
    assert read(following).shadow.challenger == "new"
    store.remember_challenger("newer", manifest(DELAY, "EUR", 5.0, 0.8))
    ShadowWorld(store, in_use="one", challenger="newer", a_day=60).write_day(FIRST + 1)
    found = read(following).shadow
    assert (found.challenger, found.windows[0].transactions) == ("newer", 120)
    assert found == shadow(path)
    for partition in (0, 1):
        taken = store.take_over(TRANSACTIONS, partition, first_offset=0)
        first, moment = taken.next_offset, NEW_YEAR + 2 * DAY
        store.commit_flags(
            taken.owner, expected=first, next_offset=first + 1, newest_event_time=moment, outputs=NOTHING_SENT,
            rows=[flag(first, moment, partition=partition)._replace(bundle_version="one")], challenger=NO_CHALLENGER,
        )  # fmt: skip
    assert read(following).shadow == shadow(path) == Shadow()


def test_days_that_one_of_the_two_learned_from_are_left_out(path: Path) -> None:
    learned = manifest(DELAY, "EUR", 5.0, 0.8).removesuffix("}") + (
        ', "training": {"fit": {"first": "2024-01-01", "until": "2024-01-03"}, '
        '"validation": {"first": "2024-01-03", "until": "2024-01-04"}}, '
        '"training_data": {"first_event": 0, "last_event": 0}}'
    )
    with open_store(path) as store:
        store.remember_bundle("one", manifest(DELAY, "EUR", 5.0, 0.8))
        store.remember_challenger("new", learned)
        world = ShadowWorld(store, in_use="one", challenger="new", a_day=60)
        for day in range(10):
            world.write_day(FIRST + day)
    month = shadow(path).windows[1]
    assert (month.days_learned, month.days_due, month.last_day) == (3, 3, FIRST + 5)


def test_a_bundle_in_use_that_is_not_known_is_said(world: ShadowWorld, path: Path) -> None:
    world.in_use = "elsewhere"
    world.write_day(FIRST)
    assert shadow(path) == Shadow("new", "elsewhere")


def test_a_level_that_is_none_is_said(world: ShadowWorld, path: Path) -> None:
    world.write_day(FIRST)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("update shadow_scores set level = 7 where source_offset = 4")
    now = KpiReader(path).read()
    assert isinstance(now, Unready)
    assert "got 9 as the challenger's level at offset 4, expected 0 to 2" in now.reason


def test_metrics_say_what_the_figures_say(store: Store, path: Path) -> None:
    store.remember_bundle("new", manifest(DELAY, "EUR", 5.0, 0.8))
    world = ShadowWorld(
        store, in_use="one", challenger="new", lifts=(2.5, 4.0), a_day=60, fraud_share=0.05, percent=20.0
    )
    for day in range(12):
        world.write_day(FIRST + day, given_up=0.2)
    now = read(KpiReader(path))
    week: ShadowWindow = now.shadow.windows[0]
    assert week.judged is not None
    got = scraped(now, path)
    for name, labels, value in (
        ("transactions", {}, week.transactions),
        ("transactions_of_one", {}, week.others),
        ("transactions_decided", {}, week.given),
        ("same_level_ratio", {}, week.same_level),
        ("cases", {"side": "in_use"}, week.cases.in_use),
        ("cases", {"side": "challenger"}, week.cases.challenger),
        ("cases", {"side": "both"}, week.cases.both),
        ("days", {}, week.days_due),
        ("precision_ratio", {"side": "in_use"}, week.judged.in_use.precision),
        ("recall_ratio", {"side": "challenger"}, week.judged.challenger.recall),
        ("frauds_caught", {"side": "challenger"}, week.judged.challenger.frauds_caught),
        ("frauds_missed", {"side": "in_use"}, week.judged.in_use.frauds_missed),
        ("money_saved", {"side": "challenger", "currency": "EUR"}, week.judged.challenger.saved),
        ("money_lost", {"side": "challenger", "currency": "EUR"}, week.judged.challenger.lost),
        ("money_review", {"side": "in_use", "currency": "EUR"}, week.judged.in_use.review),
    ):
        assert got[f"shadow_{name}", tuple(sorted({"window": "7d", **labels}.items()))] == value, name
    assert week.given > 0
    assert got["shadow_share_percent", (("version", "new"),)] == 20.0
    assert got["shadow_share_begun_timestamp_seconds", ()] == NEW_YEAR / 1000
    named = {name for name, labels in got if name.startswith("shadow_")}
    assert named == {family.name.removeprefix("trustlens_kpi_") for family in FAMILIES if "_kpi_shadow_" in family.name}


def test_show_sets_both_side_by_side(world: ShadowWorld, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world.write_day(FIRST)
    assert main(["show"], {"TRUSTLENS_DB": str(path)}) == 0
    said = capsys.readouterr().out
    assert "new is in the shadow of one." in said
    assert "No labels are due yet of what both scored." in said
    for day in range(1, 12):
        world.write_day(FIRST + day)
    assert main(["show"], {"TRUSTLENS_DB": str(path)}) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    week, month = shadow(path).windows
    assert "transactions that both scored 840 1,440" in lines
    assert f"cases: in use, challenger {week.cases.in_use}, {week.cases.challenger} " in "\n".join(lines)
    assert week.judged is not None
    assert any(line.startswith(f"precision: in use, challenger {week.judged.in_use.precision:.2%}, ") for line in lines)
    assert "days judged, with all labels due 7 of 7 8 of 30" in lines
    assert month.days_due == 8
    assert week.last_day is not None  # the rows above it are of later days, up to the newest event
    until = to_date(week.last_day).isoformat()
    assert f"until {until} {until}" in lines
    assert "At equal work and with intervals: python -m trainer compare --live" in lines
