"""One connection for all that a page asks, closed when the page is made.

One that stayed open would keep out whoever restores a backup, and go on with a file that was replaced. One for each
query costs two milliseconds, and the page of all tables asks sixty.
"""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TypeVar

Made = TypeVar("Made")


class PageConnection:
    """Opened by the first that asks. A page may ask several things at once; here they come one after the other."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def ask(self, opened: Callable[[], sqlite3.Connection], job: Callable[[sqlite3.Connection], Made]) -> Made:
        with self._one_at_a_time:
            if self._connection is None:
                self._connection = opened()
            return job(self._connection)

    def close(self) -> None:
        """After what is being asked."""
        with self._one_at_a_time:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


_page: ContextVar[PageConnection] = ContextVar("page")


def of_this_page() -> PageConnection:
    return _page.get()


@asynccontextmanager
async def page_connection() -> AsyncIterator[None]:
    """Around the making of a page."""
    connection = PageConnection()
    page = _page.set(connection)
    try:
        yield
    finally:
        _page.reset(page)
        # In a thread, because a page that was given up may still be asking.
        await asyncio.to_thread(connection.close)
