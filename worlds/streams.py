"""Random numbers that depend on the seed and a place, never on how the work was cut up."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def stream(seed: int, *place: int) -> np.random.Generator:
    """The generator of one place: drawing more or less elsewhere does not move it."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=place)))


def cumulated(weights: Floats) -> Floats:
    """Weights as a cumulative distribution along the last axis, ending at exactly 1."""
    sums = np.cumsum(weights, axis=-1)
    return sums / sums[..., -1:]


def drawn(random: np.random.Generator, distribution: Floats, size: int) -> Ints:
    """Indices, drawn from a cumulative distribution."""
    return np.searchsorted(distribution, random.random(size), side="right")


def to_cents(amount: Floats) -> Ints:
    """Whole cents: the last bits of exp differ between processors, whole cents do not."""
    return np.rint(amount * 100.0).astype(np.int64)
