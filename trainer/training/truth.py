"""The true probabilities that a generated world leaves beside its history. Only evaluation may read them."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from risk.codes import Array
from risk.errors import DatasetError
from trainer.generate import TRUTH_SUFFIX
from trainer.training.matrix import Matrix
from trainer.training.parts import Part


def truth_file(path: Path) -> Path | None:
    beside = path.with_name(path.name + TRUTH_SUFFIX)
    return beside if beside.is_file() else None


def truth_of(path: Path | None, matrix: Matrix, part: Part) -> Array | None:
    """The true probability of each of these rows; the matrix has kept its ids."""
    if path is None:
        return None
    table = pq.read_table(path, columns=["transaction_id", "probability"])
    known = dict(zip(table["transaction_id"].to_pylist(), table["probability"].to_pylist(), strict=True))
    ids = [matrix.ids[row] for row in part.rows.tolist()]
    missing = next((each for each in ids if each not in known), None)
    if missing is not None:
        raise DatasetError(f"{path}: got no probability for transaction {missing!r}, expected one for each of the file "
                           "beside it. Generate both again, or take the truth file away.")  # fmt: skip
    return np.array([known[each] for each in ids])
