"""The files that a training reads: opened, with a label, and sent through the engine; and the same to the end."""

from hashlib import file_digest
from pathlib import Path
from typing import NamedTuple

from console.terminal import notice
from risk.catalogue import FeatureSet
from risk.dataset import Dataset, open_dataset
from risk.dataset.column_map import ColumnMap
from risk.errors import DatasetError
from risk.settings import Settings
from trainer.replay import Replay


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


def opened(path: Path, column_map: ColumnMap | None, settings: Settings) -> Dataset:
    dataset = open_dataset(path, column_map, chunk_rows=settings.chunk_rows)
    for text in dataset.notices:
        notice(text)
    if dataset.column_map.is_fraud is None:
        raise DatasetError(f"{path}: got no label column, expected one that says which transactions were frauds. "
                           "Name it as is_fraud in a column map; inspect proposes one.")  # fmt: skip
    if not dataset.row_count:
        raise DatasetError(f"{path}: got no rows, expected a history of transactions. Check the file.")
    return dataset


def replay_of(dataset: Dataset, settings: Settings, currency: str, feature_set: FeatureSet) -> Replay:
    return Replay(
        dataset,
        label_delay_days=settings.label_delay,
        bucket_ms=settings.bucket,
        max_lateness_ms=settings.max_lateness,
        currency=currency,
        feature_set=feature_set,
    )


def stamp_of(path: Path) -> Stamp:
    """Taken before the first row is read: the bundle names the file that it learned from, not a later one."""
    if path.is_dir():
        raise DatasetError(f"{path}: got a folder, expected a file with transactions. Name one in it.")
    try:
        with path.open("rb") as file:
            sha256 = file_digest(file, "sha256").hexdigest()
        status = path.stat()
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read ({error.strerror}), expected a file with transactions. Check the path."
        ) from None
    return Stamp(sha256, status.st_size, status.st_mtime_ns)


def check_unchanged(path: Path, stamp: Stamp) -> None:
    """After the last row was read, and before anything is written."""
    try:
        status = path.stat()
        found = f"{status.st_size:,} bytes, {'the same' if status.st_mtime_ns == stamp.modified_ns else 'another'} time"
        same = (status.st_size, status.st_mtime_ns) == (stamp.size, stamp.modified_ns)
    except OSError as error:
        found, same = f"none ({error.strerror})", False
    if not same:
        raise DatasetError(
            f"{path}: got a file that was changed while it was read ({found}), expected {stamp.size:,} bytes and the "
            "time of change that it had when it was opened; nothing was written. Train again on a file that rests."
        )
