"""The store as Datasette sees it: read-only, held to limits, and the file that stands at the path now."""

import asyncio
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, TypeVar

from datasette.app import Datasette
from datasette.database import Database, QueryInterrupted, Results

from kpi_reporter.explorer.page_connection import PageConnection, of_this_page
from risk.store.sqlite.failures import in_words
from risk.store.sqlite.reading import file_to_report

MOST_BYTES = 16_000_000  # of one answer, in memory at once
# SQLite looks at the clock between rows, never within one: what a row costs is bounded by how long values and the SQL
# are, and by what its functions make of them. A bundle's manifest and the figures have a third of this length.
LONGEST_VALUE = 100_000
LONGEST_SQL = 10_000
# A pattern costs its length times that of the value: 0.1 s at most, so that a row of these takes a second.
LONGEST_PATTERN = 100
MOST_PATTERNS = 10
_STEPS_BETWEEN_LOOKS = 100  # at the clock

# What takes time in proportion to its value, and touches nothing but its arguments. Left out: fts3_tokenizer, which
# gives an address of the process away; json_patch, whose time grows with the square of the length; load_extension, and
# what belongs to full-text and spatial tables.
_NAMES = """
-> ->> abs acos acosh asin asinh atan atan2 atanh avg ceil ceiling char coalesce cos cosh count cume_dist
current_date current_time current_timestamp date datetime degrees dense_rank exp first_value floor format glob
group_concat hex ifnull iif instr json json_array json_array_length json_each json_extract json_group_array
json_group_object json_insert json_object json_quote json_remove json_replace json_set json_tree json_type
json_valid julianday lag last_value lead length like likelihood likely ln log log10 log2 lower ltrim max min mod
nth_value ntile nullif percent_rank pi pow power printf quote radians random randomblob rank replace round
row_number rtrim sign sin sinh soundex sqlite_version sqrt strftime substr substring sum tan tanh time total trim
trunc typeof unicode unixepoch unlikely upper zeroblob
"""
_FUNCTIONS = frozenset(_NAMES.split())
# SQLite copies what `with` names to each place that asks for it, and in what is copied again, before it looks at the
# clock for the first time: thirty names that each ask twice for the one before took all memory there is.
MOST_COPIED = 20_000  # words and signs
# As SQLite's own: comments, variables, what is in quotes, names, numbers, signs. All beyond ASCII belongs to names, but
# a byte order mark before one; a variable takes what stands in brackets behind it.
_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|[$@#:][\w$:\x80-\U0010ffff]+(?:\([^\s)]*\)?)?"""
    r"""|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]"""
    r"""|[a-z_\x80-\ufefe\uff00-\U0010ffff][\w$\x80-\U0010ffff]*|[\d.]+|[^ \t\n\f\r\ufeff]""",
    re.ASCII | re.DOTALL,
)
_IN_QUOTES = "'\"`["

Value = str | bytes | int | float | None


# Whatever returns this is refused: "string or blob too big".
_TOO_LONG = " " * (LONGEST_VALUE + 1)


class Linear:
    """In the place of SQLite's own functions, which take the product of both lengths: up to seconds for one value."""

    def __init__(self) -> None:
        # Asked how SQLite writes a float, which differs between its versions.
        self._sqlite = sqlite3.connect(":memory:", check_same_thread=False)

    def close(self) -> None:
        self._sqlite.close()

    def functions(self) -> tuple[tuple[str, int, Callable[..., Value]], ...]:
        """Name, number of arguments, and what is called."""
        return (
            ("instr", 2, self._instr),
            ("replace", 3, self._replace),
            ("trim", 2, partial(self._trim, str.strip)),
            ("ltrim", 2, partial(self._trim, str.lstrip)),
            ("rtrim", 2, partial(self._trim, str.rstrip)),
        )

    def _text(self, value: str | bytes | int | float) -> str:
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if isinstance(value, float):
            return str(self._sqlite.execute("select cast(? as text)", (value,)).fetchone()[0])
        return str(value)

    def _instr(self, value: Value, wanted: Value) -> int | None:
        if value is None or wanted is None:
            return None
        if isinstance(value, bytes) and isinstance(wanted, bytes):
            return value.find(wanted) + 1
        return self._text(value).find(self._text(wanted)) + 1

    def _replace(self, value: Value, wanted: Value, other: Value) -> Value:
        if value is None or wanted is None:
            return None
        text, sought = self._text(value), self._text(wanted)
        if not sought:
            return value
        if other is None:
            return None
        put = self._text(other)
        # SQLite's own stops at the limit; here gigabytes might be made before SQLite refuses them.
        if len(text) + text.count(sought) * (len(put) - len(sought)) > LONGEST_VALUE:
            return _TOO_LONG
        return text.replace(sought, put)

    def _trim(self, strip: Callable[[str, str], str], value: Value, characters: Value) -> str | None:
        if value is None or characters is None:
            return None
        kinds = self._text(characters)
        return strip(self._text(value), "".join(set(kinds))) if kinds else self._text(value)


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

    def __init__(self, explorer: Datasette, path: Path, functions: Mapping[str, Callable[..., str | None]]) -> None:
        super().__init__(explorer, path=str(path), is_mutable=True)
        self._path = path
        self._functions = functions
        self._allowed = _FUNCTIONS | functions.keys()
        self._linear = Linear()

    def close(self) -> None:
        self._linear.close()

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
            _check(sql)
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
        connection = file_to_report(self._path).connection
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("pragma query_only = on")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, LONGEST_SQL)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, LONGEST_PATTERN)
        for name, function in self._functions.items():
            connection.create_function(name, -1, function)
        for name, arguments, linear in self._linear.functions():
            connection.create_function(name, arguments, linear, deterministic=True)
        self.ds._prepare_connection(connection, self.name)
        connection.set_authorizer(self._authorized)

    def _authorized(self, action: int, _: str | None, name: str | None, *__: str | None) -> int:
        if action != sqlite3.SQLITE_FUNCTION or name is None or name.lower() in self._allowed:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY


def _check(sql: str) -> None:
    """What would take long, or much memory, where SQLite looks at no clock."""
    if len(sql) > LONGEST_SQL:
        return  # which SQLite refuses
    tokens = _tokens(sql)
    if tokens.count("like") + tokens.count("glob") > MOST_PATTERNS:
        raise sqlite3.OperationalError(f"got more than {MOST_PATTERNS} like and glob, expected no more")
    if _copied(tokens) > MOST_COPIED:
        raise sqlite3.OperationalError(
            "got names behind `with` that ask for each other too often, expected fewer of them, or less often"
        )


def _tokens(sql: str) -> list[str]:
    return [token for token in _TOKEN.findall(sql.lower()) if not token.startswith(("--", "/*"))]


def _copied(tokens: Sequence[str]) -> int:
    """How many words and signs there are at most once each name stands for what it is a name of: as if each name asked
    for all others as often as it stands anywhere."""
    words = [token[1:-1].replace(token[-1] * 2, token[-1]) if token[0] in _IN_QUOTES else token for token in tokens]
    times = Counter(words)
    return len(words) * prod(max(1, times[name] - 1) for name in _named(tokens, words))


def _named(tokens: Sequence[str], words: Sequence[str]) -> set[str]:
    """What stands before `as (`, `as materialized (` or `as not materialized (`, with or without its columns."""
    names = set()
    for place, token in enumerate(tokens):
        behind = [each for each in tokens[place + 1 : place + 4] if each not in ("not", "materialized")]
        if token == "as" and behind[:1] == ["("] and place:
            before = place - 1
            if tokens[before] == ")":
                while before > 0 and tokens[before] != "(":
                    before -= 1
                before -= 1
            names.add(words[before])
    return names


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
