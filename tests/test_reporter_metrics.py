"""The metrics of one moment: what the figures say, under names that stay few."""

import math
import shutil
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from kpi_reporter.collector import ALWAYS, FAMILIES, PREFIX, SCORE, SCORE_EDGES, Collector
from kpi_reporter.kpis.reading import KpiReader
from kpi_reporter.kpis.values import Kpis, LastRetraining, Unready
from kpi_reporter.shown import lines_of, page, retraining_text
from risk.clock import DAY
from risk.store import RetrainingEnd, open_store
from tests.kpi_stores import SmallWorld, read, remember_bundles

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scraped(now: Kpis | Unready, path: Path) -> Samples:
    """As Prometheus would read it."""
    registry = CollectorRegistry()
    registry.register(Collector(now, path))
    return {
        (sample.name.removeprefix(PREFIX), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("metrics") / "risk.db"
    world = SmallWorld(5, has_rules=True)
    with open_store(made) as store:
        remember_bundles(store)
        for _ in range(6):
            world.write_flags(store, 250, ("one",))
            world.write_labels(store, 120)
    return made


def test_metrics_say_what_the_figures_say(path: Path) -> None:
    now = read(KpiReader(path))
    got = scraped(now, path)
    month = now.quality[1]
    assert month.label_delay is not None
    assert now.newest_event is not None
    for name, labels, value in (
        ("transactions", {"level": "high"}, now.by_level["high"]),
        ("high_ratio", {}, now.high_rate),
        ("transactions_by_category", {"category": "missing"}, now.by_category["missing"]),
        ("high_by_category", {"category": "other"}, now.high_by_category["other"]),
        ("high_by_channel", {"channel": "pos"}, now.high_by_channel["pos"]),
        ("transactions_by_bundle", {"version": "one"}, now.transactions),
        ("transactions_by_currency", {"currency": "JPY"}, now.amounts[1].transactions),
        ("amount_sum", {"currency": "EUR"}, now.amounts[0].total),
        ("amount_average", {"currency": "EUR"}, now.amounts[0].average),
        ("customers", {}, now.customers),
        ("customers_estimated", {}, 0),
        ("decisions", {"decision": "review"}, now.by_decision["review"]),
        ("alerts_by_category", {"category": "other"}, now.alerts_by_category["other"]),
        ("alerts_by_channel", {"channel": "pos"}, now.alerts_by_channel["pos"]),
        ("alerts_last_hour", {}, now.alerts_last_hour),
        ("alerts_last_day", {}, now.alerts_last_day),
        ("reviews_last_hour", {}, now.reviews_last_hour),
        ("reviews_last_day", {}, now.reviews_last_day),
        ("newest_event_timestamp_seconds", {}, now.newest_event / 1000),
        ("newest_write_timestamp_seconds", {}, now.newest_write / 1000),
        ("next_offset", {"topic": "transactions", "partition": "1"}, now.places[2].next_offset),
        ("labels", {"verdict": "fraud"}, now.labels.fraud),
        ("unknown_bundles", {}, 0),
        ("live_days", {"window": "7d"}, 7),
        ("live_until_timestamp_seconds", {"window": "7d"}, ((month.last_day or 0) + 1) * DAY / 1000),
        ("live_alerts", {"window": "30d"}, month.alerts),
        ("live_frauds_missed", {"window": "30d"}, month.frauds_missed),
        ("live_precision_ratio", {"window": "30d"}, month.precision),
        ("live_decided_cases", {"window": "7d", "decision": "alert"}, now.quality[0].with_alert.cases),
        ("live_decided_cases", {"window": "7d", "decision": "review"}, now.quality[0].reviews_alone.cases),
        ("live_decided_precision_ratio", {"window": "30d", "decision": "review"}, month.reviews_alone.precision),
        ("live_recall_ratio", {"window": "7d"}, now.quality[0].recall),
        ("live_false_positive_ratio", {"window": "30d"}, month.false_positive_rate),
        ("live_money_saved", {"window": "30d", "currency": "EUR"}, month.money[0].saved),
        ("label_delay_seconds", {"window": "30d", "quantile": "0.9"}, month.label_delay.ninth_decile / 1000),
        ("score_bucket", {"le": "0.5"}, sum(now.scores[:10])),
        ("score_bucket", {"le": "+Inf"}, now.transactions),
        ("store_readable", {}, 1),
        ("ready", {}, 1),
    ):
        assert got[name, tuple(sorted(labels.items()))] == value, name


def test_the_newest_retraining_is_followed_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"

    def said() -> dict[str, float]:
        found = scraped(read(reader), path)
        return {name.removeprefix("retraining_"): found[name, ()] for name, _ in found if "retraining" in name}

    with open_store(path) as store:
        remember_bundles(store)
        SmallWorld(1).write_flags(store, 50, ("one",))
        reader = KpiReader(path)
        assert said() == {}
        first = store.begin_retraining("a:1", "", 5_000, lambda _: False)
        store.keep_retraining(first, 7_000, "fit")
        assert said() == {"begun_timestamp_seconds": 5, "alive_timestamp_seconds": 7, "failed": 0}
        store.end_retraining(first, 9_000, RetrainingEnd("failed", None, "no room", None))
        assert said() == {"begun_timestamp_seconds": 5, "failed": 1}
        assert "failed, no room" in "\n".join(lines_of(page(read(reader), [])))
        second = store.begin_retraining("a:1", "", 10_000, lambda _: False)
        store.end_retraining(second, 11_000, RetrainingEnd("left", None, "nothing has drifted", None))
        assert said() == {"begun_timestamp_seconds": 10, "failed": 0}


def test_a_retraining_that_did_nothing_is_no_failure_and_another_one_still_becomes_due(tmp_path: Path) -> None:
    """It waited for a decision about a challenger, or somebody stopped it. How often one is to begin is known from
    those that were begun so; by hand none is due."""
    path = tmp_path / "risk.db"
    with open_store(path) as store:
        remember_bundles(store)
        SmallWorld(1).write_flags(store, 50, ("one",))
        reader = KpiReader(path)

        def said_after(at: int, outcome: str, every_ms: int | None = None) -> dict[str, float]:
            number = store.begin_retraining("a:1", "", at, lambda _: False, every_ms)
            store.end_retraining(number, at + 1_000, RetrainingEnd(outcome, None, "why", None))
            found = scraped(read(reader), path)
            return {name.removeprefix("retraining_"): found[name, ()] for name, _ in found if "retraining" in name}

        assert said_after(1_000, "waits") == {"begun_timestamp_seconds": 1, "failed": 0}, "of none that did its work"
        assert said_after(2_000, "left") == {"begun_timestamp_seconds": 2, "failed": 0}
        for at, outcome in ((3_000, "waits"), (4_000, "stopped")):
            assert said_after(at, outcome, 86_400_000) == {
                "begun_timestamp_seconds": 2, "failed": 0, "every_seconds": 86_400,
            }  # fmt: skip
        assert said_after(5_000, "shadow") == {"begun_timestamp_seconds": 5, "failed": 0, "every_seconds": 86_400}


@pytest.mark.parametrize(
    ("silent_seconds", "words"),
    [
        (300, "1970-01-01T00:00:05Z: under way"),
        (301, "1970-01-01T00:00:05Z: killed, or its machine went down: it said last at 1970-01-01T00:00:07Z that it "
              "goes on"),
    ],
)  # fmt: skip
def test_a_retraining_that_says_nothing_more_is_not_shown_as_under_way(silent_seconds: int, words: str) -> None:
    last = LastRetraining(1, 5_000, 7_000, None, None, None, 5_000, None)
    assert retraining_text(last, 7_000 + silent_seconds * 1_000) == words
    ended = LastRetraining(1, 5_000, 7_000, "left", None, "no drift", 5_000, None)
    assert retraining_text(ended, 10**12) == "1970-01-01T00:00:05Z: left, no drift"


def test_every_family_is_shown_once_there_are_figures_and_no_other(path: Path) -> None:
    registry = CollectorRegistry()
    registry.register(Collector(read(KpiReader(path)), path))
    shown = {family.name: family.documentation for family in registry.collect()}
    assert shown == dict([*ALWAYS, SCORE, *((family.name, family.text) for family in FAMILIES)])


def test_no_customer_and_no_merchant_is_a_label_and_groups_stay_few(path: Path) -> None:
    samples = scraped(read(KpiReader(path)), path)
    labels = {name for _, labels in samples for name, _ in labels}
    assert labels == {"level", "decision", "category", "channel", "version", "currency", "topic", "partition",
                      "verdict", "window", "quantile", "le"}  # fmt: skip
    categories = [labels for name, labels in samples if name == "transactions_by_category"]
    assert len(categories) == 51


def test_what_cannot_be_said_is_absent_and_not_zero(tmp_path: Path) -> None:
    path = tmp_path / "risk.db"
    open_store(path).close()
    got = scraped(read(KpiReader(path)), path)
    names = {name for name, _ in got}
    assert got["transactions", (("level", "high"),)] == 0
    assert not names & {"high_ratio", "newest_event_timestamp_seconds", "live_precision_ratio", "live_recall_ratio"}
    assert not any(math.isnan(value) for value in got.values())


@pytest.mark.parametrize(("is_reading", "readable"), [(False, 0), (True, 1)])
def test_without_figures_there_is_still_an_answer(path: Path, is_reading: bool, readable: int) -> None:
    disk = shutil.disk_usage(path.parent)
    got = scraped(Unready("why", is_reading), path)
    assert got.pop(("disk_free_bytes", ())) == pytest.approx(disk.free, rel=0.2)
    assert got == {("store_readable", ()): readable, ("ready", ()): 0, ("disk_size_bytes", ()): disk.total}


def test_without_a_folder_there_is_no_disk_to_speak_of(tmp_path: Path) -> None:
    assert scraped(Unready("why"), tmp_path / "gone" / "risk.db") == {("store_readable", ()): 0, ("ready", ()): 0}


def test_buckets_of_scores_go_up_to_infinity() -> None:
    assert (SCORE_EDGES[0], SCORE_EDGES[9], SCORE_EDGES[-1]) == ("0.05", "0.5", "+Inf")
