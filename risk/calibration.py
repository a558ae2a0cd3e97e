"""From a model's raw score to a probability: a strictly increasing, piecewise-linear table in float64.

A step function would collapse the scores to a few dozen values and take the fine choice of a threshold away.
"""

from itertools import pairwise

import numpy as np
from msgspec import Struct

from risk.codes import Array
from risk.errors import BundleError


class Calibration(Struct, frozen=True):
    """Knots; between two of them the line, outside of them the nearest."""

    raw: tuple[float, ...]
    probability: tuple[float, ...]

    def __post_init__(self) -> None:
        for name, knots in (("raw", self.raw), ("probability", self.probability)):
            if len(knots) < 2 or len(self.raw) != len(self.probability) or not _increasing(knots):
                raise BundleError(
                    f"calibration.{name}: got {len(knots)} knots, {str(knots)[:80]}, expected two or more, strictly "
                    "increasing, and as many as in the other column"
                )

    def apply(self, raw: Array) -> Array:
        return np.interp(raw, self.raw, self.probability)


def _increasing(knots: tuple[float, ...]) -> bool:
    return all(before < after for before, after in pairwise(knots))
