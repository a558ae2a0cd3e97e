"""Small bundles: a linear model written by hand, so that every score can be worked out on paper."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from risk.bundle import (
    JOBLIB,
    MANIFEST,
    MANIFEST_VERSION,
    ONNX,
    Calibration,
    Days,
    Histogram,
    Learned,
    Manifest,
    Thresholds,
    Training,
    TrainingData,
    sealed,
    version_of,
)
from risk.catalogue import CATALOGUE_VERSION, EngineTerms, FeatureSet

SAME = Calibration((0.0, 1.0), (0.0, 1.0))
TERMS = EngineTerms("EUR")

TRAINING = Training(
    split="time",
    fit=Days("2024-01-01", "2024-03-01"),
    validation=Days("2024-03-08", "2024-03-20"),
    test=Days("2024-03-27", "2024-04-20"),
    models=("linear",),
    balance="none",
    search=0,
    parameters={"linear": {}},
    chosen={},
    columns=None,
)


def linear_onnx(weights: list[float], bias: float) -> bytes:
    """A probability that is the logistic of a weighted sum."""
    nodes = [
        helper.make_node("MatMul", ["input", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["fraud"]),
        helper.make_node("Sub", ["one", "fraud"], ["genuine"]),
        helper.make_node("Concat", ["genuine", "fraud"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, len(weights)])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        [
            numpy_helper.from_array(np.array(weights, np.float32)[:, None], "weights"),
            numpy_helper.from_array(np.array([bias], np.float32), "bias"),
            numpy_helper.from_array(np.array([1], np.float32), "one"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    raw: bytes = model.SerializeToString()
    return raw


def write_bundle(
    folder: Path,
    feature_set: FeatureSet,
    learned: tuple[Learned, ...],
    weights: list[float],
    *,
    bias: float = 0.0,
    high: float = 0.5,
    medium: float = 0.25,
    calibration: Calibration = SAME,
    terms: EngineTerms = TERMS,
    files: Mapping[str, bytes] | None = None,
    metrics: dict[str, Any] | None = None,
    timings: dict[str, float] | None = None,
    libraries: dict[str, str] | None = None,
) -> Manifest:
    """A whole bundle in the folder; its manifest."""
    contents = {ONNX: linear_onnx(weights, bias), JOBLIB: b"for people", **(files or {})}
    manifest = Manifest(
        manifest_version=MANIFEST_VERSION,
        version="",
        model="linear",
        features=learned,
        fields=tuple(sorted(feature_set.fields)),
        number_attributes=feature_set.number_attributes,
        category_attributes=feature_set.category_attributes,
        catalogue_version=CATALOGUE_VERSION,
        label_delay_days=terms.label_delay_days,
        bucket_ms=terms.bucket_ms,
        max_lateness_ms=terms.max_lateness_ms,
        max_ahead_ms=3_600_000,
        currency=terms.currency,
        calibration=calibration,
        thresholds=Thresholds(medium, high, review_cost=5.0, loss_rate=1.0, alerts_per_day=None),
        training_data=TrainingData(0, 0, 0, ""),
        training=TRAINING,
        seed=42,
        drift=(),
        score_histogram=Histogram((0.5,), (0, 0)),
        libraries=libraries or {},
        timings=timings or {},
        metrics=metrics or {},
        files={name: sha256(raw).hexdigest() for name, raw in contents.items()},
        seal="",
    )
    manifest = sealed(msgspec.structs.replace(manifest, version=version_of(manifest, contents[ONNX])))
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in contents.items():
        (folder / name).write_bytes(raw)
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    return manifest
