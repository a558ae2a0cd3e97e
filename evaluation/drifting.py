"""Whether features and scores are what they were when the model learned: samples, counted by day and bundle."""

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import Struct

from evaluation.drift import FEWEST_ROWS, DriftFigures, Reference, drift_of, limit_of, references_of, score_reference
from risk.bundle import Drift, Histogram, Learned
from risk.clock import DAY
from risk.codes import Array
from risk.errors import StoreError
from risk.store import IF_DAMAGED, Samples, StoreToReport

NONE_YET = "no features are sampled yet"
OF_AN_OLDER_VERSION = "{} was trained before bundles kept what features were like; train again"
FLOAT = np.dtype("<f4")
DRIFT_DAYS = 7  # a Saturday differs from a week, but a week hardly from another


class DriftDay(Struct, frozen=True):
    day: int
    figures: DriftFigures


class FeatureDrift(Struct, frozen=True):
    """Of one feature, or of the score, beside the fit period of its bundle."""

    name: str
    limit: float | None  # the index from which on it has changed; None where it moves with each wave of frauds
    missing_before: float | None  # share, in the fit period
    unseen_before: float | None
    week: DriftFigures
    days: tuple[DriftDay, ...]

    @property
    def has_changed(self) -> bool:
        return self.week.psi is not None and self.limit is not None and self.week.psi >= self.limit


class Drifting(Struct, frozen=True):
    """Of the samples of the last seven whole days that the newest bundle scored. Where there are less than a thousand,
    figures are None."""

    bundle: str | None = None
    first_day: int | None = None
    last_day: int | None = None
    days_sampled: int = 0
    rows: int = 0
    why_not: str | None = None  # why there are no figures of features
    score: FeatureDrift | None = None
    features: tuple[FeatureDrift, ...] = ()  # the worst first

    @property
    def changed(self) -> int | None:
        """How many features have; None where that cannot be said of any."""
        said = [one for one in self.features if one.week.psi is not None]
        return sum(one.has_changed for one in said) if said else None

    @property
    def too_few(self) -> str:
        """Why that cannot be said, where there are samples."""
        if self.rows < FEWEST_ROWS:
            return f"too few sampled rows: {self.rows:,} of {FEWEST_ROWS:,}"
        return f"too few rows in the fit period of {self.bundle}, expected {FEWEST_ROWS:,} or more"

    @property
    def has_changed(self) -> bool:
        """Any feature, or the score."""
        return bool(self.changed) or (self.score is not None and self.score.has_changed)


class _Manifest(Struct):
    features: tuple[Learned, ...]
    drift: tuple[Drift, ...]
    score_histogram: Histogram


class _References(NamedTuple):
    width: int  # of a sampled row
    features: tuple[Reference, ...]  # none of an older bundle
    score: Reference


_manifests = msgspec.json.Decoder(_Manifest)


def _references(manifest: str) -> _References | None:
    """None where the manifest cannot be read, as that of a newer version."""
    try:
        said = _manifests.decode(manifest)
        features = references_of(said.features, said.drift)
    except (msgspec.DecodeError, ValueError):
        return None
    return _References(len(said.features), features, score_reference(said.score_histogram))


class Drifts:
    def __init__(self) -> None:
        self._references: dict[str, _References | None] = {}
        self._next: dict[int, int] = {}  # offset to read on from, by partition
        self._counts: dict[tuple[int, str], list[Array]] = {}  # of each feature, then of the score, by day and bundle
        self._scores: dict[int, tuple[int, float]] = {}  # how many samples and the sum of their scores, by day
        self._last: tuple[int, str] | None = None  # event time and bundle of the newest sample
        self._told: tuple[object, Drifting] | None = None

    def learn(self, version: str, manifest: str) -> None:
        self._references[version] = _references(manifest)

    def read(self, store: StoreToReport, partition: int, first_day: int) -> None:
        """What is new; what is older than that day is not kept."""
        while (found := store.samples(partition, self._next.get(partition, 0))) is not None:
            self._next[partition] = int(found.offsets[-1]) + 1
            days = found.event_times // DAY
            newest = int(found.event_times.argmax())
            last = int(found.event_times[newest]), found.bundle_versions[newest].decode()
            self._last = last if self._last is None else max(self._last, last)
            for day in np.unique(days[days >= first_day]).tolist():
                places = np.flatnonzero(days == day)
                rows, total = self._scores.get(day, (0, 0.0))
                self._scores[day] = rows + len(places), total + float(found.scores[places].sum())
                self._count(found, day, places.tolist())

    def _count(self, found: Samples, day: int, places: list[int]) -> None:
        ordered = sorted(places, key=lambda place: found.bundle_versions[place])
        for name, some in groupby(ordered, key=lambda place: found.bundle_versions[place]):
            version, chosen = name.decode(), list(some)
            references = self._references.get(version)
            if references is None:
                continue
            values = _values([found.features[place] for place in chosen], references.width)
            columns = [reference.counts(values[:, n]) for n, reference in enumerate(references.features)]
            columns.append(references.score.counts(found.scores[chosen]))
            before = self._counts.get((day, version))
            self._counts[day, version] = (
                columns if before is None else [a + b for a, b in zip(before, columns, strict=True)]
            )

    def forget_before(self, day: int) -> None:
        self._counts = {key: counts for key, counts in self._counts.items() if key[0] >= day}
        self._scores = {known: sums for known, sums in self._scores.items() if known >= day}

    def mean_score(self, day: int) -> float | None:
        """Of its samples; None where there is none."""
        rows, total = self._scores.get(day, (0, 0.0))
        return total / rows if rows else None

    def sampled(self, days: Iterable[int]) -> int:
        return sum(self._scores.get(day, (0, 0.0))[0] for day in days)

    def drifting(self, newest_event: int | None) -> Drifting:
        """Over the last whole UTC days, by the bundle that scored last."""
        if newest_event is None or self._last is None:
            return Drifting(why_not=NONE_YET)
        version = self._last[1]
        references = self._references.get(version)
        days = range(newest_event // DAY - DRIFT_DAYS, newest_event // DAY)
        if references is None:
            return Drifting(bundle=version, why_not=f"the manifest of {version} cannot be read")
        counts = [self._counts.get((day, version)) for day in days]
        state = version, days, [None if each is None else int(each[-1].sum()) for each in counts]
        if self._told is None or self._told[0] != state:
            self._told = state, _drifting(version, references, days, counts)
        return self._told[1]


def _values(features: list[bytes], width: int) -> Array:
    whole = b"".join(features)
    if any(len(each) != width * FLOAT.itemsize for each in features):
        raise StoreError(
            f"feature_samples: got {len(whole):,} bytes in {len(features)} rows, expected {width} numbers in each; "
            f"{IF_DAMAGED}"
        )
    return np.frombuffer(whole, FLOAT).reshape(-1, width)


def _drifting(version: str, references: _References, days: range, counts: list[list[Array] | None]) -> Drifting:
    every = (*references.features, references.score)
    known = [each for each in counts if each is not None]
    features = [
        _of_feature(reference, days, [None if each is None else each[place] for each in counts])
        for place, reference in enumerate(every)
    ]
    *others, score = features
    return Drifting(
        bundle=version,
        first_day=days[0],
        last_day=days[-1],
        days_sampled=len(known),
        rows=score.week.rows,
        why_not=None if references.features else OF_AN_OLDER_VERSION.format(version),
        score=score,
        features=tuple(sorted(others, key=_worst_first)),
    )


def _of_feature(reference: Reference, days: range, counts: list[Array | None]) -> FeatureDrift:
    empty = np.zeros(len(reference.shares), np.int64)
    by_day = [empty if each is None else each for each in counts]
    return FeatureDrift(
        name=reference.name,
        limit=limit_of(reference.name),
        missing_before=None
        if reference.missing is None or not reference.rows
        else float(reference.shares[reference.missing]),
        unseen_before=_share(reference, reference.unseen),
        week=drift_of(reference, sum(by_day, empty)),
        days=tuple(DriftDay(day, drift_of(reference, each)) for day, each in zip(days, by_day, strict=True)),
    )


def _share(reference: Reference, part: int | None) -> float | None:
    return None if part is None or not reference.rows else float(reference.shares[part])


def _worst_first(one: FeatureDrift) -> tuple[float, str]:
    return -1 if one.week.psi is None else -one.week.psi, one.name


def drifting_now(store: StoreToReport) -> Drifting:
    """For who asks once."""
    _, newest = store.flag_times()
    drifts = Drifts()
    for bundle in store.bundles():
        drifts.learn(bundle.version, bundle.manifest)
    if newest is not None:
        for partition in store.flagged_partitions():
            drifts.read(store, partition, newest // DAY - DRIFT_DAYS)
    return drifts.drifting(newest)
