"""A copy of the store while others write it."""

import os
import sqlite3
from pathlib import Path

from risk.errors import StoreError
from risk.store.failures import in_words
from risk.store.part import Part


class Copies(Part):
    def backup(self, target: Path) -> None:
        """One whole file, as the store was at one moment. Workers go on writing meanwhile."""
        if target.exists():
            raise StoreError(f"{target}: there is a file already, expected none; choose another name, or remove it")
        copy_whole(self._file.connection, target)


def copy_whole(source: sqlite3.Connection, target: Path) -> None:
    """A copy that is whole or not there: made beside the target, and then given its name."""
    made = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with in_words(target):
            connection = sqlite3.connect(made, isolation_level=None)
            try:
                # In one piece: a copy in steps begins again whenever another process writes in between.
                source.backup(connection)
                # A copy needs no log of its own, so that it is one file.
                connection.execute("pragma journal_mode = delete")
            finally:
                connection.close()
        made.replace(target)
    except OSError as error:
        raise StoreError(f"{target}: {error.strerror}; expected a place that can be written, with room") from error
    finally:
        made.unlink(missing_ok=True)
