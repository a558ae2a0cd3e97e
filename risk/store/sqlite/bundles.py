"""The SQL of bundles: which there are, and which score now."""

import json
import sqlite3
from collections.abc import Collection

import msgspec

from risk.bundle import what_decides
from risk.errors import StoreError
from risk.store.rows import StoredBundle

_NEWEST = """
select partition, (
    select case when share is null then bundle_version else json_extract(share, '$.in_use') end
    from risk_flags where source_partition = partition order by source_offset desc limit 1
) as newest
from (select distinct partition from partitions) where newest is not null order by partition
"""


def check_same_manifest(connection: sqlite3.Connection, table: str, version: str, manifest: str) -> None:
    """StoreError where the table knows another manifest by this version."""
    [known] = connection.execute(f"select manifest from {table} where version = ?", (version,)).fetchone()
    if known != manifest and _decides(known) != _decides(manifest):
        raise StoreError(
            f"bundle {version}: got a manifest of {len(manifest)} characters, expected the one of {len(known)} "
            "that the store knows by this version, or one that scores alike. Bring the bundle that scored what is "
            "stored, or begin with a new store."
        )


def _decides(manifest: str) -> bytes:
    return what_decides(msgspec.json.decode(manifest))


def stored(connection: sqlite3.Connection, beyond: Collection[str]) -> list[StoredBundle]:
    rows = connection.execute(
        "select version, manifest from bundles where version not in (select value from json_each(?)) order by version",
        (json.dumps(sorted(beyond)),),
    )
    return [StoredBundle(*row) for row in rows]


def newest(connection: sqlite3.Connection) -> dict[int, str]:
    return dict(connection.execute(_NEWEST).fetchall())
