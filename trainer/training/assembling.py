"""The bundle's files out of a champion: manifest, ONNX, joblib."""

import io
import platform
from hashlib import file_digest, sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np

from risk.bundle import JOBLIB, MANIFEST, MANIFEST_VERSION, ONNX, Manifest, TrainingData, version_of
from risk.catalogue import CATALOGUE_VERSION
from risk.clock import HOUR
from risk.settings import Settings
from trainer.training.session import Candidate, Session, Trained

Array = np.ndarray[Any, Any]

MAX_AHEAD = HOUR  # how far before its Kafka timestamp a transaction may claim to be
LIBRARIES = ("numpy", "scikit-learn", "lightgbm", "onnx", "skl2onnx", "onnxruntime", "numba", "pyarrow")

# The histogram's inner edges in log odds. Of equal parts of 0 to 1, the first would hold nearly everything.
HISTOGRAM_EDGES = np.arange(-10.0, 10.5, 1.0)
HISTOGRAM_ROWS = 100_000


def training_data(path: Path, session: Session) -> TrainingData:
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    times = session.matrix.event_times
    return TrainingData(len(times), int(times.min()), int(times.max()), digest)


def manifest_of(
    session: Session,
    trained: Trained,
    candidate: Candidate,
    data: TrainingData,
    settings: Settings,
    currency: str,
    *,
    timings: dict[str, float],
    metrics: dict[str, Any],
) -> Manifest:
    """With its version, still without the hashes of the files."""
    feature_set = session.matrix.feature_set
    manifest = Manifest(
        manifest_version=MANIFEST_VERSION,
        version="",
        model=trained.kind,
        features=session.features.learned,
        fields=tuple(sorted(feature_set.fields)),
        number_attributes=feature_set.number_attributes,
        category_attributes=feature_set.category_attributes,
        catalogue_version=CATALOGUE_VERSION,
        label_delay_days=settings.label_delay,
        bucket_ms=settings.bucket,
        max_lateness_ms=settings.max_lateness,
        max_ahead_ms=MAX_AHEAD,
        currency=currency,
        calibration=candidate.calibration,
        thresholds=candidate.thresholds,
        training_data=data,
        seed=session.plan.seed,
        drift=session.features.drift,
        score_histogram=_histogram(candidate.calibration.apply(session.fit_scores(trained, HISTOGRAM_ROWS))),
        libraries={**{name: version(name) for name in LIBRARIES}, "python": platform.python_version()},
        timings=timings,
        metrics=metrics,
        files={},
    )
    return msgspec.structs.replace(manifest, version=version_of(manifest, trained.onnx))


def bundle_files(manifest: Manifest, trained: Trained) -> dict[str, bytes]:
    """Each file's name and contents; the manifest last, because it vouches for the others."""
    pickled = io.BytesIO()
    joblib.dump(trained.estimator, pickled)
    contents = {ONNX: trained.onnx, JOBLIB: pickled.getvalue()}
    hashes = {name: sha256(raw).hexdigest() for name, raw in contents.items()}
    whole = msgspec.structs.replace(manifest, files=hashes)
    return {**contents, MANIFEST: msgspec.json.format(msgspec.json.encode(whole), indent=1)}


def _histogram(scores: Array) -> tuple[int, ...]:
    """How many of the fit period's scores lie between the edges, and beyond the first and the last."""
    inside = np.clip(scores, 1e-12, 1 - 1e-12)
    places = np.searchsorted(HISTOGRAM_EDGES, np.log(inside / (1 - inside)))
    return tuple(np.bincount(places, minlength=len(HISTOGRAM_EDGES) + 1).tolist())
