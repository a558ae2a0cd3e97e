"""The bundle's files out of a champion: manifest, ONNX, joblib."""

import io
import math
import platform
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version
from typing import Any

import joblib
import msgspec
import numpy as np

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
    sealed,
    version_of,
)
from risk.catalogue import CATALOGUE_VERSION
from risk.clock import HOUR
from risk.codes import Array
from risk.dataset.written_map import write_map
from trainer.families.family import family_of
from trainer.training.asked import BY_TIME, RANDOM, Asked
from trainer.training.periods import Period, day_text
from trainer.training.session import Session, Trained
from trainer.training.source import Opened
from trainer.training.workflow import Result

MAX_AHEAD = HOUR  # how far before its Kafka timestamp a transaction may claim to be
# Beside those of the families that were trained.
LIBRARIES = ("numpy", "scikit-learn", "onnx", "onnxruntime", "numba", "pyarrow")

# Evenly spaced in log odds. Of equal parts of 0 to 1, the first would hold nearly everything.
HISTOGRAM_EDGES = tuple(round(1 / (1 + math.exp(-odds)), 12) for odds in range(-10, 11))
HISTOGRAM_ROWS = 100_000


def manifest_of(
    file: Opened, asked: Asked, result: Result, timings: dict[str, float], metrics: dict[str, Any]
) -> Manifest:
    """With its version, still without the hashes of the files."""
    session, champion, settings = result.session, result.champion, asked.settings
    feature_set, times = session.matrix.feature_set, session.matrix.event_times
    fit_scores = result.candidate.calibration.apply(session.fit_scores(champion, HISTOGRAM_ROWS))
    manifest = Manifest(
        manifest_version=MANIFEST_VERSION,
        version="",
        model=champion.kind,
        features=session.features.learned,
        fields=tuple(sorted(feature_set.fields)),
        number_attributes=feature_set.number_attributes,
        category_attributes=feature_set.category_attributes,
        catalogue_version=CATALOGUE_VERSION,
        label_delay_days=settings.label_delay,
        bucket_ms=settings.bucket,
        max_lateness_ms=settings.max_lateness,
        max_ahead_ms=MAX_AHEAD,
        currency=file.replay.currency,
        calibration=result.candidate.calibration,
        thresholds=result.candidate.thresholds,
        training_data=TrainingData(len(times), int(times.min()), int(times.max()), file.stamp.sha256),
        training=_training(asked, session, champion),
        seed=session.plan.seed,
        drift=session.features.drift,
        score_histogram=_histogram(fit_scores),
        libraries=_libraries(session.plan.kinds),
        timings=timings,
        metrics=metrics,
        files={},
        seal="",
        scored_by=champion.scored_by,
    )
    return msgspec.structs.replace(manifest, version=version_of(manifest, champion.onnx))


def bundle_files(manifest: Manifest, champion: Trained) -> dict[str, bytes]:
    """Each file's name and contents; the manifest last, because it vouches for the others."""
    pickled = io.BytesIO()
    joblib.dump(champion.estimator, pickled)
    contents = {ONNX: champion.onnx, JOBLIB: pickled.getvalue()}
    hashes = {name: sha256(raw).hexdigest() for name, raw in contents.items()}
    whole = sealed(msgspec.structs.replace(manifest, files=hashes))
    return {**contents, MANIFEST: msgspec.json.format(msgspec.json.encode(whole), indent=1)}


def _training(asked: Asked, session: Session, champion: Trained) -> Training:
    plan, parts = session.plan, session.parts
    return Training(
        split=RANDOM if asked.is_random else BY_TIME,
        fit=_days(parts.fit.period),
        validation=_days(parts.validation.period),
        test=_days(parts.test.period),
        models=plan.kinds,
        balance=plan.balance,
        search=plan.search,
        parameters={kind: plan.parameters[kind] for kind in plan.kinds},
        chosen=champion.parameters,
        columns=None if asked.columns is None else write_map(asked.columns),
    )


def _libraries(kinds: Sequence[str]) -> dict[str, str]:
    of_families = (name for kind in kinds for name in family_of(kind).libraries)
    names = dict.fromkeys((*LIBRARIES, *of_families))
    return {**{name: version(name) for name in names}, "python": platform.python_version()}


def _days(period: Period | None) -> Days | None:
    return None if period is None else Days(day_text(period.first), day_text(period.until))


def _histogram(scores: Array) -> Histogram:
    places = np.searchsorted(HISTOGRAM_EDGES, scores, side="right")
    return Histogram(HISTOGRAM_EDGES, tuple(np.bincount(places, minlength=len(HISTOGRAM_EDGES) + 1).tolist()))
