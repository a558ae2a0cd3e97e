"""Numbers without their last bits, which depend on the processor that worked them out."""

import numpy as np

from risk.codes import Array


def rounded(values: Array, digits: int) -> Array:
    """To so many significant digits."""
    return np.array([float(f"{value:.{digits - 1}e}") for value in values.tolist()])
