"""What SQLite says, in words: what failed, where, what was expected and what to do."""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from risk.clock import LATEST
from risk.errors import StoreBusyError, StoreError
from risk.store.rows import IF_DAMAGED

Row = TypeVar("Row", bound=NamedTuple)

_FULL = "expected room for it; make room on that disk and start again"
NOT_WRITABLE = "expected a file and folder that may be written; change their permissions, or choose another store"
_NOT_A_STORE = "expected a store of TrustLens; choose another path, or restore a backup over it"
_BROKEN = "expected a whole store; keep the file for inspection and restore a backup, or begin with a new store"

_ADVICE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: "expected a disk that can be read and written, with room; look at the disk and start again",
    sqlite3.SQLITE_READONLY: NOT_WRITABLE,
    sqlite3.SQLITE_PERM: NOT_WRITABLE,
    sqlite3.SQLITE_CANTOPEN: NOT_WRITABLE,
    sqlite3.SQLITE_NOTADB: _NOT_A_STORE,
    sqlite3.SQLITE_CORRUPT: _BROKEN,
}
_TIMES = {
    "event_time", "first_event_time", "newest_event_time", "waiting_head",
    "stored_at", "refused_at", "begun_at", "alive_at", "ended_at",
}  # fmt: skip
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Failures of SQLite become the family of `risk.errors`."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(error, path) from error


def for_too_long(path: Path, what: str) -> StoreBusyError:
    return StoreBusyError(
        f"{path}: {what} for longer than the limit; expected other processes to let go of it. See who holds it, "
        "and try again"
    )


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process has the lock."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY


def _translated(error: sqlite3.Error, path: Path) -> StoreError:
    # The low byte is the kind; what is above it tells finer ones apart. Mistakes of the caller carry no code.
    code = getattr(error, "sqlite_errorcode", None)
    kind = None if code is None else code & 0xFF
    if is_busy(error):
        return for_too_long(path, str(error))
    if kind == sqlite3.SQLITE_CANTOPEN and path.exists() and os.statvfs(path).f_flag & os.ST_RDONLY:
        return StoreError(
            f"{path}: {error}; its file system is read-only here, and a store that a worker writes, or whose log "
            "(-wal) still lies beside it, cannot be read there. Copy it with its -wal to where files may be written, "
            "or read a backup"
        )
    if "decode to UTF-8" in str(error):  # by Python, of a text that nobody wrote
        return StoreError(f"{path}: {error}; {_BROKEN}")
    advice = _ADVICE.get(kind or 0, "expected this to be possible; it is a mistake in the program or the store")
    return StoreError(f"{path}: {error}; {advice}")


def with_times(table: str, kind: type[Row], rows: Iterable[Sequence[Any]]) -> list[Row]:
    """StoreError where a row has a moment of no calendar: nobody could show it, and whoever goes through the days until
    then would fill the memory."""
    found = [kind._make(row) for row in rows]
    for row in found:
        for column, moment in zip(kind._fields, row, strict=True):
            if column in _TIMES and moment is not None and not 0 <= moment <= LATEST:
                raise StoreError(f"{table}: got {moment} as {column}, expected ms from 1970 until 2200; {IF_DAMAGED}")
    return found
