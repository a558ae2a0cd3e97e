"""The data's quality: what became of the file's rows, and what the features lack in fit and test."""

import numpy as np

from evaluation.data_quality import DataQuality, FeatureQuality
from risk.bundle import LearnedNumber
from risk.codes import Array
from risk.engine import Verdict
from trainer.fit import Session
from trainer.matrix import NO_WORD, Matrix
from trainer.replay import Replay

MOST_ROWS = 50_000  # of fit and of test: enough for a share of one in a thousand


def quality_of(replay: Replay, session: Session) -> DataQuality:
    """`session`: that of the model that is served, whose clip points and vocabularies the test meets."""
    matrix, parts, bad = session.matrix, session.parts, replay.dataset.bad
    fit, test = _thinned(parts.fit.rows), _thinned(parts.test.rows)
    return DataQuality(
        rows=bad.count + replay.verdicts.total(),
        used=matrix.row_count,
        rejected={reason.value: count for reason, count in bad.by_reason.most_common()},
        duplicates=replay.verdicts[Verdict.DUPLICATE],
        late=replay.verdicts[Verdict.LATE],
        other_currencies=replay.other_currencies.total(),
        without_label=int(np.count_nonzero(matrix.is_fraud < 0)),
        features=tuple(_features(session, matrix, fit, test)),
        sampled=MOST_ROWS,
    )


def _features(session: Session, matrix: Matrix, fit: Array, test: Array) -> list[FeatureQuality]:
    found = []
    for learned in session.features.learned:
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
