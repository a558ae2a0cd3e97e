"""Puts a backup in the place of a store, with nobody at work on it."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from risk.errors import StoreBusyError, StoreError
from risk.store.sqlite.copies import copy_whole, mode_of
from risk.store.sqlite.failures import in_words
from risk.store.sqlite.migrations import expected_schema, schema_of
from risk.store.sqlite.opening import alone_in, clear_beside, schema_version, uri_to_read


def at_once() -> bool:
    return False


def restore_store(source: Path, target: Path, *, force: bool, may_wait: Callable[[], bool] = at_once) -> None:
    """The store at `target` is that of the backup afterwards, or what it was before. Refuses while anybody has the
    target open; `may_wait`: waits a little where that is so, and says whether to look again. `force`: a store may be
    there already."""
    target = Path(os.path.realpath(target))
    if not source.is_file():
        raise StoreError(f"{source}: there is no such file, expected a backup of a store")
    with alone_in(target.parent):
        if target.exists() and not force:
            raise StoreError(
                f"{target}: there is a store already, expected none; say --force to put the backup in its place, or "
                "choose another path"
            )
        with _checked_backup(source) as backup, nobody_at(target, may_wait):
            # A store that only its owner may read stays one.
            mode = mode_of(target if target.exists() else source)
            # Before the name changes hands: the old store's log, taken for the new one's, would damage it.
            clear_beside(target)
            copy_whole(backup, target, mode)


@contextmanager
def _checked_backup(path: Path) -> Iterator[sqlite3.Connection]:
    with in_words(path):
        connection = sqlite3.connect(uri_to_read(path.absolute()), uri=True, isolation_level=None)
        try:
            version = schema_version(connection, path)
            if version == 0:
                raise StoreError(f"{path}: got an empty file, expected a backup of a store; take another one")
            _check_schema(connection, path, version)
            [verdict] = connection.execute("pragma quick_check(1)").fetchone()
            if verdict != "ok":
                said = " ".join(verdict.split())
                raise StoreError(f"{path}: {said}, expected a whole backup; take another one")
            yield connection
        finally:
            connection.close()


def _check_schema(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """What says of itself that it is a store of that version may have been changed by anybody: without a table a worker
    would end at some batch, and by a constraint of somebody's it would store something else."""
    got, expected = schema_of(connection), expected_schema(version)
    wrong = sorted(name for name in got.keys() | expected if got.get(name) != expected.get(name))
    if wrong:
        raise StoreError(
            f"{path}: got other tables or indexes than version {version} of a store has ({', '.join(wrong)}), expected "
            "those that a worker made; somebody changed it. Take another backup"
        )


@contextmanager
def nobody_at(target: Path, may_wait: Callable[[], bool] = at_once) -> Iterator[None]:
    """Holds the target so that nobody else can open it meanwhile."""
    if not target.exists():
        yield
        return
    with in_words(target):
        connection = sqlite3.connect(target, timeout=0, isolation_level=None)
        try:
            _lock_when_free(connection, target, may_wait)
            yield
        finally:
            connection.close()


def _lock_when_free(connection: sqlite3.Connection, target: Path, may_wait: Callable[[], bool]) -> None:
    """SQLite itself does not wait for readers where a file is to give up its log."""
    while True:
        try:
            _lock(connection, target)
            break
        except StoreBusyError:
            if not may_wait():
                raise


def _lock(connection: sqlite3.Connection, target: Path) -> None:
    try:
        schema_version(connection, target)  # what is not a store is never replaced
        # Only who is alone may give the log up, and it is copied into the file first.
        connection.execute("pragma journal_mode = delete")
        connection.execute("begin exclusive")
    except sqlite3.DatabaseError as error:
        kind = error.sqlite_errorcode & 0xFF
        if kind == sqlite3.SQLITE_BUSY:
            raise StoreBusyError(
                f"{target}: somebody has the store open, expected nobody; stop the workers, end what else reads it, "
                "and try again"
            ) from error
        # A malformed store cannot be locked, but whoever has it open still cannot do harm: before each write they see
        # that another file is in its place.
        if kind != sqlite3.SQLITE_CORRUPT:
            raise
