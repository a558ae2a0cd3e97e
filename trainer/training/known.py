"""Labels as they were known at a time: what a bank would have learned from on that day."""

from typing import Any

import numpy as np

from trainer.training.matrix import Matrix

Array = np.ndarray[Any, Any]

NEVER = -1


def known_frauds(matrix: Matrix, rows: Array, when: int | None) -> Array:
    """Which of these rows were known as frauds before a moment (None: ever). Reported later, or never, is genuine."""
    reported = matrix.labelled_at[rows]
    is_known = reported != NEVER
    if when is not None:
        is_known &= reported < when
    return (matrix.is_fraud[rows] == 1) & is_known


def true_frauds(matrix: Matrix, rows: Array) -> Array:
    return matrix.is_fraud[rows] == 1
