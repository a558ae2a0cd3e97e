"""Recall by kind of fraud: what a model is good at, and what walks past it."""

import numpy as np

from risk.codes import Array
from trainer.evidence.judged import Judged

UNNAMED = "(no kind given)"


def rows_of_kinds(judged: Judged) -> dict[str, Array]:
    """For each kind, its frauds as a mask over the rows, the most frequent first. Empty where the data has no kinds."""
    if judged.kinds is None or not judged.is_fraud.any():
        return {}
    names = np.array([kind or UNNAMED for kind in judged.kinds])
    words, counts = np.unique(names[judged.is_fraud], return_counts=True)
    order = np.lexsort((words, -counts))
    return {str(word): judged.is_fraud & (names == word) for word in words[order]}
