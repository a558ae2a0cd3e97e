"""A table of flags for whoever has no store of their own: a row for each transaction, with its score."""

import sqlite3
from pathlib import Path
from typing import Any

COLUMNS = (
    "source_partition", "source_offset", "transaction_id", "customer_id", "event_time", "currency", "amount",
    "merchant_id", "merchant_category", "channel", "device_id", "country", "score", "level", "bundle_version",
)  # fmt: skip
INSERT = f"insert into flags ({', '.join(COLUMNS)}) values ({', '.join('?' * len(COLUMNS))})"


def open_flags(path: Path) -> sqlite3.Connection:
    """As fast as ours: a log beside the file, which the disk is not waited for."""
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = normal")
    connection.execute(f"create table if not exists flags ({', '.join(COLUMNS)})")
    return connection


def row_of(flag: dict[str, Any]) -> list[Any]:
    return [flag.get(name) for name in COLUMNS]
