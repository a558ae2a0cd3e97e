"""What each feature adds to the scores of a sample of test rows, where the champion's family can say it exactly."""

import numpy as np

from evaluation.contributions import ContributionSample
from risk.bundle import LearnedCategory
from risk.codes import Array
from trainer.families.family import Explaining, family_of
from trainer.fit import FittedModel, Session
from trainer.reproducible import one_thread

ROWS = 500  # of each class; exact contributions of a row take about as long as its score a thousand times


def contribution_sample(
    session: Session, model: FittedModel, values: Array, is_fraud: Array
) -> ContributionSample | None:
    """Evenly thinned; None of a family that cannot say it."""
    family = family_of(model.fit.family)
    if not isinstance(family, Explaining):
        return None
    rows = np.sort(np.concatenate([_thinned(np.flatnonzero(each)) for each in (is_fraud, ~is_fraud)]))
    with one_thread():
        contributions = family.contributions(model.fit.estimator, values[rows])
    feature_set = session.matrix.feature_set
    return ContributionSample(
        names=session.names,
        meanings={feature.name: feature.meaning for feature in (*feature_set.numbers, *feature_set.categories)},
        words={
            one.name: ("(not given)", "(not seen in training)", *one.vocabulary)
            for one in session.features.learned
            if isinstance(one, LearnedCategory)
        },
        values=values[rows],
        contributions=contributions,
        is_fraud=is_fraud[rows],
    )


def _thinned(rows: Array) -> Array:
    return rows[:: max(1, -(-len(rows) // ROWS))]
