"""Opening: makes a store where there is none, brings an older one up to date, refuses what is not one."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from risk.errors import StaleOwnerError, StoreError
from risk.store.sqlite.failures import NOT_WRITABLE, for_too_long, in_words
from risk.store.sqlite.file import Held, StoreFile, begin, place_of, when_free
from risk.store.sqlite.lock_holder import holder_of, holder_of_folder
from risk.store.sqlite.migrations import APPLICATION_ID, VERSION, library, migrate
from risk.store.sqlite.store import SqliteStore

# 64 MB hold what a commit touches; 16 MB of log between two checkpoints, so that pages that change often are written
# to the file once.
_CACHE_KIB = 65_536
_CHECKPOINT_PAGES = 4_000
BUSY_MS = 60_000


def open_store(path: Path, *, read_only: bool = False, busy_ms: int = BUSY_MS, held: Held | None = None) -> SqliteStore:
    """The store at the path, made or migrated where need be. `busy_ms`: how long to wait for other processes; with
    `held`, who writes waits on, and tells it each time who has the store."""
    if read_only:
        file = open_file_to_read(path, busy_ms)
    else:
        path = _file_at(path)
        with alone_in(path.parent, busy_ms=busy_ms, held=held):
            if not path.exists():
                # What lies there belongs to a store that was deleted; taken for this one's, it would damage it.
                clear_beside(path)
                _make_file(path)
            file = _connected(path, path.as_uri(), busy_ms, held)
    with in_words(file.path):
        file.connection.execute(f"pragma cache_size = {-_CACHE_KIB}")
    return SqliteStore(file)


def open_file_to_read(path: Path, busy_ms: int) -> StoreFile:
    path = _file_at(path)
    if not path.exists():
        raise StoreError(
            f"{path}: there is no store, expected one to read; a worker makes it, or set TRUSTLENS_DB to where it is"
        )
    return _connected(path, uri_to_read(path), busy_ms, None)


def _file_at(path: Path) -> Path:
    """Without links; a path where nothing is may become one."""
    path = Path(os.path.realpath(path))
    if path.is_dir():
        raise StoreError(f"{path}: got a folder, expected the store's file; name a file in it")
    if path.exists() and not path.is_file():
        # Who opens a pipe waits until somebody else opens it, too.
        raise StoreError(f"{path}: got a pipe, a socket or a device, expected the store's file; choose another path")
    return path


def uri_to_read(path: Path) -> str:
    """Who reads a store with a log makes files beside it, which a read-only file system refuses: there the file is read
    as one that nobody can change."""
    return f"{path.as_uri()}?mode=ro" + ("&immutable=1" if frozen_store(path) else "")


def frozen_store(path: Path) -> str | None:
    """In words that a store is read so, or None. Not where the file system is read-only for us alone, as it is mounted
    here: a worker elsewhere may write it. And not where a log lies beside it, which would be left out."""
    path = Path(os.path.realpath(path))
    log, *_ = beside(path)
    if (log.exists() and log.stat().st_size) or not _is_unwritable(path):
        return None
    return f"{path}: it lies on a read-only file system, where no worker can write it; it is read as it is there"


def _is_unwritable(path: Path) -> bool:
    """Whether the file system itself is read-only, as /proc/self/mountinfo has it: the options behind the dash."""
    try:
        if not os.statvfs(path).f_flag & os.ST_RDONLY:
            return False
        device = path.stat().st_dev
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return False  # then it is opened as any other, and what is wrong is told there
    numbers = f"{os.major(device)}:{os.minor(device)}"
    mine = [line.split(" - ")[1].split()[2].split(",") for line in mounts if line.split()[2] == numbers]
    return bool(mine) and all("ro" in options for options in mine)


@contextmanager
def alone_in(folder: Path, *, busy_ms: int = BUSY_MS, held: Held | None = None) -> Iterator[None]:
    """Who makes, migrates or replaces a store in this folder does so alone. The lock goes with its process. Others wait
    as for the store itself."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise StoreError(
            f"{folder}: {error.strerror}, expected a folder that the store can lie in; make it, or choose another"
        ) from error
    try:
        try:
            when_free(
                lambda: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB),
                lambda: holder_of_folder(folder),
                busy_ms=busy_ms,
                held=held,
            )
        except BlockingIOError as error:
            raise for_too_long(
                folder, f"a store in it is being made or replaced by {holder_of_folder(folder)}"
            ) from error
        yield
    finally:
        os.close(descriptor)


def beside(path: Path) -> list[Path]:
    """SQLite's log of a file, the index of that log, and what a crash leaves of a change of a file without one."""
    return [path.with_name(path.name + ending) for ending in ("-wal", "-shm", "-journal")]


def _make_file(path: Path) -> None:
    """It holds customers' transactions, so it is its owner's alone, whatever the umask; SQLite gives its log the same
    mode. Who wants it otherwise makes an empty file of that mode before, or changes it."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}, {NOT_WRITABLE}") from error


def clear_beside(path: Path) -> None:
    for left_over in beside(path):
        left_over.unlink(missing_ok=True)


def _connected(path: Path, uri: str, busy_ms: int, held: Held | None) -> StoreFile:
    before = place_of(path)
    with in_words(path):
        # Histories are read ahead in a thread of their own; SQLite lets one in after the other.
        connection = sqlite3.connect(
            uri, uri=True, timeout=busy_ms / 1000, isolation_level=None, check_same_thread=False
        )
        try:
            if "mode=ro" in uri:
                _check_up_to_date(connection, path)
            else:
                _bring_up_to_date(connection, path, busy_ms, held)
            place = place_of(path)
            if place is None or (before is not None and place != before):
                raise StaleOwnerError(f"{path}: another file was put there while the store was opened. Start again.")
        except BaseException:
            connection.close()
            raise
    return StoreFile(path, connection, place, held)


def _bring_up_to_date(connection: sqlite3.Connection, path: Path, busy_ms: int, held: Held | None) -> None:
    def with_log() -> str:
        schema_version(connection, path)
        [mode] = connection.execute("pragma journal_mode = wal").fetchone()
        return str(mode)

    # Readers and one writer at a time do not hold each other up; commits are not synced one by one, because what a
    # power failure takes is read from the log again. SQLite itself does not wait for whoever has the file without one.
    connection.execute("pragma busy_timeout = 0")
    mode = when_free(with_log, lambda: holder_of(path), busy_ms=busy_ms, held=held)
    if mode != "wal":
        raise StoreError(f"{path}: got journal mode {mode}, expected wal; put the store on a disk of this machine")
    connection.execute(f"pragma busy_timeout = {busy_ms}")
    connection.execute("pragma synchronous = normal")
    connection.execute(f"pragma wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    begin(connection, path, held)
    try:
        done = schema_version(connection, path)
        if done < VERSION:
            migrate(library()(connection, recursive_triggers=False, execute_plugins=False), done)
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
    tables, triggers = connection.execute("select count(*), total(type = 'trigger') from sqlite_schema").fetchone()
    if application != APPLICATION_ID and (application, version, tables) != (0, 0, 0):
        raise StoreError(
            f"{path}: got a SQLite file of another program (application id {application}, {tables} tables and "
            "indexes), expected a store of TrustLens; choose another path"
        )
    if triggers:
        # A restore would carry it into the store, where it changes with every batch what is stored.
        raise StoreError(
            f"{path}: got a store with {triggers:.0f} triggers, expected none; somebody changed it. Use a backup"
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
