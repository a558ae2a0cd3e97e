"""Labels as they were known at a time: what a bank would have learned from on that day."""

import numpy as np

from risk.codes import Array
from trainer.training.matrix import Matrix


def known_frauds(matrix: Matrix, rows: Array, when: int | None) -> Array:
    """Which of these rows were known as frauds before a moment (None: ever). Reported later, or never, is genuine."""
    reported = matrix.labelled_at[rows]
    is_known = reported >= 0
    if when is not None:
        is_known &= reported < when
    return np.asarray(true_frauds(matrix, rows) & is_known)


def true_frauds(matrix: Matrix, rows: Array) -> Array:
    return np.asarray(matrix.is_fraud[rows] == 1)
