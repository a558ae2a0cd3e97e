"""Backups while others write, and restoring: whole or not at all, and never under anybody's feet."""

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlite_utils import Database

from risk.errors import StaleOwnerError, StoreBusyError, StoreError
from risk.store import Store, open_store, restore_store
from risk.store.sqlite.migrations import STEPS, VERSION, migrate
from risk.store.sqlite.restoring import nobody_at
from testing.stores import NOTHING_SENT, TRANSACTIONS, flag, held_by_another, store_flags
from tests.cases import NEW_YEAR


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "risk.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path) as made:
        store_flags(made, [flag(0)])
        yield made


@pytest.fixture
def backup(store: Store, tmp_path: Path) -> Path:
    """Of the store with one flag; a second one came later."""
    target = tmp_path / "backup.db"
    store.backup(target)
    store_flags(store, [flag(1)])
    return target


def offsets(path: Path) -> list[int]:
    with open_store(path) as store:
        return [row.source_offset for row in store.flags()]


def test_a_backup_is_one_file_with_what_the_store_held(backup: Path) -> None:
    connection = sqlite3.connect(backup)
    assert connection.execute("pragma journal_mode").fetchone() == ("delete",)  # it needs no log beside it
    connection.close()
    assert [found.name for found in backup.parent.iterdir() if "backup" in found.name] == ["backup.db"]
    assert offsets(backup) == [0]


def test_a_backup_can_be_made_while_another_process_writes(store: Store, path: Path, tmp_path: Path) -> None:
    with held_by_another(path, "begin immediate"):
        store.backup(tmp_path / "backup.db")
    assert offsets(tmp_path / "backup.db") == [0]


def test_a_backup_replaces_nothing(store: Store, tmp_path: Path) -> None:
    (tmp_path / "backup.db").write_text("mine")
    with pytest.raises(StoreError, match="there is a file already"):
        store.backup(tmp_path / "backup.db")
    assert (tmp_path / "backup.db").read_text() == "mine"


def test_a_backup_to_nowhere_is_said_and_leaves_nothing(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"backup\.db: No such file"):
        store.backup(tmp_path / "nowhere" / "backup.db")


def test_a_backup_takes_the_place_of_a_store(store: Store, backup: Path, path: Path) -> None:
    store.close()
    restore_store(backup, path, force=True)
    assert offsets(path) == [0]
    assert offsets(backup) == [0]


def test_a_worker_goes_on_from_where_the_backup_was(store: Store, backup: Path, path: Path) -> None:
    store.close()
    restore_store(backup, path, force=True)
    with open_store(path) as restored:
        taken = restored.take_over(TRANSACTIONS, 0, first_offset=0)
    assert (taken.next_offset, taken.owner.epoch) == (1, 2)


def test_the_log_of_the_old_store_is_not_taken_for_that_of_the_backup(store: Store, backup: Path, path: Path) -> None:
    """Whoever copies a backup over a store by hand and leaves its log beside it gets a malformed one."""
    store.close()
    path.unlink()
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).write_bytes(b"left over" * 1000)
    restore_store(backup, path, force=False)
    assert offsets(path) == [0]


def test_an_unfinished_log_of_the_old_store_does_not_outlive_it(backup: Path, path: Path) -> None:
    """A worker that was killed leaves its log beside the store."""
    killed = path.read_bytes(), path.with_name("risk.db-wal").read_bytes()
    assert len(killed[1]) > 0
    path.unlink()
    path.write_bytes(killed[0])
    path.with_name("risk.db-wal").write_bytes(killed[1])
    restore_store(backup, path, force=True)
    assert offsets(path) == [0]


def test_an_unfinished_change_of_a_deleted_store_is_not_taken_for_one_of_the_backup(
    store: Store, backup: Path, path: Path
) -> None:
    """SQLite rolls back what it finds beside a file, whichever file that was."""
    store.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = delete")
    connection.execute("pragma cache_spill = 1")
    connection.execute("begin")
    connection.execute("update risk_flags set customer_id = hex(zeroblob(10000))")
    left_over = path.with_name("risk.db-journal")
    before = left_over.read_bytes()
    connection.close()
    path.unlink()
    left_over.write_bytes(before)
    restore_store(backup, path, force=False)
    assert not left_over.exists()
    assert offsets(path) == [0]


def test_a_store_is_not_replaced_unless_that_is_said(store: Store, backup: Path, path: Path) -> None:
    store.close()
    with pytest.raises(StoreError, match="there is a store already, expected none; say --force"):
        restore_store(backup, path, force=False)
    assert offsets(path) == [0, 1]


@pytest.mark.parametrize("statement", ["select 1", "begin immediate", "begin"])
def test_a_store_that_another_process_holds_is_not_replaced(
    store: Store, backup: Path, path: Path, statement: str
) -> None:
    store.close()
    with (
        held_by_another(path, statement),
        pytest.raises(StoreBusyError, match="somebody has the store open, expected nobody; stop the workers"),
    ):
        restore_store(backup, path, force=True)
    assert offsets(path) == [0, 1]


def test_a_store_that_this_process_holds_is_not_replaced(store: Store, backup: Path, path: Path) -> None:
    with pytest.raises(StoreBusyError, match="somebody has the store open"):
        restore_store(backup, path, force=True)
    assert [row.source_offset for row in store.flags()] == [0, 1]


def test_whoever_restores_can_wait_until_a_reader_lets_go(store: Store, backup: Path, path: Path) -> None:
    store.close()
    with held_by_another(path, "select 1") as reader, ThreadPoolExecutor(1) as meanwhile:
        looked = threading.Event()
        restoring = meanwhile.submit(restore_store, backup, path, force=True, may_wait=lambda: looked.set() or True)
        looked.wait()
        assert not restoring.done()
        assert reader.stdin is not None
        reader.stdin.close()
        restoring.result()
    assert offsets(path) == [0]


def test_nobody_can_open_a_store_while_it_is_replaced(store: Store, path: Path) -> None:
    store.close()
    with nobody_at(path), pytest.raises(StoreBusyError):
        open_store(path, busy_ms=1)
    assert offsets(path) == [0]


def test_what_is_no_backup_is_not_restored(store: Store, path: Path, tmp_path: Path) -> None:
    store.close()
    (tmp_path / "text").write_text("no store " * 1000)
    sqlite3.connect(tmp_path / "empty").close()
    for name, words in (("missing", "no such file"), ("text", "not a database"), ("empty", "an empty file")):
        with pytest.raises(StoreError, match=words):
            restore_store(tmp_path / name, path, force=True)
    assert offsets(path) == [0]


def test_a_damaged_backup_is_not_restored(store: Store, path: Path, tmp_path: Path) -> None:
    store_flags(store, [flag(offset) for offset in range(1, 800)])
    target = tmp_path / "backup.db"
    store.backup(target)
    store.close()
    content = bytearray(target.read_bytes())
    content[-4096:] = b"\x7f" * 4096  # the last page: flags have it, which came after all tables
    target.write_bytes(bytes(content))
    with pytest.raises(StoreError, match=r"backup\.db: .*expected a whole backup"):
        restore_store(target, path, force=True)
    assert len(offsets(path)) == 800


def test_a_malformed_store_can_be_replaced(store: Store, backup: Path, path: Path) -> None:
    """It cannot be locked; but that is when a backup is wanted most."""
    store.close()
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * 3996
    path.write_bytes(bytes(content))
    with pytest.raises(StoreError, match="malformed"):
        offsets(path)
    restore_store(backup, path, force=True)
    assert offsets(path) == [0]


def test_what_is_no_store_is_not_replaced(backup: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.db"
    connection = sqlite3.connect(notes)
    connection.execute("create table notes (text)")
    connection.close()
    letter = tmp_path / "letter"
    letter.write_text("dear all, " * 1000)
    for target in (notes, letter):
        before = target.read_bytes()
        with pytest.raises(StoreError, match="expected a store of TrustLens"):
            restore_store(backup, target, force=True)
        assert target.read_bytes() == before


def test_who_had_the_old_store_open_does_not_write_into_the_restored_one(
    store: Store, backup: Path, path: Path, tmp_path: Path
) -> None:
    owner = store.take_over(TRANSACTIONS, 0, first_offset=0).owner
    path.rename(tmp_path / "moved.db")
    restore_store(backup, path, force=False)
    with pytest.raises(StaleOwnerError, match="is another file now"):
        store.commit_flags(
            owner, expected=2, next_offset=3, newest_event_time=NEW_YEAR, outputs=NOTHING_SENT, rows=[flag(2)]
        )
    store.close()
    assert offsets(path) == [0]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("private", [0o600, 0o640])
def test_a_copy_is_read_by_no_one_who_may_not_read_the_original(
    store: Store, path: Path, tmp_path: Path, private: int
) -> None:
    """They hold customers' transactions, and whoever runs `backup` has an ordinary umask."""
    path.chmod(private)
    store.backup(tmp_path / "backup.db")
    store.close()
    assert mode(tmp_path / "backup.db") == private
    restore_store(tmp_path / "backup.db", tmp_path / "new.db", force=False)
    assert mode(tmp_path / "new.db") == private
    (tmp_path / "backup.db").chmod(0o644)
    restore_store(tmp_path / "backup.db", path, force=True)
    assert mode(path) == private


def test_a_copy_is_not_written_where_a_link_leads(store: Store, tmp_path: Path) -> None:
    """Whose name can be guessed, in a folder that others may write."""
    other = tmp_path / "other"
    other.write_bytes(b"")
    (tmp_path / f".backup.db.{os.getpid()}.part").symlink_to(other)
    store.backup(tmp_path / "backup.db")
    assert other.read_bytes() == b""
    assert not (tmp_path / "backup.db").is_symlink()


def test_a_backup_that_changes_what_is_stored_is_refused(backup: Path, tmp_path: Path) -> None:
    connection = sqlite3.connect(backup)
    connection.execute("create trigger mine after insert on risk_flags begin delete from labels; end")
    connection.close()
    with pytest.raises(StoreError, match="got a store with 1 triggers, expected none"):
        restore_store(backup, tmp_path / "new.db", force=False)
    assert not (tmp_path / "new.db").exists()
    with pytest.raises(StoreError, match="got a store with 1 triggers, expected none"):
        open_store(backup)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("drop table bundles", "bundles"),
        ("create table mine (text)", "mine"),
        ("drop index flags_by_event_time", "flags_by_event_time"),
        ("create unique index mine on risk_flags (customer_id)", "mine"),
        ("alter table labels add column mine text", "labels"),
        ("alter table labels rename column source to origin", "labels"),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_a_backup_with_other_tables_is_refused(
    store: Store, backup: Path, path: Path, change: str, named: str, force: bool
) -> None:
    store.close()
    target = path if force else path.with_name("new.db")
    connection = sqlite3.connect(backup)
    connection.execute(change)
    connection.close()
    with pytest.raises(StoreError, match=rf"got other tables or indexes than version {VERSION} .*\({named}"):
        restore_store(backup, target, force=force)
    assert offsets(path) == [0, 1]
    assert force or not target.exists()


@pytest.mark.parametrize("done", range(1, VERSION + 1))
def test_a_backup_of_every_version_is_taken(tmp_path: Path, done: int) -> None:
    """However the library of its time wrote spaces and quotes."""
    connection = sqlite3.connect(tmp_path / "old.db", isolation_level=None)
    migrate(Database(connection), 0, STEPS[:done])
    connection.execute("pragma writable_schema = on")
    connection.execute("update sqlite_schema set sql = replace(replace(sql, '\"', '`'), ', ', ',\n    ')")
    connection.close()
    restore_store(tmp_path / "old.db", tmp_path / "new.db", force=False)
    assert offsets(tmp_path / "new.db") == []
