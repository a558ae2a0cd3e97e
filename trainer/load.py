"""The files that a training reads: the history, which must stay the same to the end, and what judges beside it.

--external is a dataset that nothing is learned from and nothing is chosen on. Its history and its ledger begin empty,
as a worker's would that meets these customers for the first time. A generated world comes with the true probabilities,
which only the evaluation may read.
"""

from hashlib import file_digest
from hashlib import sha256 as sha256_of
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from console.terminal import notice, say
from risk.catalogue import EngineTerms, FeatureSet
from risk.codes import Array
from risk.dataset import Dataset, open_dataset
from risk.dataset.column_map import ColumnMap
from risk.dataset.folder import part_files
from risk.errors import DatasetError
from risk.settings import Settings
from trainer.generate import TRUTH_SUFFIX
from trainer.matrix import Matrix, read_matrix
from trainer.replay import (
    Replay,
    check_labels_in_time,
    check_something_scored,
    currency_of,
    notices_of,
    warn_of_left_out,
    warn_of_unlabelled_days,
)
from trainer.splits import Part, Period, check_labels, check_rows, part_of, true_frauds
from trainer.train_options import TrainOptions

# What a feature set lacks where times mean nothing.
WITHOUT_CLOCK = frozenset({"customer_id", "merchant_id"})


class Stamp(NamedTuple):
    """What a file was when it was opened."""

    sha256: str
    size: int
    modified_ns: int


class Opened(NamedTuple):
    """A file ready to be read."""

    replay: Replay
    stamp: Stamp

    @property
    def path(self) -> Path:
        return self.replay.dataset.path

    def check_unchanged(self) -> None:
        """After the last row was read, and before anything is written."""
        path, stamp = self.path, self.stamp
        try:
            size, modified_ns = _size_and_time(path)
            found = f"{size:,} bytes, {'the same' if modified_ns == stamp.modified_ns else 'another'} time"
            same = (size, modified_ns) == (stamp.size, stamp.modified_ns)
        except OSError as error:
            found, same = f"none ({error.strerror})", False
        if not same:
            raise DatasetError(
                f"{path}: got a file that was changed while it was read ({found}), expected {stamp.size:,} bytes and "
                "the time of change that it had when it was opened; nothing was written. Train again on a file that "
                "rests."
            )


class History(NamedTuple):
    """A file that was read to its end."""

    matrix: Matrix
    truth: Path | None  # where the true probabilities are, if they are known


def open_history(train_options: TrainOptions) -> Opened:
    stamp = stamp_of(train_options.file)
    dataset = opened(train_options.file, train_options.columns, train_options.settings)
    feature_set = dataset.learnable
    if train_options.split.is_random:
        notice("--split random: history and ledger features are left out, because they need times that mean something")
        feature_set = FeatureSet(
            feature_set.fields - WITHOUT_CLOCK, feature_set.number_attributes, feature_set.category_attributes
        )
    replay = replay_of(dataset, train_options.settings, train_options.currency or currency_of(dataset), feature_set)
    return Opened(replay, stamp)


def read_history(file: Opened) -> History:
    replay, truth = file.replay, truth_file(file.path)
    matrix = read_matrix(replay, keep_ids=truth is not None)
    check_something_scored(replay)
    warn_of_left_out(replay)
    check_rows(matrix, file.path)
    check_labels(matrix, file.path)
    check_labels_in_time(replay)
    warn_of_unlabelled_days(replay)
    return History(matrix, truth)


def opened(path: Path, column_map: ColumnMap | None, settings: Settings) -> Dataset:
    dataset = open_dataset(path, column_map, chunk_rows=settings.chunk_rows)
    for text in notices_of(dataset):
        notice(text)
    if dataset.column_map.is_fraud is None:
        raise DatasetError(f"{path}: got no label column, expected one that says which transactions were frauds. "
                           "Name it as is_fraud in a column map; inspect proposes one.")  # fmt: skip
    if not dataset.row_count:
        raise DatasetError(f"{path}: got no rows, expected a history of transactions. Check the file.")
    return dataset


def replay_of(dataset: Dataset, settings: Settings, currency: str, feature_set: FeatureSet) -> Replay:
    terms = EngineTerms(currency, settings.label_delay, settings.bucket, settings.max_lateness)
    return Replay(dataset, terms, feature_set)


def stamp_of(path: Path) -> Stamp:
    """Taken before the first row is read: the bundle names the file that it learned from, not a later one."""
    try:
        digests = [_digest(part) for part in part_files(path)]
        size, modified_ns = _size_and_time(path)
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read ({error.strerror}), expected a file with transactions. Check the path."
        ) from None
    sha256 = digests[0] if path.is_file() else sha256_of("\n".join(digests).encode()).hexdigest()
    return Stamp(sha256, size, modified_ns)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _size_and_time(path: Path) -> tuple[int, int]:
    """Of a folder: of all its parts, and the newest."""
    states = [part.stat() for part in part_files(path)]
    return sum(one.st_size for one in states), max(one.st_mtime_ns for one in states)


class External(NamedTuple):
    path: Path
    sha256: str
    matrix: Matrix
    part: Part
    truth: Array | None


def open_external(train_options: TrainOptions, replay: Replay) -> Opened | None:
    """Ready to be read, if it was asked for; refused here, before the training, if the models could not judge it."""
    if train_options.external is None:
        return None
    stamp = stamp_of(train_options.external)
    dataset = opened(train_options.external, train_options.external_columns, train_options.settings)
    _check_fields(dataset, replay.feature_set, replay.dataset)
    currency = currency_of(dataset)
    if currency != replay.currency:
        raise DatasetError(
            f"--external {dataset.path}: got amounts in {currency}, expected {replay.currency} as in "
            f"{replay.dataset.path}; amounts and thresholds would mean something else. Convert them, or name the "
            "currency that they are in by a map (--external-columns)."
        )
    own = replay_of(dataset, train_options.settings, replay.currency, replay.feature_set)
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
    part = part_of(matrix, true_frauds(matrix, rows), period)
    say(f"            {period}: {len(rows):,} transactions, {int(part.is_fraud.sum()):,} frauds")
    file.check_unchanged()
    return External(path, file.stamp.sha256, matrix, part, truth_of(truth, matrix, part))


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
