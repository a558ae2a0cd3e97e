"""What Datasette is told of the store: tables, columns with their units, facets, and the saved queries."""

from typing import Any

from kpi_reporter.explorer.queries import QUERIES
from risk.store.sqlite.tables import TABLES
from risk.store.sqlite.views import VIEWS

NAME = "store"

# Not sorted where a view's order would have to be computed for all its rows.
_HOW: dict[str, dict[str, Any]] = {
    "risk_flags": {"sort_desc": "event_time", "facets": ["level", "merchant_category", "channel"]},
    "readable_flags": {"facets": ["decision", "level", "merchant_category", "channel"]},
    "customer_flags": {"hidden": True},
    "labels": {"facets": ["is_fraud", "source"]},
    "readable_labels": {"facets": ["is_fraud", "source"]},
    "ledger_days": {"sort_desc": "day"},
}


def metadata() -> dict[str, Any]:
    tables = {
        table.name: {
            "description": table.meaning,
            "columns": {column.name: column.meaning for column in table.columns},
            **_HOW.get(table.name, {}),
        }
        for table in (*TABLES, *VIEWS)
    }
    queries = {
        query.name: {
            "title": query.title,
            "description": query.meaning,
            "sql": query.sql,
            "params": [one.name for one in query.parameters],
            "parameters": {one.name: one._asdict() for one in query.parameters},
            "most_rows": query.most_rows,
            "hide_sql": True,
        }
        for query in QUERIES
    }
    return {"title": "TrustLens", "databases": {NAME: {"tables": tables, "queries": queries}}}


def pages() -> frozenset[str]:
    """The names that a page of the store may have; nothing else is looked for."""
    return frozenset([table.name for table in (*TABLES, *VIEWS)] + [query.name for query in QUERIES])
