"""The SQL of rule sets: from where on each of them decided, and what workers refuse."""

import sqlite3
from collections.abc import Sequence

from risk.store.rows import FlagRow, RefusedBundle, RowValues, RulesStart
from risk.store.sqlite.bundles import OWNERS

_RULES = FlagRow._fields.index("rules_version")
_OF_START = [FlagRow._fields.index(n) for n in ("source_partition", "source_offset", "rules_version", "event_time")]
# Unless it goes on with the set that decided before; before the first one, that is none.
_INSERT_START = """
insert into rules_starts (partition, first_offset, rules_version, event_time, stored_at)
select ?1, ?2, ?3, ?4, ?5 where ?3 is not (
    select rules_version from rules_starts where partition = ?1 order by first_offset desc limit 1
)
"""


def start(connection: sqlite3.Connection, rows: Sequence[RowValues], stored_at: int | None) -> None:
    for first in _first_of_each(rows):
        connection.execute(_INSERT_START, (*(first[column] for column in _OF_START), stored_at))


def _first_of_each(rows: Sequence[RowValues]) -> list[RowValues]:
    """The first row, and each that names another set than the one before it; a worker's batch has one, or none."""
    versions = [row[_RULES] for row in rows]
    if not rows or versions.count(versions[0]) == len(rows):
        return list(rows[:1])
    return [row for place, row in enumerate(rows) if place == 0 or row[_RULES] != versions[place - 1]]


def starts(connection: sqlite3.Connection) -> list[RulesStart]:
    return [RulesStart(*row) for row in connection.execute("select * from rules_starts order by 1, 2")]


def refuse(connection: sqlite3.Connection, refused: RefusedBundle) -> None:
    connection.execute(f"delete from rules_refusals where owner = ? or owner not in {OWNERS}", refused[:1])
    connection.execute("insert into rules_refusals values (?, ?, ?, ?)", refused)


def refuse_none(connection: sqlite3.Connection, owner: str) -> None:
    connection.execute("delete from rules_refusals where owner = ?", (owner,))


def refused(connection: sqlite3.Connection) -> list[RefusedBundle]:
    rows = connection.execute(f"select * from rules_refusals where owner in {OWNERS} order by owner")
    return [RefusedBundle(*row) for row in rows]
