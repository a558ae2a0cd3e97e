"""A bundle proves itself: what is missing, changed or made for another program is refused, with both values."""

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from risk.bundle import CURRENT, JOBLIB, MANIFEST, ONNX, Manifest, read_bundle, version_of
from risk.calibration import Calibration
from risk.catalogue import CATALOGUE_VERSION, FeatureSet
from risk.errors import BundleError
from risk.model import Model
from risk.prepare import LearnedCategory, LearnedNumber
from tests.bundles import linear_onnx, write_bundle

FIELDS = FeatureSet(frozenset({"channel"}))
LEARNED = (
    LearnedNumber("amount", 20.0, 0.0, 1000.0, reference=20.0),
    LearnedNumber("hour", 12.0, 0.0, 23.0, reference=12.0),
    LearnedCategory("channel", ("pos",), reference="pos"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "linear", FIELDS, LEARNED, [0.01, 0.0, 0.1])
    return tmp_path / "linear"


def changed(folder: Path, change: Callable[[dict[str, Any]], None], *, sealed: bool = True) -> None:
    """Changes the manifest; sealed gives it the version that belongs to what it says now."""
    body = json.loads((folder / MANIFEST).read_bytes())
    change(body)
    if sealed:
        body["version"] = version_of(msgspec.convert(body, Manifest), (folder / ONNX).read_bytes())
    (folder / MANIFEST).write_text(json.dumps(body))


def refused(folder: Path, words: str) -> None:
    with pytest.raises(BundleError, match=re.escape(words)):
        read_bundle(folder)


def test_a_whole_bundle_is_read(folder: Path) -> None:
    bundle = read_bundle(folder)
    assert bundle.manifest.version == "linear-" + bundle.manifest.version[-8:]
    assert bundle.manifest.features == LEARNED
    assert bundle.onnx == (folder / ONNX).read_bytes()


def test_current_names_the_bundle_in_use(folder: Path) -> None:
    (folder.parent / CURRENT).write_text("linear\n")
    assert read_bundle(folder.parent) == read_bundle(folder)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    """The joblib file would raise if anybody loaded it."""
    trap = pickle.dumps(Trap())
    write_bundle(tmp_path / "b", FIELDS, LEARNED, [0.01, 0.0, 0.1], files={JOBLIB: trap})
    assert read_bundle(tmp_path / "b")


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('unpickled')",)


@pytest.mark.parametrize("name", [ONNX, JOBLIB, MANIFEST])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(folder, f"{name}: No such file")


@pytest.mark.parametrize("name", [ONNX, JOBLIB])
def test_a_changed_file_is_refused_with_both_hashes(folder: Path, name: str) -> None:
    before = json.loads((folder / MANIFEST).read_bytes())["files"][name]
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    refused(folder, f"expected {before}; the file was changed")


def test_a_manifest_that_was_edited_is_refused(folder: Path) -> None:
    changed(folder, lambda body: body["thresholds"].update(high=0.9), sealed=False)
    refused(folder, "the manifest was changed after training")


def test_an_unknown_manifest_version_is_refused(folder: Path) -> None:
    changed(folder, lambda body: body.update(manifest_version=99), sealed=False)
    refused(folder, "got manifest_version 99, expected 1")


def test_another_catalogue_is_refused(folder: Path) -> None:
    changed(folder, lambda body: body.update(catalogue_version=7))
    refused(folder, f"got features of catalogue version 7, expected {CATALOGUE_VERSION}")


def test_a_feature_that_the_engine_does_not_know_is_refused(folder: Path) -> None:
    changed(folder, lambda body: body["features"][0].update(name="moon_phase"))
    refused(folder, "got feature 'moon_phase', expected one of amount, hour")


def test_another_order_is_refused(folder: Path) -> None:
    changed(folder, lambda body: body["features"].reverse())
    refused(folder, "got 'channel' as feature 0, expected 'amount': another order")


def test_what_is_no_manifest_is_refused(folder: Path) -> None:
    (folder / MANIFEST).write_text("{}")
    refused(folder, "got manifest_version None")
    (folder / MANIFEST).write_text("nonsense")
    refused(folder, "expected a manifest")
    (folder / MANIFEST).write_text('{"manifest_version": 1}')
    refused(folder, "missing required field")


def test_a_version_does_not_depend_on_when_or_where_it_was_trained(folder: Path) -> None:
    manifest = read_bundle(folder).manifest
    elsewhere = msgspec.structs.replace(
        manifest, timings={"fit": 3.0}, libraries={"numpy": "9"}, metrics={"ap": 1}, files={}
    )
    assert version_of(elsewhere, b"x") == version_of(manifest, b"x")
    assert version_of(msgspec.structs.replace(manifest, seed=43), b"x") != version_of(manifest, b"x")
    assert version_of(manifest, b"y") != version_of(manifest, b"x")


@pytest.mark.parametrize(
    "knots", [((0.0, 1.0), (0.1, 0.1)), ((0.5, 0.2), (0.1, 0.2)), ((0.5,), (0.1,)), ((0, 1), (0,))]
)
def test_a_calibration_that_does_not_rise_is_refused(knots: tuple[tuple[float, ...], tuple[float, ...]]) -> None:
    with pytest.raises(BundleError, match="strictly increasing"):
        Calibration(*knots)


def test_a_model_of_another_width_is_refused() -> None:
    with pytest.raises(BundleError, match="takes 2 features, expected 3"):
        Model(linear_onnx([1.0, 1.0], 0.0), 3, "model.onnx")


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(BundleError, match=r"model\.onnx: cannot be loaded"):
        Model(b"nonsense", 3, "model.onnx")
