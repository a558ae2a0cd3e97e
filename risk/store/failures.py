"""What SQLite says, in words: what failed, where, what was expected and what to do."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from risk.errors import StoreBusyError, StoreError

_FULL = "expected room for it; make room on that disk and start again"
_NOT_WRITABLE = "expected a file and folder that may be written; change their permissions, or choose another store"
_NOT_A_STORE = "expected a store of TrustLens; choose another path, or restore a backup over it"
_BROKEN = "expected a whole store; keep the file for inspection and restore a backup, or begin with a new store"

_ADVICE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: "expected a disk that can be read and written, with room; look at the disk and start again",
    sqlite3.SQLITE_READONLY: _NOT_WRITABLE,
    sqlite3.SQLITE_PERM: _NOT_WRITABLE,
    sqlite3.SQLITE_CANTOPEN: _NOT_WRITABLE,
    sqlite3.SQLITE_NOTADB: _NOT_A_STORE,
    sqlite3.SQLITE_CORRUPT: _BROKEN,
}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Failures of SQLite become the family of `risk.errors`."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(error, path) from error


def _translated(error: sqlite3.Error, path: Path) -> StoreError:
    # The low byte is the kind; what is above it tells finer ones apart. Mistakes of the caller carry no code.
    code = getattr(error, "sqlite_errorcode", None)
    kind = None if code is None else code & 0xFF
    if kind in _BUSY:
        return StoreBusyError(
            f"{path}: {error} for longer than the limit; expected other processes to let go of it. See who holds it, "
            "and try again"
        )
    advice = _ADVICE.get(kind or 0, "expected this to be possible; it is a mistake in the program or the store")
    return StoreError(f"{path}: {error}; {advice}")
