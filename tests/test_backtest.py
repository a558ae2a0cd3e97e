"""python -m trainer backtest: the worker's pipeline over a file, counted as a team works alerts."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.bundle import CURRENT, read_bundle
from risk.challenger import CHALLENGER, pointer_to
from risk.dataset import open_dataset
from risk.digest import Digest, canonical
from risk.ledger import SeenDays
from risk.ledger_day import LedgerTerms
from risk.pipeline import Pipeline
from tests.backtests import backtest, history, make_home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("backtest"))


def test_the_digest_and_scores_are_those_of_the_pipeline_whatever_the_chunks(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = tmp_path / "scores.parquet"
    assert backtest(home, "--scores-out", str(scores), settings={"TRUSTLENS_CHUNK_ROWS": "333"}) == EXIT_OK
    said = capsys.readouterr().out

    dataset = open_dataset(home / "cards.parquet")
    (rows,) = dataset.rows()
    days = SeenDays(LedgerTerms(7, 3_600_000))
    days.learn(rows.labels())
    bundle = read_bundle(home / "a")
    scored = Pipeline(bundle, days).score(rows.block)
    digest = Digest()
    for place, row in enumerate(scored.rows):
        digest.add(
            canonical(
                rows.block[row].transaction_id, scored.scores[place], scored.levels[place],
                scored.reasons[place], scored.imputed[place], scored.ledger_days[place],
            )
        )  # fmt: skip
    assert f"digest {digest}" in said
    table = pq.read_table(scores)
    assert table["transaction_id"].to_pylist() == [t.transaction_id for t in rows.block]
    assert table["score"].to_pylist() == scored.scores
    assert table["level"].to_pylist() == scored.levels
    assert set(table["bundle_version"].to_pylist()) == {bundle.manifest.version}


@pytest.mark.parametrize("percent", [None, 10.0])
def test_a_share_beside_the_bundle_in_use_is_told_where_no_schedule_is_named(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], percent: float | None
) -> None:
    """Workers decide some customers by the challenger then, so their digest is another one."""
    in_use, challenger = (read_bundle(home / name).manifest.version for name in "ab")
    for name, version in (("a", in_use), ("b", challenger)):
        shutil.copytree(home / name, tmp_path / version)
    (tmp_path / CURRENT).write_text(f"{in_use}\n")
    (tmp_path / CHALLENGER).write_text(pointer_to(challenger, percent))
    notices = []
    for bundle in (tmp_path, tmp_path / in_use):  # the one in use, and one by its name, whatever is in use
        assert backtest(home, "--from", "2024-12-28", "--bundle", str(bundle)) == EXIT_OK
        notices.append([line for line in capsys.readouterr().err.splitlines() if "--schedule" in line])
    told = (
        f"notice: {challenger} decides for 10 % of the customers now, and here {in_use} decides for all: for the "
        "scores and the digest of the workers, name what `python -m scorer schedule FILE` writes by --schedule"
    )
    assert notices == [[] if percent is None else [told], []]


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
    assert backtest(home, "--scores-out", str(scores), file=shuffled) == EXIT_OK
    assert pq.read_table(scores)["transaction_id"].to_pylist() == table.take(order)["transaction_id"].to_pylist()


def test_tables_of_weeks_and_thresholds_add_up(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "tables"
    assert backtest(home, "--out", str(out), "--thresholds", "0.1,0.5") == EXIT_OK
    version = read_bundle(home / "a").manifest.version
    assert sorted(path.name for path in out.iterdir()) == [
        "backtest.json", f"{version}.sweep.csv", f"{version}.weeks.csv"
    ]  # fmt: skip
    whole = json.loads((out / "backtest.json").read_text())
    assert whole["side_by_side"] is None
    tables = whole["bundles"][version]
    assert [row["threshold"] for row in tables["sweep"]] == [0.1, 0.2, 0.5]
    high = tables["sweep"][1]
    assert high["alerts"] > 20
    for name in ("alerts", "frauds_caught", "frauds_missed", "good_customers_flagged"):
        assert sum(week[name] for week in tables["weeks"]) == high[name]
    with (out / f"{version}.sweep.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [{name: float(text) for name, text in row.items()} for row in written] == tables["sweep"]


def test_without_labels_nothing_is_said_of_what_was_caught(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Null in JSON, empty in CSV, no column on the screen: never a precision of 0."""
    bare, out = tmp_path / "bare.parquet", tmp_path / "tables"
    pq.write_table(history(home).drop_columns(["is_fraud", "labelled_at", "fraud_kind"]), bare)
    assert backtest(home, "--without-labels", "--out", str(out), file=bare) == EXIT_OK
    said = capsys.readouterr().out
    assert "no labels: scores only" in said
    assert re.search(r"^week from +transactions +cases/day$", said, re.MULTILINE)
    assert not any(word in said for word in ("good flagged", "saved", "precision"))
    (tables,) = json.loads((out / "backtest.json").read_text())["bundles"].values()
    unsaid = {"alerts_with_fraud", "good_customers_flagged", "frauds_caught", "frauds_missed", "saved", "lost", "cost",
              "precision", "recall"}  # fmt: skip
    for row in (*tables["sweep"], *tables["weeks"]):
        assert {name for name, value in row.items() if value is None} == unsaid
        assert row["alerts_unknown"] == row["alerts"]
    assert tables["sweep"][0]["alerts"] > 1000
    with next(out.glob("*.weeks.csv")).open() as file:
        assert all(row[name] == "" for row in csv.DictReader(file) for name in unsaid)


def test_an_alert_without_a_label_is_no_good_customer(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With half of the genuine labels gone, the same frauds are caught and fewer customers are known to be good."""
    table, half = history(home), tmp_path / "half.parquet"
    labels = [label if label or row % 2 else None for row, label in enumerate(table["is_fraud"].to_pylist())]
    place = table.schema.get_field_index("is_fraud")
    pq.write_table(table.set_column(place, "is_fraud", pa.array(labels, pa.int64())), half)
    highs = []
    for file, name in ((home / "cards.parquet", "whole"), (half, "half")):
        assert backtest(home, "--out", str(tmp_path / name), file=file) == EXIT_OK
        (tables,) = json.loads((tmp_path / name / "backtest.json").read_text())["bundles"].values()
        highs.append(next(row for row in tables["sweep"] if row["threshold"] == 0.2))
    whole, part = highs
    assert part["frauds_caught"] == whole["frauds_caught"] > 10
    assert whole["alerts_unknown"] == 0
    assert part["alerts_unknown"] > 20
    assert part["good_customers_flagged"] < 0.8 * whole["good_customers_flagged"]
    assert part["precision"] == part["alerts_with_fraud"] / (part["alerts"] - part["alerts_unknown"])
    said = capsys.readouterr()
    assert "without label" in said.out
    assert f"{labels.count(None):,} of {len(labels):,} transactions have no label" in said.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--from", "soon"], "--from: got 'soon', expected a day such as 2024-12-01"),
        (["--thresholds", "0.1,2"], "--thresholds: got '0.1,2', expected numbers between 0 and 1"),
        (["--thresholds", "0.1,0.1_5"], "--thresholds: got '0.1,0.1_5', expected numbers between 0 and 1"),
        (["--scores-out", "x.csv"], "--scores-out: got x.csv, expected a name that ends in .parquet"),
    ],
)
def test_options_that_cannot_be_used_are_named(
    home: Path, words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backtest(home, *words) == EXIT_FAILED
    assert expected in capsys.readouterr().err
