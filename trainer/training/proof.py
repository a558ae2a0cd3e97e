"""What must hold before a bundle is written: the served model is the trained one, whatever the size of a batch."""

from typing import NamedTuple

import numpy as np

from risk.codes import Array
from risk.errors import BundleError
from risk.model import Model, OnnxModel

MOST_DIFFERENCE = 1e-6
BATCHES = (1, 2, 3, 7, 64, 512, 1000)
BATCHED_ROWS = 20_000  # in batches of two a validation period would take minutes


class Proof(NamedTuple):
    """What was compared, and came out right."""

    rows: int
    largest_difference: float
    batch_sizes: tuple[int, ...]
    batch_rows: int


def prove(kind: str, own: Array, onnx: bytes, model: Model, values: Array, raw: Array) -> Proof:
    """Raises BundleError that says where the two differ. `own` are the trained model's scores of all rows, `raw` the
    served one's in one batch; where something else than ONNX Runtime scores, that must agree with it, too, for the file
    is what others will run."""
    difference = prove_agreement(kind, own, raw)
    if not isinstance(model, OnnxModel):
        by_onnx = OnnxModel(onnx, values.shape[1], kind).raw_scores(values)
        difference = max(difference, prove_agreement(kind, by_onnx, raw, "ONNX Runtime"))
    rows = np.unique(np.linspace(0, len(values) - 1, min(len(values), BATCHED_ROWS)).astype(np.int64))
    prove_batches(kind, model, values[rows], raw[rows])
    return Proof(len(values), difference, BATCHES, len(rows))


def prove_agreement(kind: str, own: Array, raw: Array, other: str = "the trained one") -> float:
    """The largest difference."""
    differences = np.abs(own - raw)
    worst = int(np.argmax(np.where(np.isnan(differences), np.inf, differences)))
    if not differences[worst] <= MOST_DIFFERENCE:
        raise BundleError(
            f"{kind}: the served model gives {raw[worst]!r} for validation row {worst} and {other} "
            f"{own[worst]!r}, expected them within {MOST_DIFFERENCE}; no bundle was written. Train another model, or "
            "report this as a bug."
        )
    return float(differences[worst])


def prove_batches(kind: str, model: Model, values: Array, raw: Array) -> None:
    """To the bit: a worker's batches are as they come."""
    for size in BATCHES:
        starts = range(0, len(values), size)
        got = np.concatenate([model.raw_scores(values[first : first + size]) for first in starts])
        different = np.flatnonzero(got.view(np.int64) != raw.view(np.int64))
        if len(different):
            row = int(different[0])
            raise BundleError(
                f"{kind}: in batches of {size} the served model gives {got[row]!r} for validation row {row} and "
                f"{raw[row]!r} in one batch ({len(different)} rows differ), expected the same bits; no bundle was "
                "written. Train another model, or report this as a bug."
            )
