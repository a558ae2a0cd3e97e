"""What a map declares as sensitive: it is read, and no model learns from it unless the map says that, too."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from console.start import EXIT_OK
from risk.catalogue import EngineTerms, FeatureSet
from risk.dataset import open_dataset
from risk.dataset.map_file import load_map
from tests.backtests import backtest, make_home
from trainer.__main__ import main
from trainer.matrix import read_matrix
from trainer.replay import Replay

MAP = """\
transaction_id = "transaction_id"
event_time = "event_time"
customer_id = "customer_id"
country = "country"
channel = "channel"
amount = "amount"
currency = "currency"
is_fraud = "is_fraud"
sensitive = ["country", "age_band", "channel", "gender"]
learn_sensitive = ["channel", "gender"]

[attributes]
age_band = "category"
gender = "category"
limit = "number"
"""
HEADER = "transaction_id,event_time,customer_id,country,channel,amount,currency,is_fraud,age_band,gender,limit\n"
ROW = "T1,2024-01-01T10:00:00Z,C1,DE,online,5.00,EUR,0,30-39,w,100\n"


@pytest.fixture
def columns(tmp_path: Path) -> Path:
    path = tmp_path / "map.toml"
    path.write_text(MAP)
    return path


def test_a_dataset_has_it_and_a_model_may_not_learn_from_it(columns: Path, tmp_path: Path) -> None:
    """Rows are still read with it, so that figures can be told by group."""
    path = tmp_path / "rows.csv"
    path.write_text(HEADER + ROW)
    dataset = open_dataset(path, load_map(columns))
    (rows,) = dataset.rows()
    assert rows.block.attributes == [{"age_band": "30-39", "gender": "w", "limit": 100.0}]
    assert rows.block.country == ["DE"]
    fields = {"customer_id", "channel"}
    assert dataset.feature_set == FeatureSet(frozenset({*fields, "country"}), ("limit",), ("age_band", "gender"))
    assert dataset.learnable == FeatureSet(frozenset(fields), ("limit",), ("gender",))
    assert Replay(dataset, EngineTerms("EUR")).feature_set == dataset.learnable


def test_groups_are_told_apart_to_the_last_digit(columns: Path, tmp_path: Path) -> None:
    """Numbers of seven digits, such as postcodes, are not rounded into one group."""
    columns.write_text(MAP.replace('sensitive = ["country",', 'sensitive = ["limit", "country",'))
    path = tmp_path / "rows.csv"
    path.write_text(HEADER + ROW.replace(",100", ",1234567") + ROW.replace("T1", "T2").replace(",100", ",1234568"))
    matrix = read_matrix(Replay(open_dataset(path, load_map(columns)), EngineTerms("EUR")))
    assert matrix.sensitive["limit"].words == ("1234567", "1234568")


def test_features_are_without_it(columns: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is trained elsewhere must not learn from it either; and it is said, whichever it is."""
    path, target = tmp_path / "rows.csv", tmp_path / "features.parquet"
    path.write_text(HEADER + ROW)
    assert main(["features", str(path), "--columns", str(columns), "--out", str(target)], {}) == EXIT_OK
    names = pq.read_schema(target).names
    assert {"channel", "attribute_gender", "attribute_limit"} <= set(names)
    assert not {"country", "new_country_30d", "attribute_age_band"} & set(names)
    said = capsys.readouterr().err
    assert "rows.csv: sensitive, so no model learns from it: country, age_band\n" in said
    assert f"models learn from channel, gender, which is sensitive, because {columns} says so (learn_sensitive)" in said


def test_a_bundle_that_has_learned_from_it_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An older bundle is still backtested, with a warning; its scores stay what they were."""
    home, sensitive = make_home(tmp_path), tmp_path / "sensitive.toml"
    names = pq.read_schema(home / "cards.parquet").names
    lines = [f'{name} = "{name}"' for name in names if name not in ("labelled_at", "fraud_kind")]
    digests = set()
    for text in ("", 'sensitive = ["channel"]', 'sensitive = ["channel"]\nlearn_sensitive = ["channel"]'):
        sensitive.write_text("\n".join([*lines, text]))
        assert backtest(home, "--columns", str(sensitive), "--thresholds", "0.5") == EXIT_OK
        said = capsys.readouterr()
        digests |= {line for line in said.out.splitlines() if "digest" in line}
        assert ("has learned from channel" in said.err) == (text == 'sensitive = ["channel"]')
    assert len(digests) == 1
