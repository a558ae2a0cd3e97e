"""train --external: an untouched file through the same engine, models and thresholds; and words where it cannot be."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.bundle import read_bundle
from risk.clock import DAY
from risk.dataset import open_dataset
from risk.errors import DatasetError
from risk.ledger import SeenDays
from risk.pipeline import Pipeline
from risk.settings import read_settings
from tests.trainings import QUICK
from trainer.__main__ import main
from trainer.load import Opened, read_external, replay_of, stamp_of

pytestmark = pytest.mark.proof  # for its two histories and a training


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history, another one of other people, and a training that looked at both."""
    folder = tmp_path_factory.mktemp("external")
    for name, customers, days, seed in (("mine", "150", "110", "1"), ("other", "80", "50", "2")):
        sizes = ["--customers", customers, "--days", days, "--seed", seed]
        assert main(["generate", "cards", str(folder / f"{name}.parquet"), *sizes], {}) == EXIT_OK
    assert train(folder, folder, "--external", str(folder / "other.parquet")) == EXIT_OK
    return folder


def train(place: Path, into: Path, *more: str) -> int:
    return main(["train", str(place / "mine.parquet"), *folders(into), "--model", "logistic", *QUICK, *more], {})


def folders(into: Path) -> list[str]:
    return ["--models", str(into / "models"), "--reports", str(into / "reports")]


def figures_in(into: Path) -> dict[str, Any]:
    version = (into / "models" / "current").read_text().strip()
    figures: dict[str, Any] = json.loads((into / "reports" / version / "metrics.json").read_text())
    return figures


def test_every_row_is_judged_by_every_model_at_the_threshold_that_validation_chose(place: Path) -> None:
    figures = figures_in(place)
    external, table = figures["external"], pq.read_table(place / "other.parquet")
    assert external["test"]["transactions"] == len(table)
    assert external["test"]["frauds"] == np.count_nonzero(table["is_fraud"].to_numpy())
    chosen = [(each["name"], each["threshold"], each["medium"]) for each in figures["models"]]
    assert [(each["name"], each["threshold"], each["medium"]) for each in external["models"]] == chosen
    assert [name for name, *_ in chosen] == ["logistic", "amount alone", "logistic without history and ledger"]
    assert external["validation"] == figures["validation"]


def test_its_scores_are_those_of_the_worker_s_pipeline(place: Path) -> None:
    """The bundle over that file alone, from an empty past, raises the alerts that the report counts."""
    bundle = read_bundle(place / "models")
    manifest = bundle.manifest
    days = SeenDays(manifest.terms.ledger_terms)
    pipeline = Pipeline(bundle, days)
    alerts: set[tuple[str, int]] = set()
    for rows in open_dataset(place / "other.parquet").rows():
        days.learn(rows.labels())
        scored = pipeline.score(rows.block)
        for row, score in zip(scored.rows, scored.scores, strict=True):
            if score >= manifest.thresholds.high:
                alerts.add((rows.block[row].customer_id, rows.block[row].event_time // DAY))
    assert len(alerts) == figures_in(place)["external"]["models"][0]["money"]["alerts"] > 0


def test_it_stands_in_the_report_and_changes_no_bundle(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(place, tmp_path) == EXIT_OK
    assert "external" not in capsys.readouterr().out
    with_it, without = (read_bundle(folder / "models").manifest for folder in (place, tmp_path))
    assert with_it.version == without.version
    assert "external" not in with_it.metrics
    page = (place / "reports" / with_it.version / "report.html").read_text(encoding="utf-8")
    assert "On data of another source" in page
    assert "other.parquet" in page
    assert str(place) not in page


def test_a_report_made_again_can_look_at_it_too(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version = (place / "models" / "current").read_text().strip()
    before = figures_in(place)["external"]
    command = ["report", version, str(place / "mine.parquet"), *folders(place), "--folds", "0", *QUICK]
    assert main([*command, "--external", str(place / "other.parquet")], {}) == EXIT_OK
    assert "nothing was learned from it" in capsys.readouterr().out
    assert figures_in(place)["external"] == before


def test_a_file_with_other_names_is_read_by_its_own_map(place: Path, tmp_path: Path) -> None:
    """The same rows under foreign names give the same figures."""
    table = pq.read_table(place / "other.parquet")
    foreign = {name: f"their {name}" for name in table.column_names}
    pq.write_table(table.rename_columns([foreign[name] for name in table.column_names]), tmp_path / "theirs.parquet")
    lines = [f'{name} = "{column}"' for name, column in foreign.items()]
    (tmp_path / "theirs.toml").write_text("\n".join(lines))
    more = ["--external", str(tmp_path / "theirs.parquet"), "--external-columns", str(tmp_path / "theirs.toml")]
    assert train(place, tmp_path, *more) == EXIT_OK
    assert figures_in(tmp_path)["external"] == figures_in(place)["external"]


def test_where_the_true_probabilities_lie_beside_it_the_share_of_the_possible_is_said(tmp_path: Path) -> None:
    for name, seed in (("mine", "1"), ("other", "2")):
        words = ["generate", "trustlens", str(tmp_path / f"{name}.parquet"), "--rows", "8000", "--seed", seed]
        assert main(words, {}) == EXIT_OK
    assert train(tmp_path, tmp_path, "--external", str(tmp_path / "other.parquet")) == EXIT_OK
    figures = figures_in(tmp_path)
    best, test_best = figures["external"]["best_possible"], figures["best_possible"]
    assert best["roc_auc"]["value"] != test_best["roc_auc"]["value"]
    assert 0.3 < figures["external"]["models"][0]["share_of_best"]["roc_auc"]["value"] < 1.1


# What cannot be done


def without(*names: str) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.drop_columns(list(names))


def put(name: str, value: object) -> Callable[[pa.Table], pa.Table]:
    """The same value in every row."""

    def changed(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(name)
        return table.set_column(at, name, pa.array([value] * len(table), table.schema.field(name).type))

    return changed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("is_fraud", "labelled_at", "fraud_kind"), "changed.parquet: got no label column"),
        (put("is_fraud", None), "changed.parquet: got no label in"),
        (put("is_fraud", 0), "changed.parquet: got no fraud among"),
        (put("currency", "USD"), "changed.parquet: got amounts in USD, expected EUR as in"),
        (without("device_id"), "changed.parquet: got no column for device_id, expected all"),
        (without("merchant_id", "country"), "got no column for country, merchant_id, expected all"),
        (lambda table: table.slice(0, 0), "changed.parquet: got no rows"),
    ],
)
def test_a_file_that_the_models_cannot_judge_is_refused_and_nothing_is_written(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[pa.Table], pa.Table], words: str
) -> None:
    pq.write_table(change(pq.read_table(place / "other.parquet")), tmp_path / "changed.parquet")
    assert train(place, tmp_path, "--external", str(tmp_path / "changed.parquet")) == EXIT_FAILED
    assert words in capsys.readouterr().err
    assert not (tmp_path / "models").exists()
    assert not (tmp_path / "reports").exists()


def test_a_map_without_the_amount_is_refused(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which would otherwise be missing, and imputed, in every row."""
    names = [name for name in pq.read_schema(place / "other.parquet").names if name != "amount"]
    (tmp_path / "poor.toml").write_text("\n".join(f'{name} = "{name}"' for name in names))
    more = ["--external", str(place / "other.parquet"), "--external-columns", str(tmp_path / "poor.toml")]
    assert train(place, tmp_path, *more) == EXIT_FAILED
    assert "other.parquet: got no column for amount, expected all" in capsys.readouterr().err


def test_an_attribute_that_is_missing_or_of_another_kind_is_named(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pq.read_table(place / "mine.parquet")
    pq.write_table(table.append_column("age", pa.array(np.arange(len(table)) % 60)), tmp_path / "mine.parquet")
    other = pq.read_table(place / "other.parquet")
    odd = other.append_column("age", pa.array(np.where(np.arange(len(other)) % 2, "young", "old")))
    for table in (other, odd):
        pq.write_table(table, tmp_path / "odd.parquet")
        assert train(tmp_path, tmp_path, "--external", str(tmp_path / "odd.parquet")) == EXIT_FAILED
        assert "got no column for attributes.age (a number), expected all" in capsys.readouterr().err


def test_values_that_are_missing_and_words_never_seen_are_no_hindrance(place: Path, tmp_path: Path) -> None:
    """A column without values is there: each is imputed, as a worker would."""
    table = put("channel", "pigeon")(put("device_id", None)(pq.read_table(place / "other.parquet")))
    pq.write_table(table, tmp_path / "odd.parquet")
    assert train(place, tmp_path, "--external", str(tmp_path / "odd.parquet")) == EXIT_OK
    assert figures_in(tmp_path)["external"]["test"]["transactions"] == len(table)


def test_a_file_that_changes_while_it_is_read_is_refused(place: Path, tmp_path: Path) -> None:
    """Its figures would stand beside the hash of another file."""
    path = tmp_path / "other.parquet"
    shutil.copyfile(place / "other.parquet", path)
    stamp = stamp_of(path)
    dataset = open_dataset(path)
    file = Opened(replay_of(dataset, read_settings({}), "EUR", dataset.feature_set), stamp)
    os.utime(path, (1, 1))
    with pytest.raises(DatasetError, match=r"other\.parquet: got a file that was changed while it was read"):
        read_external(file)


def test_options_that_do_not_fit_are_refused(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(place, tmp_path, "--external", str(place / "mine.parquet")) == EXIT_FAILED
    assert "which is the file to train on" in capsys.readouterr().err
    assert train(place, tmp_path, "--external-columns", "map.toml") == EXIT_FAILED
    assert "--external-columns: got map.toml without --external" in capsys.readouterr().err
    assert train(place, tmp_path, "--external", str(tmp_path / "none.csv")) == EXIT_FAILED
    assert "none.csv" in capsys.readouterr().err
