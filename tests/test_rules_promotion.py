"""A bundle that the rule set in force cannot be used with: `promote` says so before workers refuse it."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.bundle import read_bundle
from risk.catalogue import FeatureSet
from testing.bundles import write_bundle
from testing.rule_sets import made_of, put_in_force
from tests.test_scorer_pipelines import LEARNED
from tests.trainings import QUICK
from trainer.__main__ import main
from trainer.in_force import make_current


def rules_that_fit_one_of_two(folder: Path) -> tuple[Path, Path, str, str]:
    """Models, rules in force, the bundle in use, which they fit, and one that they do not fit."""
    models, rules = folder / "models", folder / "rules"
    models.mkdir()
    versions = []
    for fields in ({"customer_id", "device_id"}, {"customer_id"}):
        version = write_bundle(folder / "made", FeatureSet(frozenset(fields)), LEARNED, [0.1, 0.1]).version
        (folder / "made").rename(models / version)
        versions.append(version)
    make_current(models, versions[0])
    put_in_force(made_of({"odd": "new_device_30d"}), rules)
    return models, rules, versions[0], versions[1]


def test_promote_refuses_a_bundle_that_the_rules_in_force_cannot_be_used_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models, rules, with_devices, without = rules_that_fit_one_of_two(tmp_path)

    def promote(*words: str) -> int:
        return main(["promote", *words, "--models", str(models)], {"TRUSTLENS_RULES": str(rules)})

    assert promote(without) == EXIT_FAILED
    assert "got new_device_30d, expected a feature that" in capsys.readouterr().err
    assert read_bundle(models).manifest.version == with_devices
    assert promote(without, "--force") == EXIT_OK
    assert "because of --force: workers would refuse it" in capsys.readouterr().err
    make_current(models, with_devices)
    put_in_force(None, rules)
    assert promote(without) == EXIT_OK


def test_train_does_not_put_in_use_what_workers_would_refuse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file knows no devices."""
    rules, history = tmp_path / "rules", tmp_path / "cards.parquet"
    put_in_force(made_of({"odd": "new_device_30d"}), rules)
    assert main(["generate", "cards", str(history), "--customers", "120", "--days", "110"], {}) == EXIT_OK
    table = pq.read_table(history)
    pq.write_table(table.drop_columns(["device_id"]), history)
    folders = ["--models", str(tmp_path / "models"), "--reports", str(tmp_path / "reports")]
    command = ["train", str(history), *folders, "--model", "logistic", *QUICK]
    assert main(command, {"TRUSTLENS_RULES": str(rules)}) == EXIT_OK
    assert "was NOT put in use: workers would refuse it, because it cannot be used with" in capsys.readouterr().err
    assert not (tmp_path / "models" / "current").exists()
