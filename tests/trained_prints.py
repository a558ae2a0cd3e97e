"""python -m tests.trained_prints: every model of a small training, as hashes of what its version is made from."""

import json
import sys
from hashlib import sha256

import numpy as np

from risk.clock import DAY
from tests.training_rows import made_matrix
from trainer.families import FAMILIES
from trainer.families.parameters import read_parameters
from trainer.fit import Session
from trainer.matrix import Matrix
from trainer.preprocess import learn
from trainer.printing import Stages
from trainer.splits import parts_by_time, split_days
from trainer.train_options import Plan

DELAY, DAYS, ROWS = 3, 60, 12_000


def history(seed: int = 5) -> Matrix:
    """Frauds that are dear, by night and on one channel, with much chance in it."""
    dice = np.random.default_rng(seed)
    times = np.sort(dice.integers(0, DAYS * DAY, ROWS))
    times[-1] = DAYS * DAY - 1
    amounts, hours = dice.lognormal(3, 1.3, ROWS), times // 3_600_000 % 24
    channels = dice.integers(0, 3, ROWS)
    odds = 0.9 * np.log(amounts) + 1.3 * (hours < 6) + 0.8 * (channels == 2) - 7.5
    frauds = dice.random(ROWS) < 1 / (1 + np.exp(-odds))
    matrix = made_matrix(times, frauds, times + DAY, amounts=amounts, channels=channels)
    matrix.values[:, 1], matrix.values[:, 2] = hours, hours < 6
    matrix.values[:, 3] = times // DAY % 7 >= 5
    return matrix


def prints() -> dict[str, list[str]]:
    matrix = history()
    parts = parts_by_time(matrix, split_days(*matrix.days, DELAY), DELAY)
    parameters = read_parameters(None, FAMILIES)
    for table in parameters.values():
        table.update((name, 20) for name in ("n_estimators", "iterations") if name in table)
    plan = Plan(tuple(parameters), parameters, "none", 1, 5.0, 1.0, None, 1)
    session = Session(matrix, parts, learn(matrix, parts.fit.rows), plan, Stages())
    found = {}
    for model in session.fit_all():
        calibration, thresholds, *_ = model.calibrated
        told = (model.fit.onnx, repr(model.fit.parameters).encode(), repr(calibration).encode(),
                repr(thresholds).encode())  # fmt: skip
        found[model.name] = [sha256(each).hexdigest() for each in told]
    return found


if __name__ == "__main__":
    found_here = prints()  # a search says what it found before that
    sys.stdout.write(json.dumps(found_here) + "\n")
