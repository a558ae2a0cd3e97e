"""The store as Datasette sees it: read-only, held to limits, and the file that stands at the path now."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from datasette.app import Datasette
from datasette.database import Database, QueryInterrupted, Results

from kpi_reporter.explorer.page_connection import PageConnection, of_this_page
from kpi_reporter.kpis.opened import open_to_read
from risk.store.failures import in_words

MOST_BYTES = 16_000_000  # of one answer, in memory at once
# A function is done within one step of SQLite's machine, where no clock is looked at. On values of this length the
# slowest of them (instr with a long needle) takes 1.5 s; a bundle's manifest and the figures have a tenth of it.
LONGEST_VALUE = 300_000
LONGEST_PATTERN = 200
_STEPS_BETWEEN_LOOKS = 100  # at the clock

# What is the file's fault, and not that of who asks.
_OF_THE_STORE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
}

Made = TypeVar("Made")


class StoreDatabase(Database):  # type: ignore[misc]  # datasette has no types
    """Asked only while a page is made: `page_connection` says why."""

    def __init__(self, explorer: Datasette, path: Path, functions: Mapping[str, Callable[[], str | None]]) -> None:
        super().__init__(explorer, path=str(path), is_mutable=True)
        self._path = path
        self._functions = functions

    async def execute_fn(self, fn: Callable[[sqlite3.Connection], Made]) -> Made:
        # Threads know nothing of the page that they work for.
        return await asyncio.get_running_loop().run_in_executor(self.ds.executor, self._done, of_this_page(), fn)

    def _done(self, page: PageConnection, job: Callable[[sqlite3.Connection], Made]) -> Made:
        try:
            return page.ask(self._opened, job)
        except sqlite3.Error as error:
            # Python's own complaints carry no code.
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _OF_THE_STORE:
                raise
            with in_words(self._path):
                raise

    async def execute(
        self,
        sql: str,
        params: Any = None,
        truncate: bool = False,
        custom_time_limit: int | None = None,
        page_size: int | None = None,
        log_sql_errors: bool = True,  # noqa: ARG002  Datasette's; what is wrong with the SQL is said on the page
    ) -> Results:
        limit_ms = min(custom_time_limit or self.ds.sql_time_limit_ms, self.ds.sql_time_limit_ms)
        most = self.ds.max_returned_rows
        # Datasette asks for one row more than a page has, to know whether there is a next page.
        most += most == (page_size or self.ds.page_size)

        def ask(connection: sqlite3.Connection) -> Results:
            with _at_most(connection, limit_ms):
                try:
                    cursor = connection.execute(sql, {} if params is None else params)
                    rows = _fetched(cursor, most + 1 if truncate else None)
                except sqlite3.OperationalError as error:
                    if error.args == ("interrupted",):
                        raise QueryInterrupted(error, sql, params) from error
                    raise
                # Python's own complaints: two statements, a NUL in the text, a number that SQLite cannot hold.
                except (sqlite3.Warning, ValueError, OverflowError) as error:
                    raise sqlite3.OperationalError(str(error)) from error
            if truncate:
                return Results(rows[:most], len(rows) > most, cursor.description)
            return Results(rows, False, cursor.description)

        return await self.execute_fn(ask)

    def _opened(self) -> sqlite3.Connection:
        connection = open_to_read(self._path).connection
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("pragma query_only = on")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, LONGEST_PATTERN)
        for name, function in self._functions.items():
            connection.create_function(name, 0, function)
        self.ds._prepare_connection(connection, self.name)


@contextmanager
def _at_most(connection: sqlite3.Connection, limit_ms: int) -> Iterator[None]:
    deadline = time.perf_counter() + limit_ms / 1000
    connection.set_progress_handler(lambda: time.perf_counter() >= deadline, _STEPS_BETWEEN_LOOKS)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


def _fetched(cursor: sqlite3.Cursor, most: int | None) -> list[sqlite3.Row]:
    rows: list[sqlite3.Row] = []
    size = 0
    for row in cursor:
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if size > MOST_BYTES:
            raise sqlite3.OperationalError(
                f"the answer is larger than {MOST_BYTES:,} bytes; ask for fewer rows or columns"
            )
        rows.append(row)
        if len(rows) == most:
            break
    return rows
