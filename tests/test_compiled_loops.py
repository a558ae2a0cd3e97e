"""What all compiled loops have in common."""

import numpy as np
import pytest

from risk.codes import Array
from risk.windows import compiled


def test_a_compiled_loop_counts_no_references() -> None:
    """It cannot be seen in what a loop answers, and took nine tenths of the time of features. numba says so where
    somebody allocates: then it would have to count."""

    @compiled
    def room(count: int) -> Array:
        return np.empty(count)

    with pytest.raises(Exception, match="Only accept returning of array passed into the function"):
        room(3)
