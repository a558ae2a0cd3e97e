"""What is learned of each feature before any model: medians, clip points, vocabularies, references, drift; and what the
data lack: rows that were left out, values that are missing."""

from typing import NamedTuple

import numpy as np

from console.terminal import warn
from evaluation.data_quality import DataQuality, FeatureQuality
from evaluation.drift import number_parts, quantiles
from risk.bundle import Drift, Learned, LearnedCategory, LearnedNumber
from risk.catalogue import Feature
from risk.clock import DAY
from risk.codes import Array
from risk.engine import Verdict
from risk.warming_up import horizon_of
from trainer.matrix import NO_WORD, Matrix, Words
from trainer.replay import Replay
from trainer.splits import Parts

# Of the known values of the fit period. What lies beyond is rarer than 1 in 1,000 and would only stretch the scale.
CLIP_QUANTILES = (0.001, 0.999)
LEAST_SEEN = 20  # times, for a word to enter the vocabulary
MOST_WORDS = 100
BOUNDED_UNITS = ("0 or 1", "share", "hour")
MOST_ROWS = 50_000  # of fit and of test, for what is missing: enough for a share of one in a thousand


class Features(NamedTuple):
    """The features a bundle has, what drift will be measured against, and which were dropped and why."""

    learned: tuple[Learned, ...]
    drift: tuple[Drift, ...]
    dropped: tuple[str, ...]  # name: reason

    def dropped_by_reason(self) -> dict[str, list[str]]:
        """The names; a column without a value takes several features with it, for one reason."""
        by_reason: dict[str, list[str]] = {}
        for text in self.dropped:
            name, _, reason = text.partition(": ")
            by_reason.setdefault(reason, []).append(name)
        return by_reason


def learn(matrix: Matrix, rows: Array) -> Features:
    """From these rows only: numbers in the engine's order, then categories."""
    learned: list[Learned] = []
    drift: list[Drift] = []
    dropped: list[str] = []
    ages = matrix.event_times[rows] - matrix.event_times[0]
    for column, feature in enumerate(matrix.feature_set.numbers):
        values = matrix.values[rows, column]
        is_known = ~np.isnan(values)
        known = np.sort(values[is_known])
        if not len(known):
            dropped.append(f"{feature.name}: every value is missing in the fit period")
            continue
        number = _number(feature, known)
        learned.append(number)
        is_warm = _are_warm(ages, matrix, feature)
        warm = known if is_warm.all() else np.sort(values[is_known & is_warm])
        drift.append(_drift_of_number(number, warm, int(np.count_nonzero(is_warm))))
    for feature in matrix.feature_set.categories:
        counts, missing = _counted(matrix.categories[feature.name], rows)  # it looks at no past: all are warm
        vocabulary = tuple(word for word, count in counts if count >= LEAST_SEEN)[:MOST_WORDS]
        if not vocabulary:
            reason = "every value is missing" if not counts else f"no value occurs {LEAST_SEEN} times"
            dropped.append(f"{feature.name}: {reason} in the fit period")
            continue
        learned.append(LearnedCategory(feature.name, vocabulary, vocabulary[0]))
        shares = {word: count / len(rows) for word, count in counts if word in set(vocabulary)}
        drift.append(Drift(feature.name, missing / len(rows), (), shares, rows=len(rows)))
    return Features(tuple(learned), tuple(drift), tuple(dropped))


def _are_warm(ages: Array, matrix: Matrix, feature: Feature) -> Array:
    """Which rows could see all of the past that the feature looks at. Where the file begins it counts less, and every
    later day would seem to have drifted."""
    needed = horizon_of([feature.name], matrix.ledger_terms).longest
    return np.asarray(ages >= needed * DAY)


def _drift_of_number(number: LearnedNumber, known: Array, rows: int) -> Drift:
    """`known`: the values of these rows, ascending, without those that are missing."""
    if not len(known):
        return Drift(number.name, 0.0, (), {})
    deciles = quantiles(known, np.linspace(0, 1, 11))
    edges, parts = number_parts(np.clip(known, number.clip_low, number.clip_high).astype(np.float32), rows)
    return Drift(number.name, 1 - len(known) / rows, tuple(deciles.tolist()), {}, edges, parts, rows)


def warn_of_dropped(features: Features) -> None:
    for reason, names in features.dropped_by_reason().items():
        warn(f"features dropped, because {reason}: {', '.join(names)}")


def _number(feature: Feature, known: Array) -> LearnedNumber:
    median, low, high = (float(quantiles(known, share)) for share in (0.5, *CLIP_QUANTILES))
    if low == high or feature.unit in BOUNDED_UNITS:
        # A yes in fewer than 1 of 1,000 rows is rare, not extreme: cutting it off would leave a constant.
        low, high = float(known[0]), float(known[-1])
    reference = float(feature.reference) if isinstance(feature.reference, float) else median
    return LearnedNumber(feature.name, median, low, high, reference)


def _counted(column: Words, rows: Array) -> tuple[list[tuple[str, int]], int]:
    """The words, the most common first and by name where equal; and in how many rows there is none."""
    codes = column.codes[rows]
    counts = np.bincount(codes[codes != NO_WORD], minlength=len(column.words)).tolist()
    seen = [(word, count) for word, count in zip(column.words, counts, strict=True) if count]
    return sorted(seen, key=lambda pair: (-pair[1], pair[0])), int((codes == NO_WORD).sum())


def quality_of(replay: Replay, matrix: Matrix, parts: Parts, features: Features) -> DataQuality:
    """Of the model that is served, whose clip points and vocabularies the test meets."""
    bad = replay.dataset.bad
    fit, test = _thinned(parts.fit.rows), _thinned(parts.test.rows)
    return DataQuality(
        rows=bad.count + replay.verdicts.total(),
        used=matrix.row_count,
        rejected={reason.value: count for reason, count in bad.by_reason.most_common()},
        duplicates=replay.verdicts[Verdict.DUPLICATE],
        late=replay.verdicts[Verdict.LATE],
        other_currencies=replay.other_currencies.total(),
        without_label=int(np.count_nonzero(matrix.is_fraud < 0)),
        features=tuple(_feature_quality(features.learned, matrix, fit, test)),
        sampled=MOST_ROWS,
    )


def _feature_quality(features: tuple[Learned, ...], matrix: Matrix, fit: Array, test: Array) -> list[FeatureQuality]:
    found = []
    for learned in features:
        if isinstance(learned, LearnedNumber):
            values = matrix.number(learned.name)
            before, after = np.isnan(values[fit]), np.isnan(values[test])
            beyond = (values[test] < learned.clip_low) | (values[test] > learned.clip_high)
            found.append(FeatureQuality(learned.name, _share(before), _share(after), _share(beyond), None))
        else:
            column = matrix.categories[learned.name]
            before, after = column.codes[fit] == NO_WORD, column.codes[test] == NO_WORD
            vocabulary = set(learned.vocabulary)
            is_known = np.array([word in vocabulary for word in column.words], bool)
            unseen = ~after & ~is_known[column.codes[test]]
            found.append(FeatureQuality(learned.name, _share(before), _share(after), None, _share(unseen)))
    return found


def _share(rows: Array) -> float:
    return float(rows.mean()) if len(rows) else 0.0


def _thinned(rows: Array) -> Array:
    return rows[:: max(1, -(-len(rows) // MOST_ROWS))]
