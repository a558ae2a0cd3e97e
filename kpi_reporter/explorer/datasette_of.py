"""Datasette, put together: the store, what is told of it, its limits, and how cells are shown."""

import asyncio
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from datasette.app import Datasette
from datasette.database import Database
from datasette.plugins import DEFAULT_PLUGINS, pm

from kpi_reporter.explorer import cells, hooks
from kpi_reporter.explorer.described import NAME, metadata
from kpi_reporter.explorer.store_database import StoreDatabase
from kpi_reporter.explorer.turns import AT_ONCE

_HERE = Path(__file__).parent
_PLUGIN = "trustlens"
_INTERNAL = "_internal"  # Datasette's name for it
# By hooks of ours. The first prints each mistyped query, with every variable there is; ours says it on the page. The
# second opens a database with each page, to see whether SQLite knows JSON, and does not close it.
_REPLACED = {"datasette.handle_exception", "datasette.facets"}

# How long a question may take.
QUERY_SECONDS = 1.0

_SETTINGS = {
    "max_returned_rows": 1000,
    "num_sql_threads": AT_ONCE,
    "default_page_size": 50,
    "facet_time_limit_ms": 300,
    # Suggesting tries every column of the table, on every page.
    "suggest_facets": False,
    "allow_download": False,
    # A whole table as one answer would go round the limit on rows.
    "allow_csv_stream": False,
    "truncate_cells_html": 400,
}


Made = TypeVar("Made")


class _InternalDatabase(Database):  # type: ignore[misc]  # datasette has no types
    """What Datasette notes of the schemas, in memory. Its own opens a connection for each thread that asks and one for
    a thread that writes, which never ends, and closes none of them."""

    def __init__(self, explorer: Datasette) -> None:
        super().__init__(explorer, memory_name=secrets.token_hex())
        self._one_at_a_time = threading.Lock()
        self._connection = self.connect(write=True)
        explorer._prepare_connection(self._connection, _INTERNAL)

    async def execute_fn(self, fn: Callable[[sqlite3.Connection], Made]) -> Made:
        return await asyncio.get_running_loop().run_in_executor(self.ds.executor, self._done, fn)

    async def execute_write_fn(self, fn: Callable[[sqlite3.Connection], Made], block: bool = True) -> Made:  # noqa: ARG002 - Datasette passes it
        return await self.execute_fn(fn)

    def close(self) -> None:
        self._connection.close()

    def _done(self, job: Callable[[sqlite3.Connection], Made]) -> Made:
        with self._one_at_a_time:
            return job(self._connection)


@contextmanager
def datasette_of(
    path: Path, functions: Mapping[str, Callable[..., str | None]], query_seconds: float = QUERY_SECONDS
) -> Iterator[Datasette]:
    """`functions`: what SQL may ask besides the store, by name. Whoever asked must have ended before."""
    _plug_in()
    explorer = Datasette(
        metadata=metadata(),
        settings={**_SETTINGS, "sql_time_limit_ms": round(query_seconds * 1000)},
        template_dir=str(_HERE / "templates"),
        static_mounts=[("assets", str(_HERE / "assets"))],
        cache_headers=False,
    )
    explorer.remove_database("_memory")  # Datasette adds one where it is given no file
    explorer.remove_database(_INTERNAL)
    explorer.jinja_env.filters.update(cells.FILTERS)
    with (
        closing(StoreDatabase(explorer, path, functions)) as store,
        closing(_InternalDatabase(explorer)) as internal,
        explorer.executor,  # first waits for what is still being asked
    ):
        explorer.add_database(store, name=NAME)
        explorer.add_database(internal, name=_INTERNAL)
        yield explorer


def _plug_in() -> None:
    """Ours, and none that happens to be installed beside it: it could write, or fetch from elsewhere."""
    kept = {*DEFAULT_PLUGINS, _PLUGIN} - _REPLACED
    for name, plugin in list(pm.list_name_plugin()):
        if plugin is not None and name not in kept:
            pm.unregister(plugin)
    if not pm.has_plugin(_PLUGIN):
        pm.register(hooks, _PLUGIN)
