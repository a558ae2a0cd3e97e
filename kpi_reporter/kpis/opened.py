"""The store's file, opened to be read and nothing else."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from risk.errors import StaleOwnerError, StoreError
from risk.store import open_store, uri_to_read
from risk.store.sqlite.failures import in_words
from risk.store.sqlite.file import place_of

BUSY_MS = 5_000


class Opened(NamedTuple):
    path: Path
    connection: sqlite3.Connection
    place: tuple[int, int]  # which file it is, whatever the path leads to later


def open_to_read(path: Path) -> Opened:
    """StoreError where there is none, or one of another schema. Texts come as bytes: most are only counted."""
    path = Path(os.path.realpath(path))
    before = _place(path)
    if before is not None and path.stat().st_size == 0:
        raise StoreError(
            f"{path}: the file is empty, expected a store. A worker that begins may be making it now; if none is, "
            "what it held is gone. Put the last backup in its place: docs/runbook.md, TrustLensStoreNotReadable"
        )
    open_store(path, read_only=True, busy_ms=BUSY_MS).close()  # which says what is wrong with it, if anything is
    with in_words(path):
        connection = sqlite3.connect(
            uri_to_read(path),
            uri=True,
            timeout=BUSY_MS / 1000,
            isolation_level=None,
            check_same_thread=False,  # one thread at a time
        )
    try:
        connection.text_factory = bytes
        place = _place(path)
        if place is None or place != before:
            raise StaleOwnerError(f"{path}: another file was put there while the store was opened; it is opened again")
    except BaseException:
        connection.close()
        raise
    return Opened(path, connection, place)


def last_written(path: Path) -> int:
    """When the file or its log was written last, by the clock of who wrote."""
    real = Path(os.path.realpath(path))
    try:
        moments = [real.stat().st_mtime]
        with suppress(FileNotFoundError):  # the log goes with its last writer
            moments.append(real.with_name(real.name + "-wal").stat().st_mtime)
    except OSError as error:
        raise _unreachable(real, error) from error
    return int(max(moments) * 1000)


def _place(path: Path) -> tuple[int, int] | None:
    try:
        if path.is_fifo():  # which would keep us waiting for ever
            raise StoreError(f"{path}: got a pipe, expected the store's file; give another path")
        return place_of(path)
    except OSError as error:
        raise _unreachable(path, error) from error


def _unreachable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path}: {error.strerror}, expected a file that may be read; change the permissions of file and folder, or "
        "give another path"
    )
