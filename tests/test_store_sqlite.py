"""The SQLite store keeps what every store promises; and what it adds of its own."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from risk.clock import DAY
from risk.errors import StoreError
from risk.events import Label
from risk.store import SqliteStore, Store, StoreToReport, open_store, open_to_report
from risk.store.sqlite.reading import LABELS_AT_ONCE
from testing.stores import NEW_YEAR, flag, store_flags, store_labels
from tests.store_conformance.batches import Batches
from tests.store_conformance.learning import Learning
from tests.store_conformance.ledger import Ledger
from tests.store_conformance.pruning import Pruning
from tests.store_conformance.reading_back import ReadingBack
from tests.store_conformance.reporting import Reporting
from tests.store_conformance.shadow import Shadow


@contextmanager
def sqlite_store() -> Iterator[Store]:
    with TemporaryDirectory() as folder, open_store(Path(folder) / "risk.db") as store:
        yield store


@contextmanager
def written_and_reported() -> Iterator[tuple[Store, StoreToReport]]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "risk.db"
        with open_store(path) as store, closing(open_to_report(path)) as report:
            yield store, report


class TestBatches(Batches):
    new_store = staticmethod(sqlite_store)


class TestReadingBack(ReadingBack):
    new_store = staticmethod(sqlite_store)


class TestLedger(Ledger):
    new_store = staticmethod(sqlite_store)


class TestLearning(Learning):
    new_store = staticmethod(sqlite_store)


class TestPruning(Pruning):
    new_store = staticmethod(sqlite_store)


class TestShadow(Shadow):
    new_store = staticmethod(sqlite_store)


class TestReporting(Reporting):
    new_stores = staticmethod(written_and_reported)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with open_store(tmp_path / "risk.db") as made:
        yield made


def test_a_value_of_another_type_is_refused(store: SqliteStore) -> None:
    """A number of another library would be stored as bytes, and read back as something else."""
    with pytest.raises(StoreError, match="cannot store TEXT value in REAL column"):
        store_flags(store, [flag(0)._replace(score="much")])  # type: ignore[arg-type]


def test_a_row_that_is_there_already_is_named_with_the_file(store: SqliteStore) -> None:
    store_flags(store, [flag(0)])
    with pytest.raises(StoreError, match=r"risk\.db: UNIQUE constraint failed"):
        store_flags(store, [flag(0)])


def test_reading_labels_holds_up_no_checkpoint(store: SqliteStore, tmp_path: Path) -> None:
    """Whoever reads them works on each piece for a while."""
    count = LABELS_AT_ONCE + 1
    store_labels(store, [Label(f"t{n}", "ann", True, NEW_YEAR, "desk") for n in range(count)])
    with closing(open_to_report(tmp_path / "risk.db")) as report:
        pieces = report.label_keys(0, -1, count, only_frauds=True)
        found = len(next(pieces))
        with closing(sqlite3.connect(tmp_path / "risk.db")) as other:
            busy, _, _ = other.execute("pragma wal_checkpoint(truncate)").fetchone()
        assert busy == 0
        assert found + sum(map(len, pieces)) == count


def versions(store: SqliteStore, path: Path) -> list[tuple[object, ...]]:
    store.close()
    connection = sqlite3.connect(path)
    rows = connection.execute(
        "select transaction_id, labelled_at, is_fraud, source, source_offset from labels order by source_offset"
    ).fetchall()
    connection.close()
    return rows


def test_every_version_of_a_label_is_kept(store: SqliteStore, tmp_path: Path) -> None:
    labels = [
        Label("t1", "ann", True, NEW_YEAR, "desk"),
        Label("t1", "ann", False, NEW_YEAR, "desk"),
        Label("t1", "ann", False, NEW_YEAR + 1, "desk"),
        Label("t1", "ann", False, NEW_YEAR + 1, "bank"),
    ]
    store_labels(store, labels)
    assert versions(store, tmp_path / "risk.db") == [
        ("t1", NEW_YEAR, 1, "desk", 0),
        ("t1", NEW_YEAR, 0, "desk", 1),
        ("t1", NEW_YEAR + 1, 0, "desk", 2),
        ("t1", NEW_YEAR + 1, 0, "bank", 3),
    ]


def test_a_repeated_label_only_moves_its_offset_on(store: SqliteStore, tmp_path: Path) -> None:
    said, denied = Label("t1", "ann", True, NEW_YEAR, "desk"), Label("t1", "ann", False, NEW_YEAR, "desk")
    store_labels(store, [said, denied, said])
    assert versions(store, tmp_path / "risk.db") == [
        ("t1", NEW_YEAR, 0, "desk", 1),
        ("t1", NEW_YEAR, 1, "desk", 2),
    ]


def test_no_features_stay_behind_without_their_flag(tmp_path: Path) -> None:
    """Nobody would read them, and the file would grow for ever."""
    path = tmp_path / "risk.db"
    with open_store(path) as store:
        rows = [flag(offset, NEW_YEAR + offset * DAY) for offset in range(10)]
        store_flags(store, rows, samples=[(0, offset, b"one") for offset in range(0, 10, 3)])
        store.remove({0: NEW_YEAR + 6 * DAY}, 0, {})
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select source_offset from feature_samples").fetchall() == [(6,), (9,)]
