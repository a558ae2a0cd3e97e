"""Datasette, put together: the store, what is told of it, its limits, and how cells are shown."""

from collections.abc import Callable, Mapping
from pathlib import Path

from datasette.app import Datasette
from datasette.plugins import DEFAULT_PLUGINS, pm

from kpi_reporter.explorer import cells, hooks
from kpi_reporter.explorer.described import NAME, metadata
from kpi_reporter.explorer.store_database import StoreDatabase
from kpi_reporter.explorer.turns import AT_ONCE

_HERE = Path(__file__).parent
_PLUGIN = "trustlens"
# It prints each mistyped query, with every variable there is; ours says it on the page.
_REPLACED = "datasette.handle_exception"

_SETTINGS = {
    "sql_time_limit_ms": 1000,
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


def datasette_of(path: Path, functions: Mapping[str, Callable[[], str | None]]) -> Datasette:
    """`functions`: what SQL may ask besides the store, by name."""
    _plug_in()
    explorer = Datasette(
        metadata=metadata(),
        settings=_SETTINGS,
        template_dir=str(_HERE / "templates"),
        static_mounts=[("assets", str(_HERE / "assets"))],
        cache_headers=False,
    )
    explorer.add_database(StoreDatabase(explorer, path, functions), name=NAME)
    explorer.remove_database("_memory")  # Datasette adds one where it is given no file
    explorer.jinja_env.filters.update(cells.FILTERS)
    return explorer


def _plug_in() -> None:
    """Ours, and none that happens to be installed beside it: it could write, or fetch from elsewhere."""
    kept = {*DEFAULT_PLUGINS, _PLUGIN} - {_REPLACED}
    for name, plugin in list(pm.list_name_plugin()):
        if plugin is not None and name not in kept:
            pm.unregister(plugin)
    if not pm.has_plugin(_PLUGIN):
        pm.register(hooks, _PLUGIN)
