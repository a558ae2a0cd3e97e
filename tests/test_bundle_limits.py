"""A bundle that is no good: numbers beyond reason, files that are none, a model that loops. Refused, and at once."""

import os
import re
from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from risk.bundle import CURRENT, JOBLIB, MANIFEST, ONNX, LearnedNumber, Manifest, read_bundle, sealed, version_of
from risk.catalogue import FeatureSet
from risk.clock import DAY
from risk.errors import BundleError
from risk.model import OnnxModel
from risk.onnx_graph import MOST_NODES, read_graph
from testing.bundles import linear_onnx, write_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    learned = (LearnedNumber("amount", 20.0, 0.0, 1000.0, reference=20.0),)
    write_bundle(tmp_path / "b", FeatureSet(frozenset()), learned, [0.01])
    return tmp_path / "b"


def rewritten(folder: Path, **fields: Any) -> None:
    """As whoever trained it with these would have written it: version and seal fit."""
    before = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    manifest = msgspec.structs.replace(before, **fields)
    manifest = msgspec.structs.replace(manifest, version=version_of(manifest, (folder / ONNX).read_bytes()))
    (folder / MANIFEST).write_bytes(msgspec.json.encode(sealed(manifest)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("label_delay_days", 10**9),
        ("label_delay_days", 0),
        ("label_delay_days", 10**30),
        ("bucket_ms", 1),
        ("bucket_ms", 2 * DAY),
        ("max_lateness_ms", -1),
        ("max_lateness_ms", 366 * DAY),
        ("max_ahead_ms", 10**18),
    ],
)
def test_numbers_beyond_reason_are_refused(folder: Path, name: str, value: int) -> None:
    rewritten(folder, **{name: value})
    with pytest.raises(BundleError, match=rf"manifest\.json: cannot be read \(.*{name}"):
        read_bundle(folder)


@pytest.mark.parametrize("name", ["high", "medium", "review_cost", "loss_rate"])
@pytest.mark.parametrize("value", [-1.0, 1e300])
def test_thresholds_beyond_reason_are_refused(folder: Path, name: str, value: float) -> None:
    thresholds = read_bundle(folder).manifest.thresholds
    rewritten(folder, thresholds=msgspec.structs.replace(thresholds, **{name: value}))
    with pytest.raises(BundleError, match=name):
        read_bundle(folder)


@pytest.mark.parametrize("name", ["/dev/zero", "../secret", "..", "sub/file", "a\0b", ""])
def test_files_outside_of_the_folder_are_not_followed(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_bytes(b"x")
    files = read_bundle(folder).manifest.files
    rewritten(folder, files={**files, name: sha256(b"x").hexdigest()})
    with pytest.raises(BundleError, match="each by its name in the folder alone"):
        read_bundle(folder)


def as_pipe(path: Path) -> None:
    os.mkfifo(path)


def as_link_to_zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def as_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(20 * 1024**3)


@pytest.mark.parametrize("name", [MANIFEST, ONNX, JOBLIB, CURRENT])
@pytest.mark.parametrize("spoil", [as_pipe, as_link_to_zeros, as_large])
def test_what_is_no_plain_file_is_refused_at_once(folder: Path, name: str, spoil: Callable[[Path], None]) -> None:
    """Nobody writes into the pipe, the zeros never end, and the large file would fill memory."""
    (folder / name).unlink(missing_ok=True)
    spoil(folder / name)
    with pytest.raises(
        BundleError, match=rf"{re.escape(name)}: got (what is no plain file|a link|[\d,]+ bytes), expec"
    ):
        read_bundle(folder)


# The model


def model_of(nodes: list[onnx.NodeProto], initializers: list[TensorProto] | None = None) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        initializers or [],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def endless() -> onnx.ModelProto:
    """A loop that says every time that it is not over."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in (
            ("n", TensorProto.INT64, []), ("go", TensorProto.BOOL, []), ("x", TensorProto.FLOAT, [None, 2]))],
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in (
            ("go_on", TensorProto.BOOL, []), ("y", TensorProto.FLOAT, [None, 2]))],
    )  # fmt: skip
    true = numpy_helper.from_array(np.array(True), "true")
    return model_of([helper.make_node("Loop", ["", "true", "input"], ["probabilities"], body=body)], [true])


def elsewhere() -> onnx.ModelProto:
    weights = numpy_helper.from_array(np.ones((2, 2), np.float32), "w")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../../secret")
    return model_of([helper.make_node("MatMul", ["input", "w"], ["probabilities"])], [weights])


def elsewhere_in_an_attribute() -> onnx.ModelProto:
    """ONNX Runtime reads such a file, where it lies in the folder in which a program was started."""
    tensor = numpy_helper.from_array(np.ones(2, np.float64), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret")
    node = helper.make_node("TreeEnsembleClassifier", ["input"], ["label", "probabilities"], domain="ai.onnx.ml")
    node.attribute.append(helper.make_attribute("class_weights_as_tensor", tensor))
    return model_of([node])


def with_functions() -> onnx.ModelProto:
    model = model_of([helper.make_node("Mine", ["input"], ["probabilities"], domain="own")])
    model.functions.add(name="Mine", domain="own")
    return model


def many() -> onnx.ModelProto:
    names = ["input", *(f"x{n}" for n in range(MOST_NODES)), "probabilities"]
    return model_of([helper.make_node("Neg", [one], [other]) for one, other in pairwise(names)])


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (endless, "got the operator 'Loop', expected one of Add, ArrayFeatureExtractor"),
        (elsewhere, "got weights outside of the file"),
        (elsewhere_in_an_attribute, "got weights outside of the file"),
        (with_functions, "it defines operators of its own"),
        (many, f"got {MOST_NODES + 1:,} nodes, expected 1 to {MOST_NODES:,}"),
        (lambda: model_of([]), "got 0 nodes"),
    ],
)
def test_a_model_that_could_run_for_ever_or_lead_elsewhere_is_not_loaded(
    model: Callable[[], onnx.ModelProto], words: str
) -> None:
    with pytest.raises(BundleError, match=re.escape(words)):
        OnnxModel(model().SerializeToString(), 2, "model.onnx")


def test_every_operator_is_named_as_the_file_has_it() -> None:
    model = model_of([helper.make_node(name, ["input"], ["y"]) for name in ("Neg", "If")])
    with pytest.raises(BundleError, match="got the operator 'If'"):
        read_graph(model.SerializeToString(), "model.onnx")


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (helper.make_node("Concat", ["input", "input"], ["probabilities"], axis=1), "two probabilities for each"),
        (helper.make_node("MatMul", ["input", "w"], ["probabilities"]), "cannot "),
    ],
)
def test_a_model_that_cannot_score_is_refused_before_the_first_transaction(node: onnx.NodeProto, words: str) -> None:
    model = model_of([node], [numpy_helper.from_array(np.ones((3, 2), np.float32), "w")])
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    with pytest.raises(BundleError, match=words):
        OnnxModel(model.SerializeToString(), 2, "model.onnx")


def test_bytes_that_are_cut_or_changed_anywhere_are_refused_or_a_model() -> None:
    """Never anything else than a BundleError."""
    whole = linear_onnx([1.0, 2.0], 0.5)
    dice = np.random.default_rng(7)
    for _ in range(2_000):
        raw = bytearray(whole[: dice.integers(len(whole) + 1)] if dice.random() < 0.3 else whole)
        for place in dice.integers(0, max(len(raw), 1), dice.integers(4)):
            if raw:
                raw[place] = dice.integers(256)
        try:
            read_graph(bytes(raw), "model.onnx")
        except BundleError:
            continue
