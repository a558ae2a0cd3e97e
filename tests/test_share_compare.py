"""compare --live and the reporter where the challenger decides for a share of the customers: both models on the others
alone, and how the two groups fared."""

import sqlite3
from collections.abc import Callable
from contextlib import closing

import msgspec
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from evaluation.live import LiveComparison
from kpi_reporter.__main__ import main as report
from kpi_reporter.kpis.reading import KpiReader
from risk.clock import DAY
from risk.share import Share
from risk.store import Store
from risk.topics import Identity
from scorer.__main__ import main as score
from tests.explorers import exploring
from tests.kpi_stores import read
from tests.shadow_stores import ShadowWorld
from tests.test_compare_live import FIRST, LIVE, Place, place

__all__ = ["place"]


def shared_world(place: Place, store: Store, percent: float | None = 50.0, partitions: int = 2) -> ShadowWorld:
    for remember, manifest in (
        (store.remember_bundle, place.in_use),
        (store.remember_bundle, place.challenger),
        (store.remember_challenger, place.challenger),
    ):
        remember(manifest.version, msgspec.json.encode(manifest).decode())
    versions = {"in_use": place.in_use.version, "challenger": place.challenger.version}
    return ShadowWorld(store, **versions, lifts=(2.0, 5.0), a_day=100, percent=percent, partitions=partitions)


@pytest.fixture
def compared(place: Place, capsys: pytest.CaptureFixture[str]) -> Callable[..., LiveComparison]:
    def compare(*words: str) -> LiveComparison:
        assert place.run("compare", "--live", "--json", "--resamples", "20", *words) == EXIT_OK
        return msgspec.json.decode(capsys.readouterr().out, type=LiveComparison)

    return compare


def test_what_the_challenger_decided_itself_is_left_out_and_counted(
    place: Place, compared: Callable[..., LiveComparison], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing was given up, so nothing else is lacking, however large the share. A team that works ten cases a day has
    the rest of them from the customers of the share."""
    with place.open() as store:
        world = shared_world(place, store)
        for day in range(LIVE):
            world.write_day(FIRST + day)
        rows = list(store.flags())
    given = sum(row.bundle_version == place.challenger.version for row in rows)
    found = compared("--cases-per-day", "10")
    assert found.agreement.transactions == 200 * LIVE - given
    assert ({day.others for day in found.days}, sum(day.given for day in found.days)) == ({0}, given)
    assert not any("not scored by both" in text for text in found.missing)
    judged = found.judged
    assert judged is not None
    assert judged.equal_work is not None
    assert judged.equal_work.cases_per_day == pytest.approx(10 * judged.transactions / (200 * judged.days))
    assert place.run("compare", "--live", "--resamples", "20") == EXIT_OK
    said = capsys.readouterr().out
    assert (
        f"{given:,} of the {200 * LIVE:,} transactions of these days {place.challenger.version} decided itself" in said
    )


def test_both_groups_of_customers_are_set_side_by_side(
    place: Place, compared: Callable[..., LiveComparison], capsys: pytest.CaptureFixture[str]
) -> None:
    """By the newest share alone: under another one, customers belonged to the other group."""
    with place.open() as store:
        shared_world(place, store, percent=10.0).write_day(FIRST)
        world = shared_world(place, store)
        for day in range(1, LIVE):
            world.write_day(FIRST + day)
        rows = list(store.flags(since=(FIRST + 1) * DAY))
    found = compared()
    groups = found.groups
    assert groups is not None
    assert (groups.percent, groups.first, groups.last, groups.days) == (50.0, "2024-05-02", "2024-05-10", 9)
    assert groups.since == "2024-05-02T00:00:00Z"
    assert found.judged is not None
    assert found.judged.days == groups.days + 1
    judged = [row for row in rows if row.event_time // DAY < FIRST + 10]
    share = Share(place.in_use.version, place.challenger.version, 50.0)
    for group, version in ((groups.in_use, share.in_use), (groups.challenger, share.challenger)):
        own = [row for row in judged if row.bundle_version == version]
        assert (group.transactions, group.customers) == (len(own), len({row.customer_id for row in own}))
        assert group.worked == sum(row.level == "high" for row in own)
    assert groups.in_use.transactions + groups.challenger.transactions == len(judged)
    assert place.run("compare", "--live", "--resamples", "20") == EXIT_OK
    said = capsys.readouterr().out
    assert "the customers of its share of 50 %, since 2024-05-02T00:00:00Z, and the others: what was sent to " in said
    assert "case recall" in said.split("the customers of its share")[1]
    earlier = compared("--until", "2024-05-02")
    assert earlier.groups is not None
    assert (earlier.groups.percent, earlier.groups.days) == (10.0, 1)


def test_groups_of_which_no_labels_are_due_are_said_to_be_so(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    with place.open() as store:
        world = shared_world(place, store)
        for day in range(4):
            world.write_day(FIRST + day)
    assert place.run("compare", "--live", "--resamples", "20") == EXIT_OK
    assert "cannot be said yet: no day of the newest share can be judged" in capsys.readouterr().out


def test_the_reporter_counts_what_compare_counts(place: Place, compared: Callable[..., LiveComparison]) -> None:
    """Beside a share, with stretches that were given up, and with whole days."""
    with place.open() as store:
        world = shared_world(place, store)
        for day in range(LIVE):
            world.write_day(FIRST + day, given_up=0.2, is_given_up=day in (2, LIVE - 3))
    found = compared()
    week, month = read(KpiReader(place.path)).shadow.windows
    for window, days in ((month, found.days), (week, found.days[-7:])):
        assert window.transactions == sum(day.transactions for day in days)
        assert window.others == sum(day.others for day in days) > 150
        assert window.given == sum(day.given for day in days) > 0
    assert (month.cases, month.same_level) == (found.agreement.cases, found.agreement.same_level)
    assert found.judged is not None
    assert (month.days_due, month.judged) == (found.judged.days, found.judged.own_thresholds)


def test_who_decides_for_how_many_since_when_is_shown(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    version, settings = place.challenger.version, {"TRUSTLENS_DB": str(place.path)}
    with place.open() as store:
        shared_world(place, store, percent=None).write_day(FIRST)
        assert report(["show"], settings) == 0
        assert "decides for" not in capsys.readouterr().out
        for day, percent in enumerate((10.0, 12.5, 12.5), 1):
            shared_world(place, store, percent=percent).write_day(FIRST + day)
        assert report(["show"], settings) == 0
        said = capsys.readouterr().out
        assert f"{version} decides for 12.5 % of the customers since 2024-05-03T00:00:00Z of event time." in said
        assert "decided by the challenger itself" in said
        with exploring(place.path) as server:
            assert f"{version} decides for 12.5 % of the customers since 2024-05-03T00:00:00Z" in server.ask("/").text
        assert "any more" not in said
        shared_world(place, store, percent=None, partitions=1).write_day(FIRST + 4)
        assert report(["show"], settings) == 0
        said = capsys.readouterr().out
        assert f"{version} decides for 12.5 % of the customers since" in said
        assert "It does not any more in 1 partition; in each other that is seen with the next transaction." in said
        shared_world(place, store, percent=None).write_day(FIRST + 5)
        assert report(["show"], settings) == 0
        assert "decides for" not in capsys.readouterr().out


BEYOND = 9_000_000_000_000_000_000


@pytest.mark.parametrize(
    ("change", "why", "who"),
    [
        (
            f"share_starts set event_time = {BEYOND}",
            f"share_starts: got {BEYOND} as event_time",
            "show schedule",
        ),
        (f"bundle_starts set event_time = {BEYOND}", f"bundle_starts: got {BEYOND} as event_time", "schedule compare"),
        ("challenger_starts set stored_at = -1", "challenger_starts: got -1 as stored_at", "show compare"),
        (f"partitions set newest_event_time = {BEYOND}", f"got {BEYOND} as newest_event_time", "show compare"),
        ("shadow_scores set level = 7", "shadow_scores: got level None and score", "compare"),
        (
            "shadow_scores set score = 9e999",
            "shadow_scores: got level low and score inf",
            "compare",
        ),
        ("risk_flags set level = 'dire'", "risk_flags: got level dire and score", "compare"),
        ("risk_flags set decision = 'maybe'", "risk_flags: got decision maybe at offset", "compare"),
    ],
)
def test_what_no_worker_writes_is_said_by_whoever_reads_it(
    place: Place, capsys: pytest.CaptureFixture[str], change: str, why: str, who: str
) -> None:
    """To go through all days until a time that a flipped bit made would fill the memory."""
    with place.open() as store:
        shared_world(place, store).write_day(FIRST)
        store.remember_identity(Identity("c", {}, 2, ""))
    with closing(sqlite3.connect(place.path)) as connection, connection:
        connection.execute(f"update {change}")
    asked = {
        "show": lambda: report(["show"], place.environment),
        "schedule": lambda: score(["schedule", str(place.folder / "schedule.json")], place.environment),
        "compare": lambda: place.run("compare", "--live", "--json", "--resamples", "20"),
    }
    for name in who.split():
        assert asked[name]() == EXIT_FAILED
        said = capsys.readouterr().err
        assert why in said
        assert "keep the file for inspection and restore a backup" in said
