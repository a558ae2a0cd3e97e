"""A bundle proves itself: what is missing, changed or made for another program is refused, with both values."""

import json
import pickle
import re
from collections.abc import Callable, Iterator
from functools import reduce
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from risk.bundle import (
    CURRENT,
    JOBLIB,
    MANIFEST,
    MANIFEST_VERSION,
    ONNX,
    Calibration,
    LearnedCategory,
    LearnedNumber,
    Manifest,
    bundle_of_version,
    is_version,
    models_of,
    read_bundle,
    sealed,
    version_of,
)
from risk.catalogue import CATALOGUE_VERSION, FeatureSet
from risk.errors import BundleError
from risk.model import OnnxModel
from testing.bundles import linear_onnx, write_bundle

FIELDS = FeatureSet(frozenset({"channel"}))
LEARNED = (
    LearnedNumber("amount", 20.0, 0.0, 1000.0, reference=20.0),
    LearnedNumber("hour", 12.0, 0.0, 23.0, reference=12.0),
    LearnedCategory("channel", ("pos",), reference="pos"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Named by its version, as among the models."""
    manifest = write_bundle(tmp_path / "made", FIELDS, LEARNED, [0.01, 0.0, 0.1])
    return (tmp_path / "made").rename(tmp_path / manifest.version)


def changed(folder: Path, change: Callable[[dict[str, Any]], None], *, is_sealed: bool = True) -> None:
    """Changes the manifest; sealed gives it the version and the seal that belong to what it says now."""
    body = json.loads((folder / MANIFEST).read_bytes())
    change(body)
    if is_sealed:
        manifest = msgspec.convert(body, Manifest)
        version = version_of(manifest, (folder / ONNX).read_bytes())
        body = msgspec.to_builtins(sealed(msgspec.structs.replace(manifest, version=version)))
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
    (folder.parent / CURRENT).write_text(f"{folder.name}\n")
    assert read_bundle(folder.parent) == read_bundle(folder)


def test_the_file_current_may_be_named_itself(folder: Path) -> None:
    """As commands do that are told of no bundle. Where it is not there, that is said, and not what lies beside it."""
    refused(
        folder.parent / CURRENT, f"{folder.parent / CURRENT}: No such file or directory, expected a file that names"
    )
    (folder.parent / CURRENT).write_text(f"{folder.name}\n")
    assert read_bundle(folder.parent / CURRENT) == read_bundle(folder)


@pytest.mark.parametrize("contents", [b"", b" \n", b"gone-00000000\n", b"\xff\xfe", b"..", b"a/../b-01234567", b"."])
def test_a_current_that_names_no_bundle_is_refused_with_what_it_says(folder: Path, contents: bytes) -> None:
    path = folder.parent / CURRENT
    path.write_bytes(contents)
    refused(folder.parent, f"{path}: got '")
    refused(folder.parent, "promote")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("lightgbm-1a2b3c4d", True),
        ("a", False),
        ("..", False),
        ("", False),
        ("../m-1a2b3c4d", False),
        (".m-1a2b3c4d", False),
        ("m-1a2b3c4d/", False),
        ("m-1a2b3c4d\n", False),
        ("m-1A2B3C4D", False),
        ("m-1a2b3c4", False),
        ("\u0663-1a2b3c4d", False),
        ("x" * 300 + "-1a2b3c4d", False),
    ],
)
def test_a_version_is_a_name_and_eight_digits(folder: Path, text: str, is_one: bool) -> None:
    """What is none never becomes a path."""
    assert is_version(text) == is_one
    with pytest.raises(BundleError, match="No such file" if is_one else "expected a version, such as"):
        bundle_of_version(folder.parent, text)


def test_a_bundle_in_a_folder_of_another_version_is_refused(folder: Path) -> None:
    """A worker that takes one bundle for another would name it in its flags."""
    other = folder.rename(folder.parent / "linear-00000000")
    with pytest.raises(BundleError, match=f"got a manifest of version {folder.name}, expected linear-00000000"):
        bundle_of_version(other.parent, other.name)
    (other.parent / CURRENT).write_text(other.name)
    refused(other.parent, "the folder was renamed")


def test_a_current_that_cannot_be_read_is_refused(folder: Path) -> None:
    (folder.parent / CURRENT).symlink_to(folder.parent / "nowhere")
    refused(folder.parent, "current: No such file or directory, expected a file that names a bundle; train")


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


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to every value of a manifest that can be edited by itself; an empty list or table is one."""
    if isinstance(value, dict | list) and value:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path


def edited(value: Any) -> Any:
    """Another value of the same type."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "a"
        case dict():
            return {"a": 1}
        case list():
            return ["a"]
        case _:
            return 5


def test_an_edit_anywhere_in_the_manifest_is_refused(tmp_path: Path) -> None:
    """Metrics, timings and libraries too: `models` shows what it reads there."""
    folder = tmp_path / "b"
    write_bundle(folder, FIELDS, LEARNED, [0.01, 0.0, 0.1], metrics={"models": [{"name": "linear", "best": True}]},
                 timings={"fit": 1.5}, libraries={"numpy": "2"})  # fmt: skip
    whole = (folder / MANIFEST).read_bytes()
    body = json.loads(whole)
    ways = list(leaves(body))
    assert {way[0] for way in ways} == set(Manifest.__struct_fields__) - {"scored_by"}  # left out, see below
    for way in ways:
        changed_body = json.loads(whole)
        *outer, last = way
        place = reduce(lambda inner, key: inner[key], outer, changed_body)
        place[last] = edited(place[last])
        (folder / MANIFEST).write_text(json.dumps(changed_body))
        with pytest.raises(BundleError, match=r"manifest\.json: "):
            read_bundle(folder)
    (folder / MANIFEST).write_text(json.dumps({**body, "note": "by hand"}))
    refused(folder, "the manifest was changed after training")
    (folder / MANIFEST).write_text(json.dumps(body, indent=3))
    assert read_bundle(folder), "another layout of the same manifest is no edit"


def test_a_seal_made_anew_does_not_hide_another_version(folder: Path) -> None:
    """Whoever knows how the seal is made still cannot give thresholds to a version that had others."""
    body = json.loads((folder / MANIFEST).read_bytes())
    body["thresholds"]["high"] = 0.9
    (folder / MANIFEST).write_bytes(msgspec.json.encode(sealed(msgspec.convert(body, Manifest))))
    refused(folder, f"got version {body['version']}, expected linear-")


def test_an_unknown_manifest_version_is_refused(folder: Path) -> None:
    changed(folder, lambda body: body.update(manifest_version=99), is_sealed=False)
    refused(folder, f"got manifest_version 99, expected {MANIFEST_VERSION}")


def test_what_scores_a_bundle_is_part_of_its_version(folder: Path) -> None:
    """Another gives other last bits."""
    before = read_bundle(folder).manifest
    changed(folder, lambda body: body.update(scored_by="trees"))
    after = read_bundle(folder).manifest
    assert (before.scored_by, after.scored_by) == ("onnxruntime", "trees")
    assert after.version != before.version


def test_a_bundle_of_version_0_1_is_read_by_its_own_name(folder: Path) -> None:
    """Of another manifest version, without a word of what scores it; name and seal were made of what stands there."""
    body = json.loads((folder / MANIFEST).read_bytes())
    assert "scored_by" not in body
    body["manifest_version"] = 2
    left_out = {"version", "files", "timings", "libraries", "metrics", "seal"}
    decides = {name: value for name, value in body.items() if name not in left_out}
    decides["training"] = {name: value for name, value in body["training"].items() if name != "columns"}
    text = msgspec.json.encode(decides, order="sorted")
    body["version"] = f"linear-{sha256(sha256((folder / ONNX).read_bytes()).digest() + text).hexdigest()[:8]}"
    del body["seal"]
    body["seal"] = sha256(msgspec.json.encode(body, order="sorted")).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(body))
    found = read_bundle(folder).manifest
    assert (found.version, found.scored_by) == (body["version"], "onnxruntime")
    assert msgspec.json.decode(msgspec.json.encode(found)) == body


def test_another_catalogue_is_refused(folder: Path) -> None:
    changed(folder, lambda body: body.update(catalogue_version=7))
    refused(folder, f"got features of catalogue version 7, expected {CATALOGUE_VERSION}")


def test_a_feature_that_the_engine_does_not_know_is_refused(folder: Path) -> None:
    changed(folder, lambda body: body["features"][0].update(name="moon_phase"))
    refused(folder, "got feature 'moon_phase', expected one of amount, hour")


def test_a_text_that_the_bundle_takes_for_a_number_is_refused(folder: Path) -> None:
    changed(folder, lambda body: body["features"][0].update(name="channel"))
    refused(folder, "got feature 'channel', expected one of amount, hour, night, weekend")


def test_another_order_is_refused(folder: Path) -> None:
    changed(folder, lambda body: body["features"].reverse())
    refused(folder, "got 'channel' as feature 0, expected 'amount': another order")


@pytest.mark.parametrize(
    "contents", [b'{"model": "\xff"}', b'{"model": ' + b"[" * 100_000], ids=["no UTF-8", "too deep"]
)
def test_a_manifest_that_the_decoder_does_not_call_wrong_is_refused_like_others(folder: Path, contents: bytes) -> None:
    """One damaged byte may be enough: these ended whoever read the bundle in a traceback."""
    (folder / MANIFEST).write_bytes(contents)
    refused(folder, "cannot be read")


def test_what_is_no_manifest_is_refused(folder: Path) -> None:
    (folder / MANIFEST).write_text("{}")
    refused(folder, "got manifest_version None")
    (folder / MANIFEST).write_text("nonsense")
    refused(folder, "expected a manifest")
    (folder / MANIFEST).write_text('{"manifest_version": 2}')
    refused(folder, "got seal None")
    body = {"manifest_version": 2}
    (folder / MANIFEST).write_bytes(
        msgspec.json.encode({**body, "seal": sha256(msgspec.json.encode(body)).hexdigest()})
    )
    refused(folder, "missing required field")


def test_a_version_does_not_depend_on_when_or_where_it_was_trained(folder: Path) -> None:
    manifest = read_bundle(folder).manifest
    elsewhere = msgspec.structs.replace(
        manifest, timings={"fit": 3.0}, libraries={"numpy": "9"}, metrics={"ap": 1}, files={}
    )
    assert version_of(elsewhere, b"x") == version_of(manifest, b"x")
    training = manifest.training
    for change, is_same in (({"columns": "amount = 'a'"}, True), ({"balance": "smote"}, False), ({"fit": None}, False)):
        other = msgspec.structs.replace(manifest, training=msgspec.structs.replace(training, **change))
        assert (version_of(other, b"x") == version_of(manifest, b"x")) == is_same
    assert version_of(msgspec.structs.replace(manifest, seed=43), b"x") != version_of(manifest, b"x")
    assert version_of(manifest, b"y") != version_of(manifest, b"x")


@pytest.mark.parametrize(
    "knots", [((0.0, 1.0), (0.1, 0.1)), ((0.5, 0.2), (0.1, 0.2)), ((0.5,), (0.1,)), ((0, 1), (0,))]
)
def test_a_calibration_that_does_not_rise_is_refused(knots: tuple[tuple[float, ...], tuple[float, ...]]) -> None:
    with pytest.raises(BundleError, match="strictly increasing"):
        Calibration(*knots)


def test_a_model_of_another_width_is_refused() -> None:
    with pytest.raises(BundleError, match="expected rows of 3 features"):
        OnnxModel(linear_onnx([1.0, 1.0], 0.0), 3, "model.onnx")


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(BundleError, match=r"model\.onnx: cannot be loaded"):
        OnnxModel(b"nonsense", 3, "model.onnx")


def test_a_current_that_is_a_folder_leaves_no_file_open(tmp_path: Path) -> None:
    """A worker looks once a second, for days."""
    (tmp_path / CURRENT).mkdir()
    before = len(list(Path("/proc/self/fd").iterdir()))
    refused(tmp_path, "current: Is a directory, expected a file that names a bundle")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_whether_current_decides_what_is_read(tmp_path: Path) -> None:
    """A worker looks after it then; one bundle's own folder stays what it is."""
    (tmp_path / "linear-01234567").mkdir()
    (tmp_path / CURRENT).write_text("linear-01234567\n")
    assert models_of(tmp_path) == tmp_path
    assert models_of(tmp_path / CURRENT) == tmp_path
    assert models_of(tmp_path / "linear-01234567") is None
