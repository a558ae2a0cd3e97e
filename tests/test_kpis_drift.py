"""The reporter's drift: what the samples of the last seven whole days say, and nothing where they are too few."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from evaluation.drift import edges_of, number_parts
from evaluation.drifting import Drifting, Drifts
from kpi_reporter.__main__ import main
from kpi_reporter.kpis.reading import KpiReader
from kpi_reporter.kpis.told import drift_text
from kpi_reporter.kpis.values import Unready
from risk.bundle import Drift, Histogram, LearnedCategory, LearnedNumber
from risk.clock import DAY, HOUR
from risk.codes import Array
from risk.events import Label
from risk.store import Store, open_store, open_to_report
from testing.stores import LABELS, NEW_YEAR, NOTHING_SENT, TRANSACTIONS, flag
from tests.kpi_stores import read

A_DAY = 200
FIT_ROWS = 20_000
Draw = Callable[[np.random.Generator, int], tuple[Array, Array]]


def usual(dice: np.random.Generator, count: int) -> tuple[Array, Array]:
    """Features and scores: an amount, a country, and a merchant's risk."""
    amounts = dice.lognormal(3, 1, count)
    countries = dice.choice([0, 1, 2, 3], count, p=[0.01, 0.01, 0.78, 0.2])
    return np.column_stack([amounts, countries, dice.random(count)]).astype(np.float32), dice.beta(1, 50, count)


def manifest(*, knows_features: bool = True) -> str:
    values, scores = usual(np.random.default_rng(1), FIT_ROWS)
    edges = edges_of(scores)
    counts = np.bincount(np.searchsorted(edges, scores, side="right"), minlength=len(edges) + 1)
    drift = [
        Drift("amount", 0.0, (), {}, *number_parts(np.sort(values[:, 0]), FIT_ROWS), FIT_ROWS),
        Drift("country", 0.01, (), {"DE": 0.78, "FR": 0.2}, rows=FIT_ROWS),
        Drift("merchant_risk_7d", 0.0, (), {}, *number_parts(np.sort(values[:, 2]), FIT_ROWS), FIT_ROWS),
    ]
    said = {
        "label_delay_days": 3,
        "bucket_ms": HOUR,
        "currency": "EUR",
        "thresholds": {"review_cost": 5.0, "loss_rate": 1.0},
        "features": [
            LearnedNumber("amount", 0, 0, 0, 0),
            LearnedCategory("country", ("DE", "FR"), None),
            LearnedNumber("merchant_risk_7d", 0, 0, 0, 0),
        ],
        "drift": drift if knows_features else [msgspec.structs.replace(d, edges=(), parts=(), rows=0) for d in drift],
        "score_histogram": Histogram(tuple(edges.tolist()), tuple(counts.tolist())),
    }
    return msgspec.json.encode(said).decode()


def store_days(store: Store, days: range, draw: Draw = usual, *, a_day: int = A_DAY, version: str = "v1") -> None:
    """So many sampled transactions on each day, every one of them a sample."""
    taken = store.take_over(TRANSACTIONS, 0, first_offset=0)
    offset = taken.next_offset
    for day in days:
        values, scores = draw(np.random.default_rng(day), a_day)
        places = range(offset, offset + a_day)
        rows = [
            flag(place, NEW_YEAR + day * DAY + 1_000 * row, score=float(scores[row]))._replace(bundle_version=version)
            for row, place in enumerate(places)
        ]
        store.commit_flags(
            taken.owner,
            expected=offset,
            next_offset=offset + a_day,
            newest_event_time=rows[-1].event_time,
            outputs=NOTHING_SENT,
            rows=rows,
            samples=[(0, place, np.float32(values[row]).tobytes()) for row, place in enumerate(places)],
        )
        offset += a_day


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "risk.db"


@pytest.fixture
def store(path: Path) -> Store:
    made = open_store(path)
    made.remember_bundle("v1", manifest())
    return made


def drift_of(path: Path) -> Drifting:
    return read(KpiReader(path)).drift


def indices(drift: Drifting) -> dict[str, float | None]:
    return {one.name: one.week.psi for one in drift.features}


def test_of_an_unchanged_world_nothing_has_changed(store: Store, path: Path) -> None:
    store_days(store, range(10))
    found = drift_of(path)
    first = NEW_YEAR // DAY
    assert (found.first_day, found.last_day, found.days_sampled) == (first + 2, first + 8, 7)  # the last day goes on
    assert (found.bundle, found.rows, found.changed, found.why_not) == ("v1", 7 * A_DAY, 0, None)
    assert found.score is not None
    assert found.score.week.psi is not None
    assert found.score.week.psi < 0.02
    assert [day.figures.psi for day in found.features[0].days] == [None] * 7  # of 200 rows


def test_what_changed_stands_first_and_counts_unless_it_follows_labels(store: Store, path: Path) -> None:
    def changed(dice: np.random.Generator, count: int) -> tuple[Array, Array]:
        values, scores = usual(dice, count)
        values[:, 0] *= 2
        values[:, 1] = np.where(dice.random(count) < 0.1, 1, values[:, 1])
        values[:, 2] = np.nan
        return values, scores * 3

    store_days(store, range(8), changed)
    found = drift_of(path)
    assert [one.name for one in found.features] == ["merchant_risk_7d", "amount", "country"]
    assert [one.has_changed for one in found.features] == [False, True, True]
    assert found.changed == 2
    by_name = {one.name: one for one in found.features}
    assert by_name["merchant_risk_7d"].week.missing == 1
    assert by_name["country"].week.unseen == pytest.approx(0.11, abs=0.03)
    assert by_name["country"].unseen_before == pytest.approx(0.01)
    assert found.score is not None
    assert found.score.has_changed


def test_what_is_read_bit_by_bit_is_what_is_read_at_once(store: Store, path: Path) -> None:
    reader = KpiReader(path)
    for day in range(12):
        store_days(store, range(day, day + 1))
        last = read(reader)
    assert last.drift == drift_of(path)
    assert last.drift.rows == 7 * A_DAY


@pytest.mark.parametrize(("a_day", "is_said"), [(142, False), (143, True)])
def test_below_a_thousand_samples_nothing_is_said(store: Store, path: Path, a_day: int, is_said: bool) -> None:
    """Neither 0 nor another number."""
    store_days(store, range(8), a_day=a_day)
    found = drift_of(path)
    assert [value is not None for value in indices(found).values()] == [is_said] * 3
    assert found.changed == (0 if is_said else None)


def test_of_an_older_bundle_only_the_score_is_known(path: Path) -> None:
    with open_store(path) as store:
        store.remember_bundle("v1", manifest(knows_features=False))
        store_days(store, range(8))
    found = drift_of(path)
    assert (found.features, found.changed) == ((), None)
    assert found.why_not is not None
    assert "train again" in found.why_not
    assert found.score is not None
    assert found.score.week.psi is not None


def test_without_samples_there_is_no_drift(path: Path) -> None:
    open_store(path).close()
    assert drift_of(path) == Drifting(why_not="no features are sampled yet")


def test_another_bundle_is_compared_with_its_own_past_alone(store: Store, path: Path) -> None:
    """The first one's rows are none of its."""
    store.remember_bundle("v2", manifest())
    store_days(store, range(4), lambda _, count: (np.full((count, 3), np.nan, np.float32), np.zeros(count)))
    store_days(store, range(4, 8), version="v2", a_day=400)
    found = drift_of(path)
    assert (found.bundle, found.days_sampled, found.rows) == ("v2", 3, 1_200)
    assert found.changed == 0


def test_a_damaged_sample_is_said(store: Store, path: Path) -> None:
    taken = store.take_over(TRANSACTIONS, 0, first_offset=0)
    store.commit_flags(
        taken.owner, expected=0, next_offset=1, newest_event_time=NEW_YEAR, outputs=NOTHING_SENT, rows=[flag(0)],
        samples=[(0, 0, b"torn")],
    )  # fmt: skip
    now = KpiReader(path).read()
    assert isinstance(now, Unready)
    assert "feature_samples: got 4 bytes in 1 rows, expected 3 numbers in each" in now.reason


def test_old_days_are_forgotten(store: Store, path: Path) -> None:
    store_days(store, range(12))
    drifts = Drifts()
    drifts.learn("v1", manifest())
    report = open_to_report(path)
    try:
        drifts.read(report, 0, 0)
    finally:
        report.close()
    first = NEW_YEAR // DAY
    drifts.forget_before(first + 10)
    assert drifts.mean_score(first + 9) is None
    assert drifts.mean_score(first + 10) == pytest.approx(1 / 51, abs=0.01)
    assert drifts.sampled(range(first, first + 12)) == 2 * A_DAY


def test_calibration_compares_what_scores_promise_with_what_labels_say(store: Store, path: Path) -> None:
    """Of days whose labels are due; scores are a fiftieth in the mean, and one in a hundred is a fraud."""
    store_days(store, range(20))
    assert read(KpiReader(path)).calibration.frauds is None  # without labels
    taken = store.take_over(LABELS, 0, first_offset=0)
    rows = [row for row in store.flags() if row.source_offset % 100 == 0]
    labels = [
        (n, Label(row.transaction_id, row.customer_id, True, row.event_time + DAY, "desk"))
        for n, row in enumerate(rows)
    ]
    store.commit_labels(taken.owner, expected=0, next_offset=len(labels), rejected_offset=0, labels=labels)
    found = read(KpiReader(path)).calibration
    assert (found.days, found.frauds) == (16, 32)
    assert found.expected == pytest.approx(16 * A_DAY / 51, rel=0.1)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (140, "too few sampled rows: 140 of 1,000"),
        (1_000, "too few rows in the fit period of lightgbm-1, expected 1,000 or more"),
    ],
)
def test_why_nothing_can_be_said_is_told_with_its_number(rows: int, why: str) -> None:
    drift = Drifting(bundle="lightgbm-1", first_day=19_000, last_day=19_006, days_sampled=7, rows=rows)
    assert drift.changed is None
    assert drift.too_few == why
    assert drift_text(drift).endswith(f"scored by lightgbm-1. Of features nothing is said: {why}.")


def test_the_command_says_the_worst_first(store: Store, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store_days(store, range(8), lambda dice, count: (usual(dice, count)[0] * [[2, 1, 1]], usual(dice, count)[1]))
    environment = {"TRUSTLENS_DB": str(path)}
    assert main(["drift"], environment) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "1,400 samples of 2024-01-01 to 2024-01-07, scored by v1: 1 feature has changed." in lines[0]
    assert lines[4].startswith("amount")
    assert lines[-2] == "Alerts: 0.00% of the transactions of these days; day by day " + ", ".join(["0.00%"] * 7) + "."
    assert main(["drift", "--json"], environment) == 0
    said = msgspec.json.decode(capsys.readouterr().out)
    assert said["drift"]["features"][0]["name"] == "amount"
    assert said["drift"]["features"][0]["week"]["psi"] > 0.1
    assert len(said["drift"]["features"][0]["days"]) == 7
    assert [each["transactions"] for each in said["days"][-8:]] == [A_DAY] * 8
