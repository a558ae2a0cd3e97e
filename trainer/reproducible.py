"""What makes a training come out the same on every machine, to the bit."""

from contextlib import AbstractContextManager

import numpy as np
from threadpoolctl import threadpool_limits

from risk.codes import Array


def one_thread() -> AbstractContextManager[object]:
    """For every product of matrices: with more threads, sums are split by the number of cores, and so are their last
    bits."""
    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits


def rounded(values: Array, digits: int) -> Array:
    """To so many significant digits: the last bits depend on the processor that worked them out."""
    return np.array([float(f"{value:.{digits - 1}e}") for value in values.ravel().tolist()]).reshape(values.shape)
