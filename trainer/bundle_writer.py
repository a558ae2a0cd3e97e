"""The champion's bundle: manifest, ONNX and joblib, written whole or not at all. Before that it is proved that the
served model is the trained one, whatever the size of a batch.
"""

import io
import os
import platform
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import msgspec
import numpy as np

from console.output import make_parents, remove_empty, whole_folder
from evaluation.drift import edges_of
from evaluation.result import Proof
from risk.bundle import (
    JOBLIB,
    MANIFEST,
    MANIFEST_VERSION,
    ONNX,
    Days,
    Histogram,
    Manifest,
    Training,
    TrainingData,
    read_bundle,
    sealed,
    version_of,
)
from risk.catalogue import CATALOGUE_VERSION
from risk.clock import HOUR
from risk.codes import Array
from risk.dataset.written_map import write_map
from risk.errors import BundleError, OptionError
from risk.model import Model, OnnxModel
from trainer.families.family import family_of
from trainer.families.hybrid import HybridModel
from trainer.fit import Fit, Served, Session
from trainer.load import Opened
from trainer.onnx_model import serialized
from trainer.options import BY_TIME, RANDOM
from trainer.splits import Period, day_text
from trainer.train_options import TrainOptions

MAX_AHEAD = HOUR  # how far before its Kafka timestamp a transaction may claim to be
# Beside those of the families that were trained.
LIBRARIES = ("numpy", "scikit-learn", "onnx", "onnxruntime", "numba", "pyarrow")

HISTOGRAM_ROWS = 100_000


def manifest_of(
    file: Opened,
    train_options: TrainOptions,
    session: Session,
    served: Served,
    timings: dict[str, float],
    metrics: dict[str, Any],
) -> Manifest:
    """With its version, still without the hashes of the files."""
    fit, features, settings = served.model.fit, served.session.features, train_options.settings
    calibration, thresholds, *_ = served.model.calibrated
    feature_set, times = session.matrix.feature_set, session.matrix.event_times
    fit_scores = calibration.apply(served.session.fit_scores(fit, HISTOGRAM_ROWS))
    manifest = Manifest(
        manifest_version=MANIFEST_VERSION,
        version="",
        model=fit.family,
        features=features.learned,
        fields=tuple(sorted(feature_set.fields)),
        number_attributes=feature_set.number_attributes,
        category_attributes=feature_set.category_attributes,
        catalogue_version=CATALOGUE_VERSION,
        label_delay_days=settings.label_delay,
        bucket_ms=settings.bucket,
        max_lateness_ms=settings.max_lateness,
        max_ahead_ms=MAX_AHEAD,
        currency=file.replay.currency,
        calibration=calibration,
        thresholds=thresholds,
        training_data=TrainingData(len(times), int(times.min()), int(times.max()), file.stamp.sha256),
        training=_training(train_options, file, session, fit),
        seed=session.plan.seed,
        drift=features.drift,
        score_histogram=_histogram(fit_scores),
        libraries=_libraries(session.plan.kinds),
        timings=timings,
        metrics=metrics,
        files={},
        seal="",
        scored_by=fit.scored_by,
    )
    return msgspec.structs.replace(manifest, version=version_of(manifest, fit.onnx))


def bundle_files(manifest: Manifest, fit: Fit) -> dict[str, bytes]:
    """Each file's name and contents; the manifest last, because it vouches for the others."""
    pickled = io.BytesIO()
    joblib.dump(fit.estimator, pickled)
    contents = {ONNX: fit.onnx, JOBLIB: pickled.getvalue()}
    hashes = {name: sha256(raw).hexdigest() for name, raw in contents.items()}
    whole = sealed(msgspec.structs.replace(manifest, files=hashes))
    return {**contents, MANIFEST: msgspec.json.format(msgspec.json.encode(whole), indent=1)}


def _training(train_options: TrainOptions, file: Opened, session: Session, fit: Fit) -> Training:
    plan, parts, dataset = session.plan, session.parts, file.replay.dataset
    return Training(
        split=RANDOM if train_options.split.is_random else BY_TIME,
        fit=_days(parts.fit.period),
        validation=_days(parts.validation.period),
        test=_days(parts.test.period),
        models=plan.kinds,
        balance=plan.balance,
        search=plan.search,
        parameters=plan.parameters,
        chosen=fit.parameters,
        columns=None if dataset.is_guessed else write_map(dataset.column_map),
        refit=plan.refit,
        days_named=train_options.split.days_named,
    )


def _libraries(kinds: Sequence[str]) -> dict[str, str]:
    of_families = (name for kind in kinds for name in family_of(kind).libraries)
    names = dict.fromkeys((*LIBRARIES, *of_families))
    return {**{name: version(name) for name in names}, "python": platform.python_version()}


def _days(period: Period | None) -> Days | None:
    return None if period is None else Days(day_text(period.first), day_text(period.until))


def _histogram(scores: Array) -> Histogram:
    edges = edges_of(scores)
    places = np.searchsorted(edges, scores, side="right")
    return Histogram(tuple(edges.tolist()), tuple(np.bincount(places, minlength=len(edges) + 1).tolist()))


def write_bundle(models: Path, version: str, files: dict[str, bytes]) -> bool:
    """Whether it was written; a bundle of this version that is there already is checked and left as it is."""
    folder = models / version
    if folder.exists():
        read_bundle(folder)
        return False
    with whole_folder(folder) as temporary:
        for name, contents in files.items():
            (temporary / name).write_bytes(contents)
        _read_as(temporary, folder)
    return True


def prepare_folder(option: str, folder: Path) -> None:
    """Before an hour of training and not after it: something can be written there. What is tried leaves no trace."""
    probe = folder / f".{os.getpid()}.probe"
    made: list[Path] = []
    try:
        try:
            make_parents(probe, made)
            probe.write_bytes(b"")
            probe.unlink()
        finally:
            remove_empty(made)
    except OSError as error:
        raise OptionError(
            f"{option}: got {folder}, which cannot be written to ({error.strerror}); expected a folder, or a place for "
            "a new one. Choose another."
        ) from None


def _read_as(temporary: Path, folder: Path) -> None:
    try:
        read_bundle(temporary)
    except BundleError as error:
        raise BundleError(f"{folder}: what was written cannot be read back: {error}") from error


MOST_DIFFERENCE = 1e-6
BATCHES = (1, 2, 3, 7, 64, 512, 1000)
BATCHED_ROWS = 20_000  # in batches of two a validation period would take minutes


def prove(fit: Fit, values: Array) -> Proof:
    """On the prepared rows of validation. Raises BundleError that says where the two differ. What a hybrid's detectors
    say is proved as well: a last bit of it could lead a row to another leaf, which few rows would show."""
    if isinstance(fit.estimator, HybridModel):
        for kind, detector in fit.estimator.detectors.items():
            onnx = serialized(family_of(kind).to_onnx(detector, values.shape[1]))
            model = OnnxModel(onnx, values.shape[1], kind)
            prove_served(
                kind, family_of(kind).own_scores(detector, values), onnx, model, values, model.raw_scores(values)
            )
    own = family_of(fit.family).own_scores(fit.estimator, values)
    return prove_served(fit.family, own, fit.onnx, fit.model, values, fit.raw)


def prove_served(kind: str, own: Array, onnx: bytes, model: Model, values: Array, raw: Array) -> Proof:
    """`own` are the trained model's scores of all rows, `raw` the served one's in one batch; where something else than
    ONNX Runtime scores, that must agree with it, too, for the file is what others will run."""
    difference = prove_agreement(kind, own, raw)
    if not isinstance(model, OnnxModel):
        by_onnx = OnnxModel(onnx, values.shape[1], kind).raw_scores(values)
        difference = max(difference, prove_agreement(kind, by_onnx, raw, "ONNX Runtime"))
    rows = np.unique(np.linspace(0, len(values) - 1, min(len(values), BATCHED_ROWS)).astype(np.int64))
    prove_batches(kind, model, values[rows], raw[rows])
    return Proof(len(values), difference, BATCHES, len(rows))


def prove_agreement(kind: str, own: Array, raw: Array, other: str = "the trained one") -> float:
    """The largest difference."""
    differences = np.abs(own - raw)
    worst = int(np.argmax(np.where(np.isnan(differences), np.inf, differences)))
    if not differences[worst] <= MOST_DIFFERENCE:
        raise BundleError(
            f"{kind}: the served model gives {raw[worst]!r} for validation row {worst} and {other} "
            f"{own[worst]!r}, expected them within {MOST_DIFFERENCE}; no bundle was written. Train another model, or "
            "report this as a bug."
        )
    return float(differences[worst])


def prove_batches(kind: str, model: Model, values: Array, raw: Array) -> None:
    """To the bit: a worker's batches are as they come."""
    for size in BATCHES:
        starts = range(0, len(values), size)
        got = np.concatenate([model.raw_scores(values[first : first + size]) for first in starts])
        different = np.flatnonzero(got.view(np.int64) != raw.view(np.int64))
        if len(different):
            row = int(different[0])
            raise BundleError(
                f"{kind}: in batches of {size} the served model gives {got[row]!r} for validation row {row} and "
                f"{raw[row]!r} in one batch ({len(different)} rows differ), expected the same bits; no bundle was "
                "written. Train another model, or report this as a bug."
            )
