"""python -m trainer backtest: the worker's pipeline over a file, counted as a team works alerts."""

import json
import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from risk.bundle import read_bundle
from risk.catalogue import FeatureSet
from risk.dataset import open_dataset
from risk.digest import Digest, canonical
from risk.ledger import SeenDays
from risk.pipeline import Pipeline
from risk.prepare import Learned, LearnedCategory, LearnedNumber
from tests.bundles import write_bundle
from trainer.__main__ import EXIT_FAILED, EXIT_OK, main
from trainer.backtest.tally import Calendar, Costs

FIELDS = FeatureSet(frozenset({"customer_id", "merchant_id", "merchant_category", "channel", "device_id", "country"}))
LEARNED: tuple[Learned, ...] = (
    LearnedNumber("amount", 20.0, 0.0, 5000.0, 20.0),
    LearnedNumber("customer_count_1h", 0.0, 0.0, 20.0, 0.0),
    LearnedNumber("new_device_30d", 0.0, 0.0, 1.0, 0.0),
    LearnedNumber("merchant_risk_30d", 0.0, 0.0, 1.0, 0.0),
    LearnedCategory("channel", ("online",), None),
)
DAY = 86_400_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backtest")
    words = ["--customers", "60", "--merchants", "40", "--days", "60"]
    assert main(["generate", "cards", str(folder / "cards.parquet"), *words], {}) == EXIT_OK
    write_bundle(folder / "a", FIELDS, LEARNED, [0.003, 0.4, 1.0, 5.0, 0.5], bias=-4.0, medium=0.05, high=0.2)
    write_bundle(folder / "b", FIELDS, LEARNED, [0.002, 0.9, 1.0, 5.0, 0.5], bias=-4.0, medium=0.05, high=0.2)
    return folder


def backtest(home: Path, *words: str, settings: dict[str, str] | None = None) -> int:
    return main(["backtest", str(home / "cards.parquet"), "--bundle", str(home / "a"), *words], settings or {})


def test_the_digest_and_scores_are_those_of_the_pipeline_whatever_the_chunks(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = tmp_path / "scores.parquet"
    assert backtest(home, "--scores-out", str(scores), settings={"TRUSTLENS_CHUNK_ROWS": "333"}) == EXIT_OK
    said = capsys.readouterr().out

    dataset = open_dataset(home / "cards.parquet")
    (rows,) = dataset.rows()
    days = SeenDays(label_delay_days=7, bucket_ms=3_600_000)
    days.learn(rows.labels())
    bundle = read_bundle(home / "a")
    scored = Pipeline(bundle, days).score(rows.transactions)
    digest = Digest()
    for place, row in enumerate(scored.rows):
        digest.add(
            canonical(
                rows.transactions[row].transaction_id, scored.scores[place], scored.levels[place],
                scored.reasons[place], scored.imputed[place], scored.ledger_days[place],
            )
        )  # fmt: skip
    assert f"digest {digest}" in said
    table = pq.read_table(scores)
    assert table["transaction_id"].to_pylist() == [t.transaction_id for t in rows.transactions]
    assert table["score"].to_pylist() == scored.scores
    assert table["level"].to_pylist() == scored.levels
    assert set(table["bundle_version"].to_pylist()) == {bundle.manifest.version}


def test_what_lies_before_the_period_is_history_and_not_counted(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, part = tmp_path / "whole.parquet", tmp_path / "part.parquet"
    assert backtest(home, "--scores-out", str(whole)) == EXIT_OK
    assert backtest(home, "--from", "2024-12-11", "--until", "2024-12-25", "--scores-out", str(part)) == EXIT_OK
    assert "14 days" in capsys.readouterr().out
    all_scores, some = pq.read_table(whole).to_pylist(), pq.read_table(part).to_pylist()
    assert some == [row for row in all_scores if "2024-12-11" <= str(row["event_time"])[:10] < "2024-12-25"]


def test_scores_come_in_the_files_own_order(home: Path, tmp_path: Path) -> None:
    table = pq.read_table(home / "cards.parquet")
    order = np.random.default_rng(1).permutation(len(table))
    shuffled = tmp_path / "shuffled.parquet"
    pq.write_table(table.take(order), shuffled)
    scores = tmp_path / "scores.parquet"
    assert main(["backtest", str(shuffled), "--bundle", str(home / "a"), "--scores-out", str(scores)], {}) == EXIT_OK
    assert pq.read_table(scores)["transaction_id"].to_pylist() == table.take(order)["transaction_id"].to_pylist()


def test_two_bundles_side_by_side_with_what_differs(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tables"
    assert backtest(home, "--against", str(home / "b"), "--out", str(out), "--thresholds", "0.1,0.5") == EXIT_OK
    whole = json.loads((out / "backtest.json").read_text())
    first, second = (read_bundle(home / name).manifest.version for name in "ab")
    assert set(whole["bundles"]) == {first, second}
    assert whole["bundles"][first]["digest"] != whole["bundles"][second]["digest"]
    assert [row["threshold"] for row in whole["bundles"][first]["sweep"]] == [0.1, 0.2, 0.5]
    assert whole["different_levels"] > 10
    gaps = [abs(example["score"] - example["other_score"]) for example in whole["examples"]]
    assert len(gaps) == 10
    assert gaps == sorted(gaps, reverse=True)
    assert f"{whole['different_levels']:,} transactions have another level" in capsys.readouterr().out
    weeks = whole["bundles"][first]["weeks"]
    high = next(row for row in whole["bundles"][first]["sweep"] if row["threshold"] == 0.2)
    for name in ("alerts", "frauds_caught", "frauds_missed", "good_customers_flagged"):
        assert sum(week[name] for week in weeks) == high[name]


def test_a_file_without_labels_gives_scores_only(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pq.read_table(home / "cards.parquet").drop_columns(["is_fraud", "labelled_at", "fraud_kind"])
    bare = tmp_path / "bare.parquet"
    pq.write_table(table, bare)
    assert main(["backtest", str(bare), "--bundle", str(home / "a")], {}) == EXIT_OK
    assert "no labels: scores only" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--from", "soon"], "--from: got 'soon', expected a day such as 2024-12-01"),
        (["--thresholds", "0.1,2"], "--thresholds: got '0.1,2', expected numbers between 0 and 1"),
        (["--scores-out", "x.csv"], "--scores-out: got x.csv, expected a name that ends in .parquet"),
        (["--against", "nowhere"], "nowhere/manifest.json: No such file"),
    ],
)
def test_options_that_cannot_be_used_are_named(
    home: Path, words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backtest(home, *words) == EXIT_FAILED
    assert expected in capsys.readouterr().err


def test_the_calendar_counts_what_a_team_would_by_brute_force() -> None:
    """Customer-days, the order within a day, and money, counted by loops over every threshold."""
    dice = random.Random(3)
    rows = sorted(
        (dice.randrange(20 * DAY), f"C{dice.randrange(6)}", dice.random(), dice.random() < 0.2, dice.randrange(500) / 4)
        for _ in range(400)
    )
    thresholds = (0.2, 0.5, 0.9)
    calendar = Calendar(thresholds, Costs(5.0, 0.5))
    for first in range(0, 400, 7):
        times, customers, scores, frauds, amounts = zip(*rows[first : first + 7], strict=True)
        calendar.add(times, customers, np.array(scores), frauds, amounts)
    calendar.finish()

    for outcome in calendar.total.outcomes():
        alerts, caught, missed, saved, lost = set(), 0, 0, 0.0, 0.0
        for time, customer, score, is_fraud, amount in rows:
            if score >= outcome.threshold:
                alerts.add((time // DAY, customer))
            if is_fraud and (time // DAY, customer) in alerts:
                caught, saved = caught + 1, saved + amount * 0.5
            elif is_fraud:
                missed, lost = missed + 1, lost + amount * 0.5
        fraud_days = {(time // DAY, customer) for time, customer, _, is_fraud, _ in rows if is_fraud}
        assert outcome.alerts == len(alerts)
        assert (outcome.frauds_caught, outcome.frauds_missed) == (caught, missed)
        assert (outcome.saved, outcome.lost, outcome.review) == pytest.approx((saved, lost, 5.0 * len(alerts)))
        assert outcome.good_customers_flagged == len(alerts - fraud_days)
    assert calendar.days == 20
    assert sum(tally.transactions for tally in calendar.weeks.values()) == 400
