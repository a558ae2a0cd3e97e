"""The bundle: a model and everything that was learned with it, in a folder that proves itself.

    manifest.json   what it is, what it learned, and the SHA-256 of the other files and of itself
    model.onnx      what scores
    model.joblib    the same model for people; never read here

Nothing is unpickled. A bundle that does not fit this program is refused with the file's name and both values.
"""

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from risk.calibration import Calibration
from risk.catalogue import CATALOGUE_VERSION, FeatureSet
from risk.errors import BundleError
from risk.prepare import Learned

MANIFEST_VERSION = 2
MANIFEST = "manifest.json"
ONNX = "model.onnx"
JOBLIB = "model.joblib"
CURRENT = "current"


class Thresholds(Struct, frozen=True):
    """Where levels begin, and what they were chosen for."""

    medium: float
    high: float
    review_cost: float
    loss_rate: float
    alerts_per_day: float | None


class TrainingData(Struct, frozen=True):
    transactions: int  # that were scored: what is a duplicate, too late or unreadable is not among them
    first_event: int
    last_event: int
    sha256: str


class Days(Struct, frozen=True):
    """A period of whole UTC days, as dates; `until` is not part of it."""

    first: str
    until: str


class Training(Struct, frozen=True):
    """What was asked of the training: enough to train the same bundle once more."""

    split: str
    fit: Days | None  # None where rows were drawn at random
    validation: Days | None
    test: Days | None
    models: tuple[str, ...]  # all that were trained, in order
    balance: str
    search: int
    parameters: dict[str, dict[str, Any]]  # of each model, before any search
    chosen: dict[str, Any]  # of the champion, after it
    columns: str | None  # the column map, as TOML; None where the file has TrustLens' own names


class Drift(Struct, frozen=True):
    """What a feature looked like in the fit period: what drift will be measured against."""

    name: str
    missing: float
    deciles: tuple[float, ...]  # of numbers: the least, nine deciles, the largest
    shares: dict[str, float]  # of categories


class Histogram(Struct, frozen=True):
    """How many scores lie below the first edge, between each two, and at or above the last: one more than edges."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


class Manifest(Struct, frozen=True):
    manifest_version: int
    version: str
    model: str
    features: tuple[Learned, ...]
    fields: tuple[str, ...]
    number_attributes: tuple[str, ...]
    category_attributes: tuple[str, ...]
    catalogue_version: int
    label_delay_days: int
    bucket_ms: int
    max_lateness_ms: int
    max_ahead_ms: int
    currency: str
    calibration: Calibration
    thresholds: Thresholds
    training_data: TrainingData
    training: Training
    seed: int
    drift: tuple[Drift, ...]
    score_histogram: Histogram  # of the fit period
    libraries: dict[str, str]
    timings: dict[str, float]
    metrics: dict[str, Any]
    files: dict[str, str]
    seal: str  # SHA-256 over all that stands above

    @property
    def feature_set(self) -> FeatureSet:
        return FeatureSet(frozenset(self.fields), self.number_attributes, self.category_attributes)


# What says how a bundle came about, but not what it computes: the same model must have the same name everywhere.
# How the columns were called decides nothing that is not seen elsewhere.
NOT_IN_VERSION = ("version", "files", "timings", "libraries", "metrics", "seal")
NOT_IN_VERSION_OF_TRAINING = ("columns",)


def version_of(manifest: Manifest, onnx: bytes) -> str:
    """The model's name and 8 hex digits over what decides the scores."""
    body = _without(msgspec.to_builtins(manifest), NOT_IN_VERSION)
    body["training"] = _without(body["training"], NOT_IN_VERSION_OF_TRAINING)
    digest = sha256(sha256(onnx).digest() + msgspec.json.encode(body, order="sorted")).hexdigest()
    return f"{manifest.model}-{digest[:8]}"


def sealed(manifest: Manifest) -> Manifest:
    """With the hash of everything it says, so that an edit is seen wherever it was made."""
    return msgspec.structs.replace(manifest, seal=_seal_of(msgspec.to_builtins(manifest)))


def _seal_of(body: dict[str, Any]) -> str:
    return sha256(msgspec.json.encode(_without(body, ("seal",)), order="sorted")).hexdigest()


def _without(body: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


class Bundle(Struct, frozen=True):
    """A bundle that was read and checked."""

    folder: Path
    manifest: Manifest
    onnx: bytes


def read_bundle(folder: Path) -> Bundle:
    """The bundle in a folder, or in the one that its `current` names; BundleError if it is not whole or not ours."""
    folder = current_bundle(folder) if os.path.lexists(folder / CURRENT) else folder
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{path}: {error.strerror}, expected a bundle's manifest. Train one, or name its folder."
        ) from None
    manifest = _read_manifest(path, raw)
    onnx = _checked(folder, manifest)
    if manifest.version != version_of(manifest, onnx):
        raise BundleError(
            f"{path}: got version {manifest.version}, expected {version_of(manifest, onnx)} for what is in it. "
            + _delete(folder)
        )
    _check_features(path, manifest)
    return Bundle(folder, manifest, onnx)


def current_bundle(models: Path) -> Path:
    """The folder of the version in use."""
    path = models / CURRENT
    try:
        text = path.read_bytes().decode("utf-8", "backslashreplace").strip()
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}, expected a file that names a bundle; promote writes it") from None
    if text in ("", ".", "..") or "/" in text or not (models / text).is_dir():
        raise BundleError(
            f"{path}: got {text[:80]!r}, expected a bundle in {models}; models lists them. Name one with promote."
        )
    return models / text


def _delete(folder: Path) -> str:
    return f"Delete {folder} and train again, or bring back a copy of the whole folder."


def _read_manifest(path: Path, raw: bytes) -> Manifest:
    try:
        body = msgspec.json.decode(raw, type=dict[str, Any])
        version = body.get("manifest_version")
        if version != MANIFEST_VERSION:
            raise BundleError(
                f"{path}: got manifest_version {version!r}, expected {MANIFEST_VERSION}; another version of TrustLens "
                "wrote the bundle. Train it again, or use that version."
            )
        if body.get("seal") != _seal_of(body):
            raise BundleError(
                f"{path}: got seal {body.get('seal')}, expected {_seal_of(body)} for what is in it; the manifest was "
                f"changed after training. {_delete(path.parent)}"
            )
        return msgspec.json.decode(raw, type=Manifest)
    except msgspec.DecodeError as error:
        raise BundleError(f"{path}: cannot be read ({error}), expected a manifest. {_delete(path.parent)}") from None


def _checked(folder: Path, manifest: Manifest) -> bytes:
    """The model's bytes; every file of the manifest is there and has its hash."""
    contents = b""
    for name, expected in sorted(manifest.files.items()):
        path = folder / name
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise BundleError(
                f"{path}: {error.strerror}, expected a file with SHA-256 {expected}. {_delete(folder)}"
            ) from None
        found = sha256(raw).hexdigest()
        if found != expected:
            raise BundleError(
                f"{path}: got SHA-256 {found}, expected {expected}; the file was changed. {_delete(folder)}"
            )
        if name == ONNX:
            contents = raw
    if ONNX not in manifest.files:
        raise BundleError(f"{folder / MANIFEST}: got files {sorted(manifest.files)}, expected {ONNX} among them")
    return contents


def _check_features(path: Path, manifest: Manifest) -> None:
    if manifest.catalogue_version != CATALOGUE_VERSION:
        raise BundleError(
            f"{path}: got features of catalogue version {manifest.catalogue_version}, expected {CATALOGUE_VERSION}; "
            "a feature may mean something else now. Train again with this version."
        )
    known = [f.name for f in (*manifest.feature_set.numbers, *manifest.feature_set.categories)]
    places = {name: place for place, name in enumerate(known)}
    got = [feature.name for feature in manifest.features]
    unknown = [name for name in got if name not in places]
    if unknown:
        raise BundleError(f"{path}: got feature {unknown[0]!r}, expected one of {', '.join(known)}")
    ordered = sorted(got, key=places.__getitem__)
    if got != ordered:
        wrong = next(place for place, (one, other) in enumerate(zip(got, ordered, strict=True)) if one != other)
        raise BundleError(f"{path}: got {got[wrong]!r} as feature {wrong}, expected {ordered[wrong]!r}: another order")
