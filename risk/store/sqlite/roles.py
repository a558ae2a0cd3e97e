"""The SQL of what workers go on with while they run: from where on each version had its role, and what they refuse."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from risk.store.rows import FlagRow, Refusal, Role, RowValues, VersionStart

# Who has a partition; one that ended has none as soon as somebody else took it.
_OWNERS = "(select owner from partitions where owner is not null)"

_COLUMNS = {Role.BUNDLE: "bundle_version", Role.RULES: "rules_version", Role.CHALLENGER: "bundle_version"}
# Unless it goes on with the version that had the role before, or with none.
_INSERT_START = {
    role: f"""
insert into {role}_starts (partition, first_offset, {column}, event_time, stored_at)
select ?1, ?2, ?3, ?4, ?5 where ?3 is not (
    select {column} from {role}_starts where partition = ?1 order by first_offset desc limit 1
)
"""
    for role, column in _COLUMNS.items()
}


def start(connection: sqlite3.Connection, role: Role, *values: Any) -> None:
    """`values`: those of a VersionStart."""
    connection.execute(_INSERT_START[role], values)


def start_with(connection: sqlite3.Connection, role: Role, rows: Sequence[RowValues], stored_at: int | None) -> None:
    """Where the first row, and each that names another version than the one before it, say so; in a worker's batch all
    name one."""
    names = ("source_partition", "source_offset", _COLUMNS[role], "event_time")
    partition, offset, version, time = map(FlagRow._fields.index, names)
    versions = [row[version] for row in rows]
    has_one = versions.count(versions[0]) == len(rows) if rows else True
    for place, row in enumerate(rows[:1] if has_one else rows):
        if not place or row[version] != versions[place - 1]:
            start(connection, role, row[partition], row[offset], row[version], row[time], stored_at)


def starts(connection: sqlite3.Connection, role: Role) -> list[VersionStart]:
    return [VersionStart(*row) for row in connection.execute(f"select * from {role}_starts order by 1, 2")]


def refuse(connection: sqlite3.Connection, role: Role, refusal: Refusal) -> None:
    connection.execute(f"delete from {role}_refusals where owner = ? or owner not in {_OWNERS}", refusal[:1])
    connection.execute(f"insert into {role}_refusals values (?, ?, ?, ?)", refusal)


def refuse_nothing(connection: sqlite3.Connection, role: Role, owner: str) -> None:
    connection.execute(f"delete from {role}_refusals where owner = ?", (owner,))


def refusals(connection: sqlite3.Connection, role: Role) -> list[Refusal]:
    rows = connection.execute(f"select * from {role}_refusals where owner in {_OWNERS} order by owner")
    return [Refusal(*row) for row in rows]
