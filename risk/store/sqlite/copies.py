"""A copy of the store while others write it."""

import os
import shutil
import sqlite3
import stat
from pathlib import Path

from risk.errors import StoreError
from risk.store.sqlite.failures import in_words
from risk.store.sqlite.file import StoreFile


def backup(file: StoreFile, target: Path) -> None:
    if target.exists():
        raise StoreError(f"{target}: there is a file already, expected none; choose another name, or remove it")
    copy_whole(file.connection, target, mode_of(file.path))


def mode_of(path: Path) -> int:
    """Who may read and write the file."""
    return stat.S_IMODE(path.stat().st_mode)


def copy_whole(source: sqlite3.Connection, target: Path, mode: int) -> None:
    """A copy that is whole or not there: made beside the target, and then given its name. `mode`: who may read it and
    write it; until it is whole nobody else may."""
    made = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        _check_room(source, target)
        made.unlink(missing_ok=True)
        # Ours from the first byte: not where a link of somebody else's leads.
        os.close(os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with in_words(target):
            connection = sqlite3.connect(made, isolation_level=None)
            try:
                # In one piece: a copy in steps begins again whenever another process writes in between.
                source.backup(connection)
                # A copy needs no log of its own, so that it is one file.
                connection.execute("pragma journal_mode = delete")
            finally:
                connection.close()
        made.chmod(mode)
        made.replace(target)
    except OSError as error:
        raise StoreError(f"{target}: {error.strerror}; expected a place that can be written, with room") from error
    finally:
        for left in (made, made.with_name(made.name + "-journal")):
            left.unlink(missing_ok=True)


def _check_room(source: sqlite3.Connection, target: Path) -> None:
    """Before a byte is written. What is written meanwhile, by workers or by others, may still fill the disk."""
    [pages] = source.execute("pragma page_count").fetchone()
    [size] = source.execute("pragma page_size").fetchone()
    free = shutil.disk_usage(target.parent).free
    if free < pages * size:
        raise StoreError(
            f"{target}: got {free:,} bytes of room on its disk, expected {pages * size:,} for the copy; nothing was "
            "written. Make room, or choose another disk"
        )
