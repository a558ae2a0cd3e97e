"""A history out of the store: what is in it, and that a model learns from it what it learned from the file."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.bundle import Bundle, read_bundle
from risk.clock import DAY, to_date, to_ms
from risk.dataset import open_dataset
from risk.events import Label
from risk.store import LabelVersion, open_store, prune
from testing.bundles import write_bundle
from testing.stores import NEW_YEAR, TRANSACTIONS, flag, store_flags, store_labels
from tests.backtests import FIELDS, LEARNED
from tests.stored_histories import store_of
from tests.trainings import QUICK, small_history
from trainer.__main__ import main
from trainer.history.labels import in_force

MAP = """
transaction_id = "id"
event_time = "event_time"
customer_id = "customer_id"
merchant_id = "merchant_id"
channel = "channel"
country = "country"
amount = "amount"
currency = { constant = "EUR" }
is_fraud = "is_fraud"
labelled_at = "labelled_at"
sensitive = ["age_band", "country", "gender"]
learn_sensitive = ["gender"]

[attributes]
age_band = "category"
gender = "category"
zip = "category"
score = "number"
amount_before = { column = "before", kind = "number" }
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with names of its own and attributes of every kind, its map, the bundle trained on it, and a store."""
    folder = tmp_path_factory.mktemp("history")
    cards = folder / "cards.parquet"
    small_history(cards)
    table = pq.read_table(cards)
    dice = np.random.default_rng(7)
    size = table.num_rows
    more = {
        "age_band": dice.choice(np.array(["young", "old", None], object), size),
        "gender": dice.choice(np.array(["f", "m"], object), size),
        "zip": dice.choice(np.array(["01069", "80331"], object), size),  # a guess would take it for a number
        "score": dice.normal(size=size),
        "before": np.where(dice.random(size) < 0.3, np.nan, dice.random(size)),
    }
    for name, values in more.items():
        table = table.append_column(name, pa.array(values.tolist(), from_pandas=True))
    names = ["id" if name == "transaction_id" else name for name in table.schema.names]
    pq.write_table(table.rename_columns(names), folder / "mine.parquet")
    (folder / "map.toml").write_text(MAP)
    train(folder, folder / "mine.parquet", "models", "--columns", str(folder / "map.toml"))
    store_of(folder / "mine.parquet", folder / "map.toml", folder / "risk.db")
    return folder


def train(home: Path, file: Path, models: str, *words: str) -> Bundle:
    folders = ["--models", str(home / models), "--reports", str(home / "reports")]
    assert main(["train", str(file), *folders, "--model", "logistic", *QUICK, *words], {}) == EXIT_OK
    return read_bundle(home / models)


def export(home: Path, out: Path, *words: str, store: Path | None = None, models: str = "models") -> int:
    settings = {"TRUSTLENS_DB": str(store or home / "risk.db")}
    return main(["history", "--from-store", str(out), "--bundle", str(home / models), *words], settings)


def test_a_model_learns_from_it_what_it_learned_from_the_file(home: Path, tmp_path: Path) -> None:
    """The same model, to the byte, the same calibration and thresholds; so every score is the same."""
    out = tmp_path / "history.parquet"
    assert export(home, out, "--until", "2025-01-01") == EXIT_OK
    ours, theirs = read_bundle(home / "models"), train(home, out, f"again-{tmp_path.name}")
    assert theirs.onnx == ours.onnx
    for name in ("features", "fields", "number_attributes", "category_attributes", "calibration", "thresholds",
                 "currency", "drift", "score_histogram", "seed"):  # fmt: skip
        assert getattr(theirs.manifest, name) == getattr(ours.manifest, name), name
    assert theirs.manifest.training.fit == ours.manifest.training.fit
    assert theirs.manifest.training_data.transactions == ours.manifest.training_data.transactions


@pytest.mark.proof
def test_a_history_of_a_bundle_that_came_from_a_history_is_the_same(home: Path, tmp_path: Path) -> None:
    """What its column map calls sensitive is not lost on the way."""
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    assert export(home, first) == EXIT_OK
    models = f"of-a-history-{tmp_path.name}"
    train(home, first, models)
    assert export(home, second, models=models) == EXIT_OK
    assert second.read_bytes() == first.read_bytes()
    assert open_dataset(second).column_map.not_learned == ("age_band", "country")


def test_rows_are_those_of_the_file_in_its_order(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "history.parquet"
    assert export(home, out, "--until", "2025-01-01") == EXIT_OK
    ours, theirs = pq.read_table(home / "mine.parquet"), pq.read_table(out)
    assert theirs["transaction_id"].to_pylist() == ours["id"].to_pylist()
    for name in ("event_time", "customer_id", "merchant_id", "amount", "country", "zip", "age_band", "labelled_at"):
        assert theirs[name].to_pylist() == ours[name].to_pylist(), name
    assert theirs["amount_before"].to_pylist() == ours["before"].to_pylist()
    # The bundle does not know it, so it is not a column.
    assert "device_id" not in theirs.schema.names
    # A fraud that nobody reported is one that nobody knows of.
    reported = [fraud and at is not None for fraud, at in zip(*of(ours, "is_fraud", "labelled_at"), strict=True)]
    due = to_ms(pq.read_table(home / "mine.parquet")["event_time"][-1].as_py()) // DAY - 7
    for row, expected in zip(
        theirs.select(["event_time", "is_fraud", "labelled_at"]).to_pylist(), reported, strict=True
    ):
        day = to_ms(row["event_time"]) // DAY
        assert row["is_fraud"] == expected or (row["is_fraud"] is None and day >= due and row["labelled_at"] is None)


def of(table: pa.Table, *names: str) -> list[Iterable[object]]:
    return [table[name].to_pylist() for name in names]


def test_it_ends_with_the_last_day_whose_labels_are_due(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file ends on 2024-12-31, within the day; of the day before, labels are due seven days later."""
    assert export(home, tmp_path / "due.parquet") == EXIT_OK
    assert days_in(tmp_path / "due.parquet")[-1] == "2024-12-23"
    assert "labels are due" not in capsys.readouterr().err
    words = "--from", "2024-12-20", "--until", "2024-12-25"
    assert export(home, tmp_path / "more.parquet", *words) == EXIT_OK
    assert days_in(tmp_path / "more.parquet") == [f"2024-12-{day}" for day in range(20, 25)]
    assert None in pq.read_table(tmp_path / "more.parquet")["is_fraud"].to_pylist()
    assert "labels are due until 2024-12-23" in capsys.readouterr().err


def days_in(file: Path) -> list[str]:
    times = pq.read_table(file)["event_time"].to_pylist()
    return sorted({to_date(to_ms(time) // DAY).isoformat() for time in times})


# Labels


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("", None),
        ("3f", "3f"),
        ("3g 9f", "9f"),
        ("3f 9g", "9g"),
        ("3f 9f", "3f"),
        ("3f 5g 7f 9f", "7f"),
    ],
)
def test_the_newest_verdict_counts_from_when_it_stands(labels: str, expected: str | None) -> None:
    versions = tuple(LabelVersion(int(word[:-1]), word[-1] == "f") for word in labels.split())
    found = in_force(versions)
    assert (found and f"{found.labelled_at}{'f' if found.is_fraud else 'g'}") == expected


def small(folder: Path, labels: Iterable[Label]) -> Path:
    """A store of ten days, a transaction each, with these labels; and a bundle that knows its fields."""
    write_bundle(folder / "bundle", FIELDS, LEARNED, [0.003, 0.4, 1.0, 5.0, 0.5])
    with open_store(folder / "risk.db") as store:
        store_flags(store, [flag(day, NEW_YEAR + day * DAY, attributes='{"odd": 1}') for day in range(10)])
        store_labels(store, list(labels))
    return folder / "risk.db"


def label(transaction: str, days: float, *, is_fraud: bool = True) -> Label:
    return Label(transaction, "ann", is_fraud, NEW_YEAR + int(days * DAY), "desk")


def test_a_correction_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = small(tmp_path, [label("t0", 2), label("t0", 5, is_fraud=False), label("t1", 3)])
    out = tmp_path / "history.parquet"
    assert export(tmp_path, out, store=store, models="bundle") == EXIT_OK
    assert pq.read_table(out)["is_fraud"].to_pylist() == [0, 1]
    assert "1 transaction has a label that was corrected; the newest stands" in capsys.readouterr().err


def test_a_label_from_before_a_transactions_day_is_of_another_one(tmp_path: Path) -> None:
    store = small(tmp_path, [label("t1", 0.5), label("t0", 2)])
    assert export(tmp_path, tmp_path / "history.parquet", store=store, models="bundle") == EXIT_OK
    assert pq.read_table(tmp_path / "history.parquet")["is_fraud"].to_pylist() == [1, 0]


def test_without_any_label_there_is_nothing_to_learn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = small(tmp_path, [])
    assert export(tmp_path, tmp_path / "history.parquet", store=store, models="bundle") == EXIT_FAILED
    assert "got no label of the 2 transactions from 2024-01-01 to 2024-01-02" in capsys.readouterr().err
    assert not (tmp_path / "history.parquet").exists()


# What the store no longer has


def test_a_pruned_store_gives_its_whole_days_and_says_so(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = store_of(home / "mine.parquet", home / "map.toml", tmp_path / "risk.db")
    with open_store(store) as opened:
        assert prune(opened, TRANSACTIONS, older_than_ms=60 * DAY, max_lateness_ms=DAY, ledgers=()).flags
    out = tmp_path / "history.parquet"
    assert export(home, out, store=store) == EXIT_OK
    first = to_ms(pq.read_table(out)["event_time"][0].as_py())
    said = capsys.readouterr().err
    assert (
        f"the store is whole from {to_date(first // DAY)} on: what was before is pruned, and in the log alone" in said
    )
    whole = pq.read_table(home / "mine.parquet")["event_time"].to_pylist()
    due = to_ms(pq.read_table(out)["event_time"][-1].as_py()) // DAY
    expected = sum(first // DAY <= to_ms(time) // DAY <= due for time in whole)
    assert pq.read_table(out).num_rows == expected


def test_a_store_without_work_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_bundle(tmp_path / "bundle", FIELDS, LEARNED, [0.003, 0.4, 1.0, 5.0, 0.5])
    open_store(tmp_path / "risk.db").close()
    assert export(tmp_path, tmp_path / "out.parquet", store=tmp_path / "risk.db", models="bundle") == EXIT_FAILED
    assert "nothing was scored yet" in capsys.readouterr().err


# Order


def test_of_one_millisecond_the_order_of_a_partition_stays_and_ids_decide_between_partitions(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle", FIELDS, LEARNED, [0.003, 0.4, 1.0, 5.0, 0.5])
    later = NEW_YEAR + 12 * DAY
    with open_store(tmp_path / "risk.db") as store:
        store_flags(store, [flag(0, transaction="t4"), flag(1, transaction="t1"), flag(2, later, transaction="z")])
        store_flags(
            store,
            [
                flag(0, partition=1, transaction="t2", customer="bob"),
                flag(1, NEW_YEAR - 5, partition=1, customer="bob"),
            ],
            partition=1,
            newest=NEW_YEAR,
        )
        store_labels(store, [label("t4", 1), label("z", 12)])
    out = tmp_path / "history.parquet"
    assert export(tmp_path, out, store=tmp_path / "risk.db", models="bundle") == EXIT_OK
    ids = [row for rows in open_dataset(out).rows() for row in rows.block.transaction_id]
    assert ids == ["t1", "t2", "t4", "t1"]
