"""--external: a dataset that nothing is learned from and nothing is chosen on, for one more look at every model.

Its history and its ledger begin empty, as a worker's would that meets these customers for the first time.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from console.terminal import say
from risk.catalogue import FeatureSet
from risk.clock import to_text
from risk.codes import Array
from risk.dataset import Dataset
from risk.dataset.column_map import ColumnMap
from risk.errors import DatasetError
from trainer.replay import (
    Replay,
    check_labels_in_time,
    check_something_scored,
    currency_of,
    warn_of_left_out,
    warn_of_unlabelled_days,
)
from trainer.training.asked import Asked
from trainer.training.known import true_frauds
from trainer.training.matrix import Matrix, read_matrix
from trainer.training.parts import Part, check_labels
from trainer.training.periods import Period
from trainer.training.source import Opened, check_unchanged, opened, replay_of, stamp_of
from trainer.training.truth import truth_file, truth_of


class External(NamedTuple):
    path: Path
    sha256: str
    matrix: Matrix
    part: Part
    truth: Array | None


def open_external(asked: Asked, replay: Replay) -> Opened | None:
    """Ready to be read, if it was asked for; refused here, before the training, if the models could not judge it."""
    if asked.external is None:
        return None
    stamp = stamp_of(asked.external)
    dataset = opened(asked.external, asked.external_columns, asked.settings)
    _check_fields(dataset, replay.feature_set, replay.dataset)
    currency = currency_of(dataset)
    if currency != replay.currency:
        raise DatasetError(
            f"--external {dataset.path}: got amounts in {currency}, expected {replay.currency} as in "
            f"{replay.dataset.path}; amounts and thresholds would mean something else. Convert them, or name the "
            "currency that they are in by a map (--external-columns)."
        )
    own = replay_of(dataset, asked.settings, replay.currency, replay.feature_set)
    return Opened(own, stamp)


def read_external(file: Opened) -> External:
    path, replay = file.path, file.replay
    truth = truth_file(path)
    say(f"external    {path}")
    matrix = read_matrix(replay, keep_ids=truth is not None)
    check_something_scored(replay)
    warn_of_left_out(replay)
    check_labels(matrix, path)
    check_labels_in_time(replay)
    warn_of_unlabelled_days(replay)
    rows = np.flatnonzero(matrix.is_fraud >= 0)
    first, last = matrix.days
    period = Period(first, last + 1)
    part = Part(rows, true_frauds(matrix, rows), period.days, period)
    say(f"            {period}: {len(rows):,} transactions, {int(part.is_fraud.sum()):,} frauds")
    check_unchanged(path, file.stamp)
    return External(path, file.stamp.sha256, matrix, part, truth_of(truth, matrix, part))


def about_external(external: External) -> dict[str, Any]:
    """For the report's section on data and method."""
    times = external.matrix.event_times
    return {
        "file": external.path.name,
        "SHA-256 of the file": external.sha256,
        "transactions": external.matrix.row_count,
        "judged": len(external.part.rows),
        "from": to_text(int(times.min())),
        "to": to_text(int(times.max())),
    }


def _check_fields(dataset: Dataset, wanted: FeatureSet, trained_on: Dataset) -> None:
    """A single value may be missing and is imputed. A whole column that is not there was not meant to be."""
    missing = _lacking(dataset, wanted, trained_on.column_map)
    if missing:
        raise DatasetError(
            f"--external {dataset.path}: got no column for {', '.join(missing)}, expected all that the models learn "
            f"from in {trained_on.path}. Name them in a map (--external-columns), or take them out of the map that "
            "the models are trained with."
        )


def _lacking(dataset: Dataset, wanted: FeatureSet, trained_map: ColumnMap) -> list[str]:
    has = dataset.feature_set
    lacking = sorted(wanted.fields - has.fields)
    if trained_map.amount is not None and dataset.column_map.amount is None:
        lacking.append("amount")
    for kind, names, others in (
        ("number", wanted.number_attributes, has.number_attributes),
        ("category", wanted.category_attributes, has.category_attributes),
    ):
        lacking += [f"attributes.{name} (a {kind})" for name in names if name not in others]
    return lacking
