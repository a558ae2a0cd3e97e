"""Each family of models from a file to the topics: trained, served by a worker on a real Kafka, and backtested to the
same digest."""

from pathlib import Path

import pytest

from console.start import EXIT_OK
from risk.bundle import read_bundle
from testing.brokers import TestKafka
from testing.systems import digest, system
from tests.trainings import QUICK
from trainer.__main__ import main
from trainer.families import FAMILIES

FEW = """
[logistic]
C = 0.01
[random-forest]
n_estimators = 20
[lightgbm]
n_estimators = 20
[xgboost]
n_estimators = 20
[catboost]
iterations = 20
[mlp]
max_iter = 5
[isolation-forest]
n_estimators = 20
[autoencoder]
max_iter = 5
"""


def each_family() -> list[object]:
    return [
        *(pytest.param(kind, ("--model", kind)) for kind in FAMILIES),
        pytest.param("ensemble", ("--ensemble", "logistic,lightgbm,isolation-forest")),
        pytest.param("hybrid-logistic", ("--model", "logistic", "--hybrid")),
    ]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To train on."""
    path = tmp_path_factory.mktemp("served") / "cards.parquet"
    assert main(["generate", "cards", str(path), "--customers", "120", "--days", "110"], {}) == EXIT_OK
    return path


@pytest.mark.proof
@pytest.mark.parametrize(("kind", "models"), each_family())
def test_what_a_family_trains_is_served_by_a_worker_and_backtested_to_the_same_digest(
    kind: str, models: tuple[str, str], history: Path, kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    (tmp_path / "few.toml").write_text(FEW)
    with system(kafka, prefix, tmp_path) as at_work:
        folders = ["--models", str(at_work.models), "--reports", str(tmp_path / "reports")]
        asked = [*folders, *QUICK, *models, "--params", str(tmp_path / "few.toml"), "--no-promote"]
        assert main(["train", str(history), *asked], {}) == EXIT_OK
        [version] = [path.name for path in at_work.models.iterdir() if path.name.startswith(kind)]
        # By force: a detector may rank worse than the amount alone.
        assert main(["promote", version, "--force", "--models", str(at_work.models)], {}) == EXIT_OK
        assert read_bundle(at_work.models).manifest.model == kind
        seen = at_work.make_history()
        at_work.replay(seen)
        worker = at_work.start()
        at_work.until_scored()
        worker.stop()
        verified = at_work.scorer("verify", "--bundle", str(at_work.models))
        assert verified.code == EXIT_OK, verified.err
        assert digest(verified) == at_work.digest_of(seen)
