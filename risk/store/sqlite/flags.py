"""Reading flags back: as rows, and as the blocks that histories are rebuilt from. In pieces, so that none holds up a
checkpoint."""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from risk.block import NAMES, NO_AMOUNT, NO_ATTRIBUTES, Block
from risk.store.rows import FlagRow
from risk.store.sqlite.file import StoreFile

ROWS_AT_ONCE = 4_000

COLUMNS = ", ".join(FlagRow._fields)
# The plus keeps the planner from going by event time and sorting: the rows are wanted in the order of the log, piece by
# piece, and nearly all of them fit the times asked for.
_HISTORY_COLUMNS = ("source_offset", *NAMES)
_HISTORY = f"""
select {", ".join(_HISTORY_COLUMNS)} from risk_flags
where source_partition = ? and source_offset >= ? and +event_time > ?
order by source_offset limit ?
"""
_FLAGS = f"""
select {COLUMNS} from risk_flags
where source_partition = ? and source_offset >= ? and +event_time >= ? and +event_time < ?
order by source_offset limit ?
"""
_ENDS = "select min(source_offset), max(source_offset) from risk_flags where source_partition = ?"
_FIRST_FROM = """
select source_offset, event_time from risk_flags where source_partition = ? and source_offset >= ?
order by source_offset limit 1
"""
_LATENESS = """
select count(*), count(lateness), max(lateness)
from (select json_extract(manifest, '$.max_lateness_ms') as lateness from bundles)
"""
_ANY_TIME = (-(1 << 62), 1 << 62)

_attributes = msgspec.json.Decoder(dict[str, float | str])


def history(file: StoreFile, partition: int, since: int) -> Iterator[Block]:
    place = _first_after(file, partition, since)
    while True:
        with file.reading() as connection:
            rows = connection.execute(_HISTORY, (partition, place, since, ROWS_AT_ONCE)).fetchall()
        if not rows:
            return
        place = rows[-1][0] + 1
        columns: dict[str, Any] = dict(zip(_HISTORY_COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
        del columns["source_offset"]
        columns["event_time"] = np.array(columns["event_time"], np.int64)
        columns["amount"] = np.array(
            [NO_AMOUNT if amount is None else amount for amount in columns["amount"]], np.int64
        )
        columns["attributes"] = [_attributes.decode(text) if text else NO_ATTRIBUTES for text in columns["attributes"]]
        yield Block(**columns)


def _first_after(file: StoreFile, partition: int, since: int) -> int:
    """An offset before which no row has a later event time, found without reading them all.

    Rows are not sorted by event time, but none lies further behind the newest one before it than its bundle's
    greatest lateness. So a row that is older than `since` by as much shows that nothing before it is newer.
    """
    with file.reading() as connection:
        first, last = connection.execute(_ENDS, (partition,)).fetchone()
        if first is None:
            return 0
        bundles, with_lateness, lateness = connection.execute(_LATENESS).fetchone()
        old, perhaps = int(first) - 1, last + 1
        if bundles == 0 or with_lateness < bundles:
            return old + 1
        while perhaps - old > 1:
            middle = (old + perhaps) // 2
            offset, event_time = connection.execute(_FIRST_FROM, (partition, middle)).fetchone()
            if event_time <= since - lateness:
                old = offset
            else:
                perhaps = middle
    return old + 1


def flags(
    file: StoreFile, partition: int | None, since: int | None, until: int | None, first_offset: int
) -> Iterator[FlagRow]:
    earliest, latest = _ANY_TIME
    times = earliest if since is None else since, latest if until is None else until
    for number in partitions_of(file, "risk_flags") if partition is None else [partition]:
        place = first_offset
        while True:
            with file.reading() as connection:
                rows = connection.execute(_FLAGS, (number, place, *times, ROWS_AT_ONCE)).fetchall()
            if not rows:
                break
            yield from map(FlagRow._make, rows)
            place = rows[-1][1] + 1


def partitions_of(file: StoreFile, table: str) -> list[int]:
    """One seek for each, instead of reading all rows."""
    found = [-1]
    with file.reading() as connection:
        while True:
            asked = f"select min(source_partition) from {table} where source_partition > ?"
            [number] = connection.execute(asked, (found[-1],)).fetchone()
            if number is None:
                return found[1:]
            found.append(number)
