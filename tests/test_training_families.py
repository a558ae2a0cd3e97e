"""A family of models is one file and one line: this one is added here, and goes through all that the trainer does."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from sklearn.tree import DecisionTreeClassifier

from console.start import EXIT_FAILED, EXIT_OK
from risk.bundle import Bundle, read_bundle
from tests.trainings import QUICK, small_history
from trainer.__main__ import main
from trainer.families import CLASS_WEIGHT, FAMILIES, NONE, USUAL_FAMILIES
from trainer.families.family import Family, Parameter, Parameters, Rows, Searched, family_of
from trainer.onnx_model import WrittenTrees, tree_ensemble


class DecisionTree:
    name = "decision-tree"
    parameters: tuple[Parameter, ...] = (
        Parameter("max_depth", 4, 1, 30, Searched(2, 8)),
        Parameter("min_samples_leaf", 50, 1, 1e9, is_of_rows=True),
    )
    balances: tuple[str, ...] = (NONE, CLASS_WEIGHT)
    libraries: tuple[str, ...] = ("scikit-learn",)
    refusals: tuple[type[Exception], ...] = (ValueError,)

    def fit(self, parameters: Parameters, rows: Rows, seed: int) -> DecisionTreeClassifier:
        model = DecisionTreeClassifier(**parameters, random_state=seed)
        return model.fit(rows.values, rows.labels, rows.weights)

    def to_onnx(self, model: Any, width: int) -> onnx.ModelProto:
        tree, trees = model.tree_, WrittenTrees()
        for node in range(tree.node_count):
            if tree.children_left[node] < 0:
                genuine, fraud = tree.value[node, 0]
                trees.leaf(0, node, fraud / (genuine + fraud))
            else:
                trees.split(0, node, int(tree.feature[node]), float(tree.threshold[node]),
                            int(tree.children_left[node]), int(tree.children_right[node]))  # fmt: skip
        return tree_ensemble(trees, "NONE", width)

    def own_scores(self, model: Any, values: np.ndarray) -> np.ndarray:
        return np.asarray(model.predict_proba(values)[:, 1])


FAMILY: Family = DecisionTree()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("families") / "cards.parquet"
    small_history(path)
    return path


@pytest.fixture(autouse=True)
def line_in_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "decision-tree", __name__)


def test_docs_training_shows_this_one() -> None:
    page = (Path(__file__).parent.parent / "docs" / "training.md").read_text()
    assert inspect.getsource(DecisionTree) in page


def train(file: Path, into: Path, *more: str) -> int:
    folders = ["--models", str(into / "models"), "--reports", str(into / "reports")]
    return main(["train", str(file), *folders, *QUICK, "--model", "decision-tree", *more], {})


def the_bundle(into: Path) -> Bundle:
    """Whether or not it was put in use."""
    [folder] = (path for path in (into / "models").iterdir() if path.is_dir())
    return read_bundle(folder)


def test_a_family_of_ones_own_trains_is_proved_scores_and_is_reported_again(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With hyper-parameters, a search and a balance."""
    (tmp_path / "deep.toml").write_text("[decision-tree]\nmin_samples_leaf = 20\n")
    asked = ["--params", str(tmp_path / "deep.toml"), "--search", "2", "--balance", "class-weight"]
    assert train(file, tmp_path, *asked) == EXIT_OK
    bundle = the_bundle(tmp_path)
    manifest = bundle.manifest
    assert manifest.training.models == ("decision-tree",)
    assert manifest.training.parameters == {"decision-tree": {"max_depth": 4, "min_samples_leaf": 20}}
    assert manifest.metrics["proof"]["rows"] > 1000
    assert manifest.metrics["models"][0]["metrics"]["roc_auc"]["value"] > 0.6
    assert "scikit-learn" in manifest.libraries
    assert "lightgbm" not in manifest.libraries
    assert main(["backtest", str(file), "--bundle", str(bundle.folder), "--from", "2024-12-08"], {}) == EXIT_OK
    folders = ["--models", str(tmp_path / "models"), "--reports", str(tmp_path / "again")]
    assert main(["report", manifest.version, str(file), *folders, *QUICK, "--folds", "2"], {}) == EXIT_OK
    assert "decision-tree" in capsys.readouterr().out


FEW = {"n_estimators": 20, "iterations": 20, "max_iter": 10}
BY_THE_LOOP = {"xgboost", "catboost", "isolation-forest"}


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=() if kind == "mlp" else pytest.mark.proof)
        for kind in FAMILIES
        if kind not in USUAL_FAMILIES
    ],
)
def test_a_family_that_is_not_trained_by_default_trains_is_proved_and_scores(
    file: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a search, which leaves the number of trees or passes as it is: this is what takes time, and no family lives
    by it."""
    family = family_of(kind)
    few = {each.name: FEW[each.name] for each in family.parameters if each.name in FEW and each.searched}
    (tmp_path / "few.toml").write_text("\n".join([f"[{kind}]", *(f"{name} = {most}" for name, most in few.items())]))
    fixed = tuple(each._replace(searched=None) if each.name in few else each for each in family.parameters)
    monkeypatch.setattr(family, "parameters", fixed)
    folders = ["--models", str(tmp_path / "models"), "--reports", str(tmp_path / "reports")]
    asked = [*folders, *QUICK, "--model", kind, "--params", str(tmp_path / "few.toml"), "--search", "1"]
    assert main(["train", str(file), *asked], {}) == EXIT_OK
    bundle = the_bundle(tmp_path)
    manifest = bundle.manifest
    assert (manifest.model, manifest.scored_by) == (kind, "trees" if kind in BY_THE_LOOP else "onnxruntime")
    assert set(family.libraries) <= manifest.libraries.keys()
    assert manifest.metrics["proof"]["largest_difference"] <= 1e-6
    assert manifest.metrics["models"][0]["metrics"]["roc_auc"]["value"] > 0.6
    assert main(["backtest", str(file), "--bundle", str(bundle.folder), "--from", "2024-12-08"], {}) == EXIT_OK


def test_a_served_model_that_says_something_else_than_the_fitted_one_is_no_bundle(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = DecisionTree.own_scores
    monkeypatch.setattr(DecisionTree, "own_scores", lambda *asked: truth(*asked) + 1e-5)
    assert train(file, tmp_path) == EXIT_FAILED
    assert "decision-tree: the served model gives" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_a_baseline_that_cannot_be_fitted_is_said_and_loses_no_training(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a library refuses the few columns that are left."""
    truth, widths = DecisionTree.fit, []

    def narrow_minded(self: DecisionTree, parameters: Parameters, rows: Rows, seed: int) -> DecisionTreeClassifier:
        widths.append(rows.values.shape[1])
        if widths[-1] < widths[0]:
            raise ValueError("all columns are constant")
        return truth(self, parameters, rows, seed)

    monkeypatch.setattr(DecisionTree, "fit", narrow_minded)
    assert train(file, tmp_path) == EXIT_OK
    metrics = the_bundle(tmp_path).manifest.metrics
    assert [each["name"] for each in metrics["models"]] == ["decision-tree", "amount alone"]
    [why] = [each for each in metrics["missing"] if "without history and ledger" in each]
    assert "because it could not be fitted: [decision-tree]: got max_depth = 4" in why
    assert "(all columns are constant)" in why


def test_a_balance_that_a_family_cannot_bear_is_refused(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(file, tmp_path, "--balance", "smote") == EXIT_FAILED
    said = capsys.readouterr().err
    assert "--balance smote: decision-tree cannot be fitted so, expected one of none, class-weight" in said


def test_what_a_family_needs_and_is_not_installed_is_named_with_what_installs_it(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "family_without_its_library.py").write_text("import no_such_booster\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(FAMILIES, "decision-tree", "family_without_its_library")
    assert train(file, tmp_path) == EXIT_FAILED
    said = capsys.readouterr().err
    assert "decision-tree: needs the package no_such_booster, which is not installed; " in said
    assert "pip install 'trustlens[boosters]'" in said


def test_a_library_without_the_version_that_a_bundle_names_is_said_before_the_training(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where `xgboost` is installed, which brings the module of `xgboost-cpu`."""
    monkeypatch.setattr(DecisionTree, "libraries", ("scikit-learn", "no-such-distribution"))
    assert train(file, tmp_path) == EXIT_FAILED
    said = capsys.readouterr()
    assert "decision-tree: needs the package no-such-distribution, which is not installed; " in said.err
    assert "fit decision-tree" not in said.err


def test_a_bundle_of_a_family_that_is_not_known_here_is_not_trained_again(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is read, and scores, all the same."""
    assert train(file, tmp_path) == EXIT_OK
    monkeypatch.delitem(FAMILIES, "decision-tree")
    version = the_bundle(tmp_path).manifest.version
    folders = ["--models", str(tmp_path / "models"), "--reports", str(tmp_path / "again")]
    assert main(["report", version, str(file), *folders, *QUICK], {}) == EXIT_FAILED
    assert "got the model 'decision-tree', expected one of lightgbm, logistic" in capsys.readouterr().err
