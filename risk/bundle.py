"""The bundle: a model and everything that was learned with it, in a folder that proves itself.

    manifest.json   what it is, what it learned, and the SHA-256 of the other files
    model.onnx      what scores
    model.joblib    the same model for people; never read here

Nothing is unpickled. A bundle that does not fit this program is refused with the file's name and both values.
"""

from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from risk.calibration import Calibration
from risk.catalogue import CATALOGUE_VERSION, FeatureSet
from risk.errors import BundleError
from risk.prepare import Learned

MANIFEST_VERSION = 1
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
    rows: int
    first_event: int
    last_event: int
    sha256: str


class Drift(Struct, frozen=True):
    """What a feature looked like in the fit period: what drift will be measured against."""

    name: str
    missing: float
    deciles: tuple[float, ...]  # of numbers: the least, nine deciles, the largest
    shares: dict[str, float]  # of categories


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
    seed: int
    drift: tuple[Drift, ...]
    score_histogram: tuple[int, ...]
    libraries: dict[str, str]
    timings: dict[str, float]
    metrics: dict[str, Any]
    files: dict[str, str]

    @property
    def feature_set(self) -> FeatureSet:
        return FeatureSet(frozenset(self.fields), self.number_attributes, self.category_attributes)


# What says how a bundle came about, but not what it computes: the same model must have the same name everywhere.
NOT_IN_VERSION = ("version", "files", "timings", "libraries", "metrics")


def version_of(manifest: Manifest, onnx: bytes) -> str:
    """The model's name and 8 hex digits over what decides the scores."""
    body = {name: value for name, value in msgspec.to_builtins(manifest).items() if name not in NOT_IN_VERSION}
    digest = sha256(sha256(onnx).digest() + msgspec.json.encode(body, order="sorted")).hexdigest()
    return f"{manifest.model}-{digest[:8]}"


class Bundle(Struct, frozen=True):
    """A bundle that was read and checked."""

    folder: Path
    manifest: Manifest
    onnx: bytes


def read_bundle(folder: Path) -> Bundle:
    """The bundle in a folder, or in the one that its `current` names; BundleError if it is not whole or not ours."""
    folder = current_bundle(folder) if (folder / CURRENT).is_file() else folder
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
            f"{path}: got version {manifest.version}, expected {version_of(manifest, onnx)} for what is in it; "
            "the manifest was changed after training. Train again, or restore the bundle."
        )
    _check_features(path, manifest)
    return Bundle(folder, manifest, onnx)


def current_bundle(models: Path) -> Path:
    """The folder of the version in use."""
    return models / (models / CURRENT).read_text().strip()


def _read_manifest(path: Path, raw: bytes) -> Manifest:
    try:
        version = msgspec.json.decode(raw, type=dict[str, Any]).get("manifest_version")
        if version != MANIFEST_VERSION:
            raise BundleError(
                f"{path}: got manifest_version {version!r}, expected {MANIFEST_VERSION}; another version of TrustLens "
                "wrote the bundle. Train it again, or use that version."
            )
        return msgspec.json.decode(raw, type=Manifest)
    except msgspec.DecodeError as error:
        raise BundleError(
            f"{path}: cannot be read ({error}), expected a manifest. Restore the bundle, or train again."
        ) from None


def _checked(folder: Path, manifest: Manifest) -> bytes:
    """The model's bytes; every file of the manifest is there and has its hash."""
    contents = b""
    for name, expected in sorted(manifest.files.items()):
        path = folder / name
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise BundleError(
                f"{path}: {error.strerror}, expected a file with SHA-256 {expected}. Restore the bundle."
            ) from None
        found = sha256(raw).hexdigest()
        if found != expected:
            raise BundleError(
                f"{path}: got SHA-256 {found}, expected {expected}; the file was changed. Restore the bundle."
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
