"""Drift through Kafka, a worker and its store: what has changed is named, and of an unchanged world nothing is."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from bench.drift import CHANGED_FROM, LEARNED_DAYS, WINDOW, days_of, dead_field, higher_amounts, new_country
from console.start import EXIT_OK
from kpi_reporter.__main__ import main as reporter
from risk.codes import Array
from testing.brokers import TestKafka
from testing.systems import system
from tests.trainings import QUICK
from trainer.__main__ import main as trainer

CUSTOMERS = 800  # of whom a week has 1,100 samples; of less than 1,000 nothing is said
DAYS = CHANGED_FROM + WINDOW + 2
Change = Callable[[pd.DataFrame, Array], None]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history, and a bundle that learned from its beginning."""
    folder = tmp_path_factory.mktemp("drift")
    whole, learned = folder / "whole.parquet", folder / "learned.parquet"
    words = ["generate", "cards", str(whole), "--customers", str(CUSTOMERS), "--days", str(DAYS)]
    assert trainer(words, {}) == EXIT_OK
    history = pd.read_parquet(whole)
    history[days_of(history) < LEARNED_DAYS].to_parquet(learned)
    folders = ["--models", str(folder / "models"), "--reports", str(folder / "reports")]
    assert trainer(["train", str(learned), *folders, "--model", "logistic", *QUICK], {}) == EXIT_OK
    return folder


@pytest.mark.proof
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param((), set(), id="unchanged"),
        pytest.param((higher_amounts, new_country, dead_field), {"amount", "country", "new_device_30d"}, id="changed"),
    ],
)
def test_what_changed_is_named_and_nothing_else_is(
    changes: Sequence[Change], expected: set[str], world: Path, kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    history = pd.read_parquet(world / "whole.parquet")
    for change in changes:
        change(history, days_of(history) >= CHANGED_FROM)
    file = tmp_path / "history.parquet"
    history.to_parquet(file)
    with system(kafka, prefix, tmp_path) as at_work:
        [bundle] = (world / "models").glob("logistic-*")
        shutil.copytree(bundle, at_work.models / bundle.name)
        (at_work.models / "current").write_text(bundle.name + "\n")
        at_work.replay(file)
        worker = at_work.start()
        at_work.until_scored(seconds=900)
        worker.stop()
        said = at_work.run(reporter, "drift", "--json")
        assert said.code == EXIT_OK, said.err
        drift = json.loads(said.out)["drift"]
        assert (drift["bundle"], drift["days_sampled"]) == (bundle.name, WINDOW)
        features = [one for one in drift["features"] if one["limit"] is not None]
        changed = {one["name"] for one in features if one["week"]["psi"] >= one["limit"]}
        shown = at_work.run(reporter, "drift").out
        if changes:
            assert expected <= changed
            by_name = {one["name"]: one["week"] for one in features}
            assert by_name["new_device_30d"]["missing"] == 1
            assert by_name["country"]["unseen"] > 0.02
            assert f"{len(changed)} features have changed" in shown
        else:
            assert changed == set()
            assert drift["score"]["week"]["psi"] < drift["score"]["limit"]
            assert "no feature has changed" in shown
