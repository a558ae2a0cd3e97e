"""A bank's own export, from its map to a backtest: other names, semicolons, decimal commas, the day first."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from console.start import EXIT_OK
from risk.bundle import read_bundle
from risk.dataset import open_dataset
from risk.errors import DatasetError
from tests.foreign_files import World, german_bank, saved
from tests.trainings import QUICK
from trainer.__main__ import main
from trainer.load import stamp_of

ROWS, DAYS = 12_000, 80

MAP = """\
transaction_id = "Buchungsnummer"
event_time = { columns = ["Buchungsdatum", "Uhrzeit"], format = "%d.%m.%Y %H:%M" }
customer_id = "Kundennummer"
merchant_id = "Händler"
country = "Land"
amount = { column = "Betrag", decimal = "," }
currency = "Währung"
is_fraud = { column = "Betrug", fraud = ["ja"], genuine = ["nein"] }
sensitive = ["Geschlecht"]

[attributes]
Geschlecht = "category"
Kontostand = { kind = "number", decimal = "," }
"""


class Quarter(World):
    """Longer than the world of the other tests, and with frauds that a model can find: dear ones."""

    def __init__(self) -> None:
        random = np.random.default_rng(11)
        self.seconds = np.sort(random.integers(0, DAYS * 86_400, ROWS))
        self.moments = pd.Timestamp("2023-05-01") + pd.to_timedelta(self.seconds, unit="s")
        self.customer = random.integers(0, 300, ROWS)
        self.merchant = random.integers(0, 80, ROWS)
        self.fraud = (random.random(ROWS) < 0.03).astype(int)
        self.amount = np.round(random.lognormal(3 + 2 * self.fraud, 1), 2)
        self.unique = random.permutation(10**7)[:ROWS]


def run(*words: object) -> None:
    assert main([str(word) for word in words], {}) == EXIT_OK


@pytest.mark.proof
def test_from_a_foreign_csv_to_a_backtest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """train, report, models, promote and backtest, all with the one map; and the frauds are found."""
    world = Quarter()
    exported = {**german_bank(world), "Geschlecht": np.where(world.customer % 3, "m", "w")}
    file, columns = saved(tmp_path, separator=";", **exported), tmp_path / "map.toml"
    columns.write_text(MAP, encoding="utf-8")
    models, reports = tmp_path / "models", tmp_path / "reports"
    folders = ("--models", models, "--reports", reports)

    versions = []
    for cost in (5, 9):
        run("train", file, "--columns", columns, *folders, "--model", "logistic", "--review-cost", cost, *QUICK)
        (version,) = {path.name for path in models.iterdir() if path.is_dir()} - set(versions)
        versions.append(version)
    first, second = versions
    manifest = read_bundle(models / first).manifest
    assert (manifest.currency, manifest.training_data.transactions) == ("EUR", ROWS)
    assert set(manifest.fields) == {"customer_id", "merchant_id", "country"}
    assert (manifest.number_attributes, manifest.category_attributes) == (("Kontostand",), ())
    assert "file.csv: sensitive, so no model learns from it: Geschlecht" in capsys.readouterr().err

    run("report", first, file, "--columns", columns, *folders, "--folds", 2, *QUICK)
    figures = json.loads((reports / first / "metrics.json").read_text())
    assert len(figures["folds"]) == 2
    assert figures["models"][0]["metrics"]["roc_auc"]["value"] > 0.85
    assert figures["about"]["file"] == file.name
    assert figures["test"]["amount"] > 10 * figures["test"]["transactions"]

    run("promote", first, "--models", models)
    run("models", "--models", models)
    assert re.search(rf"^\* +{first} ", capsys.readouterr().out, re.MULTILINE)

    run("backtest", file, "--columns", columns, "--bundle", models, "--from", "2023-07-04",
        "--out", tmp_path / "tables")  # fmt: skip
    assert "digest" in capsys.readouterr().out
    tested = json.loads((tmp_path / "tables" / "backtest.json").read_text())["bundles"][first]
    high = read_bundle(models).manifest.thresholds.high
    alerts = next(row["alerts"] for row in tested["sweep"] if row["threshold"] == high)
    assert tested["transactions"] == figures["test"]["transactions"]
    assert alerts == figures["models"][0]["money"]["alerts"] > 0
    run("compare", models, models / second, file, "--columns", columns, "--from", "2023-07-04", "--resamples", 20)
    assert "cannot be told apart with" in capsys.readouterr().out  # the same model, by another cost of reviews


@pytest.mark.parametrize("name", ["pipe.csv", "zeros.csv", "parts/part-0.parquet"])
def test_what_is_no_plain_file_is_refused_before_it_is_read(tmp_path: Path, name: str) -> None:
    """A training takes the file's digest first: a pipe kept it waiting, and /dev/zero has no end."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if name == "zeros.csv":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(path)
    asked = path.parent if path.suffix == ".parquet" else path
    for read in (stamp_of, open_dataset):
        with pytest.raises(DatasetError, match="is not a file: expected a CSV, Parquet or NDJSON file"):
            read(asked)
