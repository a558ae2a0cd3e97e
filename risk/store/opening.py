"""Opening: makes a store where there is none, brings an older one up to date, refuses what is not one."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from risk.errors import StaleOwnerError, StoreError
from risk.store.failures import in_words
from risk.store.migrations import APPLICATION_ID, VERSION, migrate
from risk.store.store import Store
from risk.store.store_file import StoreFile, place_of

# 64 MB hold what a commit touches; 16 MB of log between two checkpoints, so that pages that change often are written
# to the file once.
_CACHE_KIB = 65_536
_CHECKPOINT_PAGES = 4_000


def open_store(path: Path, *, read_only: bool = False, busy_ms: int = 60_000) -> Store:
    """The store at the path, made or migrated where need be. `busy_ms`: how long to wait for other processes."""
    path = Path(os.path.realpath(path))
    if path.is_dir():
        raise StoreError(f"{path}: got a folder, expected the store's file; name a file in it")
    if read_only and not path.exists():
        raise StoreError(
            f"{path}: there is no store, expected one to read; a worker makes it, or set TRUSTLENS_DB to where it is"
        )
    if read_only:
        return Store(_connected(path, f"{path.as_uri()}?mode=ro", busy_ms))
    with alone_in(path.parent):
        if not path.exists():
            # What lies there belongs to a store that was deleted; taken for this one's, it would damage it.
            clear_beside(path)
        return Store(_connected(path, path.as_uri(), busy_ms))


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Who makes, migrates or replaces a store in this folder does so alone. The lock goes with its process."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise StoreError(
            f"{folder}: {error.strerror}, expected a folder that the store can lie in; make it, or choose another"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def beside(path: Path) -> list[Path]:
    """SQLite's log of a file and the index of that log."""
    return [path.with_name(path.name + ending) for ending in ("-wal", "-shm")]


def clear_beside(path: Path) -> None:
    for left_over in beside(path):
        left_over.unlink(missing_ok=True)


def _connected(path: Path, uri: str, busy_ms: int) -> StoreFile:
    before = place_of(path)
    with in_words(path):
        connection = sqlite3.connect(uri, uri=True, timeout=busy_ms / 1000, isolation_level=None)
        try:
            if uri.endswith("mode=ro"):
                _check_up_to_date(connection, path)
            else:
                _bring_up_to_date(connection, path)
            connection.execute(f"pragma cache_size = {-_CACHE_KIB}")
        except BaseException:
            connection.close()
            raise
    place = place_of(path)
    if place is None or (before is not None and place != before):
        connection.close()
        raise StaleOwnerError(f"{path}: another file was put there while the store was opened. Start again.")
    return StoreFile(path, connection, place)


def _bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    schema_version(connection, path)
    # Readers and one writer at a time do not hold each other up; commits are not synced one by one, because what a
    # power failure takes is read from the log again.
    [mode] = connection.execute("pragma journal_mode = wal").fetchone()
    if mode != "wal":
        raise StoreError(f"{path}: got journal mode {mode}, expected wal; put the store on a disk of this machine")
    connection.execute("pragma synchronous = normal")
    connection.execute(f"pragma wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    connection.execute("begin immediate")
    try:
        done = schema_version(connection, path)
        if done < VERSION:
            # Here, because it loads pandas where that is installed: 60 MB that only who makes a store has use for.
            from sqlite_utils import Database

            migrate(Database(connection, recursive_triggers=False, execute_plugins=False), done)
        # Changes nothing, but is a write: a file that may not be written is found out here, and not by the first batch.
        connection.execute("update ledger_progress set next_offset = next_offset")
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def schema_version(connection: sqlite3.Connection, path: Path) -> int:
    """How many steps the schema has gone through; 0 for an empty file. StoreError for what is not ours."""
    [application] = connection.execute("pragma application_id").fetchone()
    [version] = connection.execute("pragma user_version").fetchone()
    [tables] = connection.execute("select count(*) from sqlite_schema").fetchone()
    if application != APPLICATION_ID and (application, version, tables) != (0, 0, 0):
        raise StoreError(
            f"{path}: got a SQLite file of another program (application id {application}, {tables} tables and "
            "indexes), expected a store of TrustLens; choose another path"
        )
    if version > VERSION:
        raise StoreError(
            f"{path}: got a store of schema version {version}, expected at most {VERSION}; it was written by a newer "
            "TrustLens. Use that one, or begin with a new store."
        )
    return int(version)


def _check_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    version = schema_version(connection, path)
    if version < VERSION:
        raise StoreError(
            f"{path}: got a store of schema version {version}, expected {VERSION}; who only reads cannot change it. "
            "Start a worker, which brings it up to date."
        )
