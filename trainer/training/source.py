"""The files that a training reads: opened, with a label, and sent through the engine; and the same to the end."""

from hashlib import file_digest
from hashlib import sha256 as sha256_of
from pathlib import Path
from typing import NamedTuple

from console.terminal import notice
from risk.catalogue import EngineTerms, FeatureSet
from risk.dataset import Dataset, open_dataset
from risk.dataset.column_map import ColumnMap
from risk.dataset.parquet_file import part_files
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


def check_unchanged(path: Path, stamp: Stamp) -> None:
    """After the last row was read, and before anything is written."""
    try:
        size, modified_ns = _size_and_time(path)
        found = f"{size:,} bytes, {'the same' if modified_ns == stamp.modified_ns else 'another'} time"
        same = (size, modified_ns) == (stamp.size, stamp.modified_ns)
    except OSError as error:
        found, same = f"none ({error.strerror})", False
    if not same:
        raise DatasetError(
            f"{path}: got a file that was changed while it was read ({found}), expected {stamp.size:,} bytes and the "
            "time of change that it had when it was opened; nothing was written. Train again on a file that rests."
        )
