"""The open file: one connection, its transactions, and whether the path still leads to it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from risk.errors import StaleOwnerError
from risk.store.failures import in_words


def place_of(path: Path) -> tuple[int, int] | None:
    """Which file stands at the path, or None. By name and never by opening it: closing a descriptor of our own would
    take away every lock that this process has on the file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


class StoreFile:
    def __init__(self, path: Path, connection: sqlite3.Connection, place: tuple[int, int]) -> None:
        self.path = path
        self.connection = connection
        self._place = place

    def check_file(self) -> None:
        """What is written into a file that was deleted or exchanged would be lost."""
        place = place_of(self.path)
        if place != self._place:
            what = "was deleted" if place is None else "is another file now"
            raise StaleOwnerError(
                f"{self.path}: the store {what} while it was open, expected the one that was opened; nothing more is "
                "written. Start again."
            )

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it or nothing. Immediate, so that who waits does so before having read anything."""
        with in_words(self.path):
            self.connection.execute("begin immediate")
            try:
                self.check_file()
                yield self.connection
                self.connection.execute("commit")
            except BaseException:
                # SQLite itself rolls back after some failures.
                if self.connection.in_transaction:
                    self.connection.execute("rollback")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Statements that need not agree with each other; nothing stays open that would hold up a checkpoint."""
        with in_words(self.path):
            yield self.connection

    def close(self) -> None:
        with in_words(self.path):
            self.connection.close()
