"""The SQL of what workers go on with while they run: from where on each version had its role, and what they refuse."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from risk.share import share_of
from risk.store.rows import NO_CHALLENGER, FlagRow, Refusal, Role, RowValues, ShareStart, VersionStart
from risk.store.sqlite.failures import with_times

Said = TypeVar("Said")

# Who has a partition; one that ended has none as soon as somebody else took it.
_OWNERS = "(select owner from partitions where owner is not null)"

_COLUMNS = {Role.BUNDLE: "bundle_version", Role.RULES: "rules_version", Role.CHALLENGER: "bundle_version"}
_NAMES = "source_partition", "source_offset", "event_time", "bundle_version", "rules_version", "share"
_PARTITION, _OFFSET, _TIME, _BUNDLE, _RULES, _SHARE = map(FlagRow._fields.index, _NAMES)
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
# Likewise; before the first share, there is none.
_INSERT_SHARE = """
insert into share_starts (partition, first_offset, challenger, percent, event_time, stored_at)
select ?1, ?2, ?3, ?4, ?5, ?6 where (?3, ?4) is not (
    select max(challenger), max(percent) from (
        select challenger, percent from share_starts where partition = ?1 order by first_offset desc limit 1
    )
)
"""


def start_with(
    connection: sqlite3.Connection, rows: Sequence[RowValues], challenger: str | None, stored_at: int | None
) -> None:
    """Whatever starts with these rows. `challenger`: None where nothing is known of it."""
    shares = [None if row[_SHARE] is None else share_of(row[_SHARE]) for row in rows]
    # While a challenger has a share, a row may name that, and another is in use.
    in_use = [row[_BUNDLE] if share is None else share.in_use for row, share in zip(rows, shares, strict=True)]
    for place, version, time in _changes(rows, in_use):
        _start(connection, Role.BUNDLE, *place, version, time, stored_at)
    for place, version, time in _changes(rows, [row[_RULES] for row in rows]):
        _start(connection, Role.RULES, *place, version, time, stored_at)
    for place, share, time in _changes(rows, shares):
        said = (None, None) if share is None else (share.challenger, share.percent)
        connection.execute(_INSERT_SHARE, (*place, *said, time, stored_at))
    if challenger is not None and rows:
        version = None if challenger == NO_CHALLENGER else challenger
        [(place, _, time)] = _changes(rows[:1], [version])
        _start(connection, Role.CHALLENGER, *place, version, time, stored_at)


def _start(connection: sqlite3.Connection, role: Role, *values: Any) -> None:
    """`values`: those of a VersionStart."""
    connection.execute(_INSERT_START[role], values)


def _changes(rows: Sequence[RowValues], said: Sequence[Said]) -> Iterator[tuple[tuple[int, int], Said, int]]:
    """Partition and offset, what is said, and event time: of the first row, and of each of which something else is said
    than of the one before it. Of a worker's batch one thing is said."""
    has_one = said.count(said[0]) == len(rows) if rows else True
    for number, row in enumerate(rows[:1] if has_one else rows):
        if not number or said[number] != said[number - 1]:
            yield (row[_PARTITION], row[_OFFSET]), said[number], row[_TIME]


def starts(connection: sqlite3.Connection, role: Role) -> list[VersionStart]:
    rows = connection.execute(f"select * from {role}_starts order by 1, 2")
    return with_times(f"{role}_starts", VersionStart, rows)


def share_starts(connection: sqlite3.Connection) -> list[ShareStart]:
    rows = connection.execute("select * from share_starts order by 1, 2")
    return with_times("share_starts", ShareStart, rows)


def refuse(connection: sqlite3.Connection, role: Role, refusal: Refusal) -> None:
    connection.execute(f"delete from {role}_refusals where owner = ? or owner not in {_OWNERS}", refusal[:1])
    connection.execute(f"insert into {role}_refusals values (?, ?, ?, ?)", refusal)


def refuse_nothing(connection: sqlite3.Connection, role: Role, owner: str) -> None:
    connection.execute(f"delete from {role}_refusals where owner = ?", (owner,))


def refusals(connection: sqlite3.Connection, role: Role) -> list[Refusal]:
    rows = connection.execute(f"select * from {role}_refusals where owner in {_OWNERS} order by owner")
    return with_times(f"{role}_refusals", Refusal, rows)
