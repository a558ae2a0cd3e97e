"""The open file: one connection, its transactions, and whether the path still leads to it."""

import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain, compress, count
from pathlib import Path
from threading import Event
from typing import TypeVar

from risk.errors import StaleOwnerError
from risk.store.sqlite.failures import in_words, is_busy
from risk.store.sqlite.lock_holder import holder_of

Held = Callable[[str], None]
Answer = TypeVar("Answer")

# Not every lock can be waited for with a limit: then it is asked for again.
LOOKS_EVERY_MS = 50
# Larger ones gain nothing; the smaller ones are for the rest.
ROWS_IN_A_STATEMENT = 100, 10, 1
# Few rows are often alike by chance, and each way to be it is a statement of its own. Early versions of Python 3.12
# warn of each numbered place, a thousand times a statement.
ALIKE_FROM = sys.maxsize if (3, 12) <= sys.version_info < (3, 12, 4) else 100


def place_of(path: Path) -> tuple[int, int] | None:
    """Which file stands at the path, or None. By name and never by opening it: closing a descriptor of our own would
    take away every lock that this process has on the file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def when_free(
    attempt: Callable[[], Answer], holder: Callable[[], str], *, busy_ms: int = 0, held: Held | None = None
) -> Answer:
    """What the attempt returns once nobody else has what it needs; it is to change nothing where somebody has, and not
    to wait as well. That is raised when the limit is over, or with `held` told to it, and then the wait goes on."""
    looks = 0
    while True:
        try:
            return attempt()
        except (sqlite3.OperationalError, BlockingIOError) as error:
            if isinstance(error, sqlite3.OperationalError) and not is_busy(error):
                raise
            if looks < busy_ms // LOOKS_EVERY_MS:
                Event().wait(LOOKS_EVERY_MS / 1000)
                looks += 1
            elif held is None:
                raise
            else:
                held(holder())
                looks = 0


def insert_all(connection: sqlite3.Connection, head: str, rows: Sequence[Sequence[object]]) -> None:
    """Many rows of one width in each statement. Python gives its lock away with each statement and waits to get it
    back: beside a busy thread, a row in a statement of its own took twice the processor time and three times as long
    (`python -m bench.store`). What is alike in a hundred rows is given once, for to give a value takes longer than to
    store it."""
    done = 0
    for many in ROWS_IN_A_STATEMENT:
        while len(rows) - done >= many:
            columns = list(zip(*rows[done : done + many], strict=True))
            alike = tuple(many >= ALIKE_FROM and column.count(column[0]) == many for column in columns)
            once = [column[0] for column in compress(columns, alike)]
            rest = zip(*(column for column, is_alike in zip(columns, alike, strict=True) if not is_alike), strict=True)
            connection.execute(f"{head} values {_places(alike, many)}", [*once, *chain.from_iterable(rest)])
            done += many


@cache
def _places(alike: tuple[bool, ...], rows: int) -> str:
    """What is given once comes first."""
    if not any(alike):
        return ", ".join([f"({', '.join('?' * len(alike))})"] * rows)
    first, following = count(1), count(1 + sum(alike))
    once = [f"?{next(first)}" if is_alike else None for is_alike in alike]
    return ", ".join(f"({', '.join(place or f'?{next(following)}' for place in once)})" for _ in range(rows))


def begin(connection: sqlite3.Connection, path: Path, held: Held | None) -> None:
    """A transaction that may write; it waits for the lock before it has read anything. With `held`, for as long as it
    takes: nothing was begun, so to try again changes nothing."""
    # SQLite waits here itself.
    when_free(lambda: connection.execute("begin immediate"), lambda: holder_of(path), held=held)


class StoreFile:
    def __init__(
        self, path: Path, connection: sqlite3.Connection, place: tuple[int, int], held: Held | None = None
    ) -> None:
        """`held`: told who has the write lock whenever the limit for waiting is over, and then the wait goes on;
        without it that is a StoreBusyError."""
        self.path = path
        self.connection = connection
        self.place = place
        self._held = held

    def check_file(self) -> None:
        """What is written into a file that was deleted or exchanged would be lost."""
        place = place_of(self.path)
        if place != self.place:
            what = "was deleted" if place is None else "is another file now"
            raise StaleOwnerError(
                f"{self.path}: the store {what} while it was open, expected the one that was opened; nothing more is "
                "written. Start again."
            )

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it or nothing. Nobody else writes until it ends, so what is to be written is made
        before."""
        with in_words(self.path):
            begin(self.connection, self.path, self._held)
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
