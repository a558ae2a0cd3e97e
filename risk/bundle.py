"""The bundle: a model and everything that was learned with it, in a folder that proves itself.

    manifest.json   what it is, what it learned, and the SHA-256 of the other files and of itself
    model.onnx      what scores
    model.joblib    the same model for people; never read here

Nothing is unpickled. A bundle that does not fit this program is refused with the file's name and both values.
"""

import os
import re
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct

from risk.catalogue import CATALOGUE_VERSION, EngineTerms, FeatureSet
from risk.clock import DAY, SECOND
from risk.codes import Array
from risk.errors import BundleError
from risk.ledger_day import LONGEST_DELAY_DAYS
from risk.small_file import plain_file, read_name
from risk.warming_up import Horizon, horizon_of

MANIFEST_VERSION = 3
OLDER_VERSIONS = (2,)  # without `scored_by`
MANIFEST = "manifest.json"
ONNX = "model.onnx"
JOBLIB = "model.joblib"
CURRENT = "current"

# Far beyond what anybody trains with; what is larger is a mistake, or meant to fill memory.
MANIFEST_BYTES = 64 * 1024**2
ONNX_BYTES = 1024**3
FILE_BYTES = 16 * 1024**3
MOST_FILES = 100
PIECE_BYTES = 1024**2

Count = Annotated[int, Meta(ge=0, le=10**15)]
Moment = Annotated[int, Meta(ge=-(10**15), le=10**15)]
Money = Annotated[float, Meta(ge=0, le=1e15)]
Threshold = Annotated[float, Meta(ge=0, le=2)]  # above every score where no alert is worth its review
UpToAYear = Annotated[int, Meta(ge=0, le=365 * DAY)]


class LearnedNumber(Struct, frozen=True, tag="number"):
    """The reference is what reasons compare a value with: the catalogue's, or the median."""

    name: str
    median: float
    clip_low: float
    clip_high: float
    reference: float


class LearnedCategory(Struct, frozen=True, tag="category"):
    """The reference is the most common word; None where the column was empty."""

    name: str
    vocabulary: tuple[str, ...]
    reference: str | None


Learned = LearnedNumber | LearnedCategory


class Calibration(Struct, frozen=True):
    """From a model's raw score to a probability: knots; between two of them the line, outside of them the nearest.
    A step function would collapse the scores to a few dozen values and take the fine choice of a threshold away."""

    raw: tuple[float, ...]
    probability: tuple[float, ...]

    def __post_init__(self) -> None:
        for name, knots in (("raw", self.raw), ("probability", self.probability)):
            increasing = all(before < after for before, after in pairwise(knots))
            if len(knots) < 2 or len(self.raw) != len(self.probability) or not increasing:
                raise BundleError(
                    f"calibration.{name}: got {len(knots)} knots, {str(knots)[:80]}, expected two or more, strictly "
                    "increasing, and as many as in the other column"
                )

    def apply(self, raw: Array) -> Array:
        return np.interp(raw, self.raw, self.probability)


class Thresholds(Struct, frozen=True):
    """Where levels begin, and what they were chosen for."""

    medium: Threshold
    high: Threshold
    review_cost: Money
    loss_rate: Money
    alerts_per_day: Money | None


class TrainingData(Struct, frozen=True):
    transactions: Count  # that were scored: what is a duplicate, too late or unreadable is not among them
    first_event: Moment
    last_event: Moment
    sha256: str


class Days(Struct, frozen=True):
    """A period of whole UTC days, as dates; `until` is not part of it."""

    first: str
    until: str


class Training(Struct, frozen=True, omit_defaults=True):
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
    refit: bool = False  # of the champion, with validation; left out where not, as before there was a choice
    days_named: bool = False  # rather than cut from all that there were; left out where not


class Drift(Struct, frozen=True, omit_defaults=True):
    """What a feature looked like in the fit period: what drift is measured against (evaluation/drift.py)."""

    name: str
    missing: float
    deciles: tuple[float, ...]  # of numbers: the least, nine deciles, the largest
    shares: dict[str, float]  # of categories
    edges: tuple[float, ...] = ()  # of numbers as models get them: where their parts begin, but the first
    parts: tuple[float, ...] = ()  # the share of all rows in each
    rows: Count = 0  # of the fit period; 0 of a bundle that was made before this was kept


class Histogram(Struct, frozen=True):
    """How many scores lie below the first edge, between each two, and at or above the last: one more than edges."""

    edges: tuple[float, ...]
    counts: tuple[Count, ...]


# A worker, a backtest and an audit obey it: another would give other last bits.
ScoredBy = Literal["onnxruntime", "trees"]
ONNX_RUNTIME: ScoredBy = "onnxruntime"
TREES: ScoredBy = "trees"


class Manifest(Struct, frozen=True, omit_defaults=True):
    """Nothing but `scored_by` has a default: it is left out, as of bundles that were made before there was a choice."""

    manifest_version: int
    version: str
    model: str
    features: tuple[Learned, ...]
    fields: tuple[str, ...]
    number_attributes: tuple[str, ...]
    category_attributes: tuple[str, ...]
    catalogue_version: int
    label_delay_days: Annotated[int, Meta(ge=1, le=LONGEST_DELAY_DAYS)]
    bucket_ms: Annotated[int, Meta(ge=SECOND, le=DAY, multiple_of=SECOND)]
    max_lateness_ms: UpToAYear
    max_ahead_ms: UpToAYear
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
    seal: str  # SHA-256 over everything else
    scored_by: ScoredBy = ONNX_RUNTIME

    @property
    def feature_set(self) -> FeatureSet:
        return FeatureSet(frozenset(self.fields), self.number_attributes, self.category_attributes)

    @property
    def terms(self) -> EngineTerms:
        return EngineTerms(self.currency, self.label_delay_days, self.bucket_ms, self.max_lateness_ms)

    @property
    def horizon(self) -> Horizon:
        return horizon_of((feature.name for feature in self.features), self.terms.ledger_terms)


def needs_a_restart(manifest: Manifest, begun_with: Manifest) -> str | None:
    """Why a worker that began with one bundle cannot go on with another while it runs: its histories and its ledger are
    of other terms, or it has no ledger. None where it can."""
    for name in ("currency", "label_delay_days", "bucket_ms", "max_lateness_ms", "max_ahead_ms"):
        got, expected = getattr(manifest, name), getattr(begun_with, name)
        if got != expected:
            return f"{name}: got {got}, expected {expected} as {begun_with.version} has it"
    if manifest.feature_set.has_ledger and not begun_with.feature_set.has_ledger:
        return f"fields: got merchant_id among them, expected none, for {begun_with.version} needs no merchant ledger"
    return None


# What says how a bundle came about, but not what it computes: the same model must have the same name everywhere.
NOT_IN_VERSION = ("version", "files", "timings", "libraries", "metrics", "seal")
NOT_IN_VERSION_OF_TRAINING = ("columns", "days_named")  # what they decide is seen elsewhere


def what_decides(manifest: dict[str, Any]) -> bytes:
    """What of a manifest decides the scores. The rest may differ within a version, as when the same model
    was trained on two machines."""
    body = _without(manifest, NOT_IN_VERSION)
    if "training" in body:
        body["training"] = _without(body["training"], NOT_IN_VERSION_OF_TRAINING)
    return msgspec.json.encode(body, order="sorted")


def version_of(manifest: Manifest, onnx: bytes) -> str:
    """The model's name and 8 hex digits over what decides the scores."""
    digest = sha256(sha256(onnx).digest() + what_decides(msgspec.to_builtins(manifest))).hexdigest()
    return f"{manifest.model}-{digest[:8]}"


# A version names a folder among the models, and the worker and the audit get it out of Kafka and the store.
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}-[0-9a-f]{8}")


def is_version(text: str) -> bool:
    """Whether a bundle can have this for its version: a model's name and 8 hex digits."""
    return _VERSION.fullmatch(text) is not None


def sealed(manifest: Manifest) -> Manifest:
    """With the hash of everything it says, so that an edit is seen wherever it was made."""
    return msgspec.structs.replace(manifest, seal=seal_of(msgspec.to_builtins(manifest)))


def seal_of(body: dict[str, Any]) -> str:
    """Of all that it says but the seal."""
    return sha256(msgspec.json.encode(_without(body, ("seal",)), order="sorted")).hexdigest()


def _without(body: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


class Bundle(Struct, frozen=True):
    """A bundle that was read and checked."""

    folder: Path
    manifest: Manifest
    onnx: bytes


def read_bundle(folder: Path) -> Bundle:
    """The bundle in a folder, or the one that its `current` names, or that this `current` names; BundleError if it is
    not whole or not ours."""
    models = models_of(folder)
    return _read(folder) if models is None else bundle_of_version(models, current_bundle(models).name)


def models_of(path: Path) -> Path | None:
    """The folder of models whose `current` decides what `read_bundle` reads here; None where one bundle is meant."""
    if path.name == CURRENT and not path.is_dir():
        return path.parent
    return path if os.path.lexists(path / CURRENT) else None


def bundle_of_version(models: Path, version: str) -> Bundle:
    """The one that is called so among the models; BundleError where there is none, or it is not whole, or another."""
    if not is_version(version):
        raise BundleError(
            f"bundle {version[:80]!r}: expected a version, such as lightgbm-1a2b3c4d; `trainer models` lists them"
        )
    bundle = _read(models / version)
    if bundle.manifest.version != version:
        raise BundleError(
            f"{models / version}: got a manifest of version {bundle.manifest.version}, expected {version}; the folder "
            "was renamed. Give it its name back."
        )
    return bundle


def current_bundle(models: Path) -> Path:
    """The folder of the version in use."""
    return named_bundle(models, models / CURRENT, is_alone=True)[0]


def named_bundle(models: Path, path: Path, *, is_alone: bool = False) -> tuple[Path, list[str]]:
    """The folder of the version that a file names on its first line, and its other lines; `is_alone`: it has none."""
    text = read_name(path, BundleError, "a file that names a bundle; train and promote write it")
    version, *rest = text.splitlines() or [""]
    is_there = is_version(version) and os.path.isdir(models / version)  # noqa: PTH112 - the path's own may raise
    if not is_there or (is_alone and rest):
        raise BundleError(
            f"{path}: got {text[:80]!r}, expected a bundle in {models}; models lists them. Name one with promote."
        )
    return models / version, rest


def _read(folder: Path) -> Bundle:
    path = folder / MANIFEST
    try:
        with plain_file(path, MANIFEST_BYTES, BundleError) as file:
            raw = file.read()
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


def _delete(folder: Path) -> str:
    return f"Delete {folder} and train again, or bring back a copy of the whole folder."


def _read_manifest(path: Path, raw: bytes) -> Manifest:
    try:
        body = msgspec.json.decode(raw, type=dict[str, Any])
        version = body.get("manifest_version")
        if version not in (MANIFEST_VERSION, *OLDER_VERSIONS):
            raise BundleError(
                f"{path}: got manifest_version {str(version)[:80]}, expected {MANIFEST_VERSION}; another version of "
                "TrustLens wrote the bundle. Train it again, or use that version."
            )
        if body.get("seal") != seal_of(body):
            raise BundleError(
                f"{path}: got seal {str(body.get('seal'))[:80]}, expected {seal_of(body)} for what is in it; the "
                f"manifest was changed after training. {_delete(path.parent)}"
            )
        return msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{path}: cannot be read ({error}), expected a manifest. {_delete(path.parent)}") from None


def _checked(folder: Path, manifest: Manifest) -> bytes:
    """The model's bytes; every file of the manifest is there and has its hash."""
    names = sorted(manifest.files)
    plain = [name for name in names if name not in ("", ".", "..") and "/" not in name and "\0" not in name]
    if ONNX not in names or len(names) > MOST_FILES or plain != names:
        raise BundleError(
            f"{folder / MANIFEST}: got files {str(names)[:200]}, expected {ONNX} among them, at most {MOST_FILES}, and "
            f"each by its name in the folder alone. {_delete(folder)}"
        )
    contents = b""
    for name in names:
        path, expected, digest = folder / name, manifest.files[name], sha256()
        try:
            with plain_file(path, ONNX_BYTES if name == ONNX else FILE_BYTES, BundleError) as file:
                if name == ONNX:
                    contents = file.read()
                    digest.update(contents)
                while piece := file.read(PIECE_BYTES):
                    digest.update(piece)
        except OSError as error:
            raise BundleError(
                f"{path}: {error.strerror}, expected a file with SHA-256 {expected[:64]}. {_delete(folder)}"
            ) from None
        found = digest.hexdigest()
        if found != expected:
            raise BundleError(
                f"{path}: got SHA-256 {found}, expected {expected[:64]}; the file was changed. {_delete(folder)}"
            )
    return contents


def _check_features(path: Path, manifest: Manifest) -> None:
    if manifest.catalogue_version != CATALOGUE_VERSION:
        raise BundleError(
            f"{path}: got features of catalogue version {manifest.catalogue_version}, expected {CATALOGUE_VERSION}; "
            "a feature may mean something else now. Train again with this version."
        )
    computed = manifest.feature_set
    numbers, categories = ([f.name for f in some] for some in (computed.numbers, computed.categories))
    for feature in manifest.features:
        known = numbers if isinstance(feature, LearnedNumber) else categories
        if feature.name not in known:
            raise BundleError(f"{path}: got feature {feature.name[:80]!r}, expected one of {', '.join(known)}")
    places = {name: place for place, name in enumerate([*numbers, *categories])}
    got = [feature.name for feature in manifest.features]
    ordered = sorted(got, key=places.__getitem__)
    if got != ordered:
        wrong = next(place for place, (one, other) in enumerate(zip(got, ordered, strict=True)) if one != other)
        raise BundleError(f"{path}: got {got[wrong]!r} as feature {wrong}, expected {ordered[wrong]!r}: another order")
