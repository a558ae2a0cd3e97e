"""The SQL of bundles: which there are, from where on each of them scored, and what workers refuse."""

import json
import sqlite3
from collections.abc import Collection, Sequence

import msgspec

from risk.bundle import what_decides
from risk.errors import StoreError
from risk.store.rows import FlagRow, RefusedBundle, RowValues, StoredBundle

# Who has a partition; one that ended has none as soon as somebody else took it.
OWNERS = "(select owner from partitions where owner is not null)"
_REFUSALS = {False: "bundle_refusals", True: "challenger_refusals"}  # by whether as a challenger

_BUNDLE = FlagRow._fields.index("bundle_version")
_OF_START = [FlagRow._fields.index(n) for n in ("source_partition", "source_offset", "bundle_version", "event_time")]
# Unless it goes on with the bundle that scored what came before.
_INSERT_START = """
insert into bundle_starts (partition, first_offset, bundle_version, event_time, stored_at)
select ?1, ?2, ?3, ?4, ?5 where ?3 is not (
    select bundle_version from bundle_starts where partition = ?1 order by first_offset desc limit 1
)
"""

_NEWEST = """
select partition, (
    select bundle_version from risk_flags where source_partition = partition order by source_offset desc limit 1
) as newest
from (select distinct partition from partitions) where newest is not null order by partition
"""


def check_known(connection: sqlite3.Connection, table: str, version: str, manifest: str) -> None:
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


def first_of_each(rows: Sequence[RowValues]) -> list[RowValues]:
    """The first row, and each that names another bundle than the one before it; a worker's batch has one bundle."""
    versions = [row[_BUNDLE] for row in rows]
    if not rows or versions.count(versions[0]) == len(rows):
        return list(rows[:1])
    return [row for place, row in enumerate(rows) if place == 0 or row[_BUNDLE] != versions[place - 1]]


def start(connection: sqlite3.Connection, firsts: Sequence[RowValues], stored_at: int | None) -> None:
    for first in firsts:
        connection.execute(_INSERT_START, (*(first[column] for column in _OF_START), stored_at))


def newest(connection: sqlite3.Connection) -> dict[int, str]:
    return dict(connection.execute(_NEWEST).fetchall())


def refuse(connection: sqlite3.Connection, refused: RefusedBundle, *, as_challenger: bool) -> None:
    table = _REFUSALS[as_challenger]
    connection.execute(f"delete from {table} where owner = ? or owner not in {OWNERS}", refused[:1])
    connection.execute(f"insert into {table} values (?, ?, ?, ?)", refused)


def refuse_none(connection: sqlite3.Connection, owner: str, *, as_challenger: bool) -> None:
    connection.execute(f"delete from {_REFUSALS[as_challenger]} where owner = ?", (owner,))


def refused(connection: sqlite3.Connection, *, as_challenger: bool) -> list[RefusedBundle]:
    asked = f"select * from {_REFUSALS[as_challenger]} where owner in {OWNERS} order by owner"
    return [RefusedBundle(*row) for row in connection.execute(asked)]
