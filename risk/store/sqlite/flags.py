"""Reading flags back: as rows, with what was found out about them, and as the blocks that histories are rebuilt from.
In pieces, so that none holds up a checkpoint."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, AnyStr

import numpy as np

from risk.block import NO_AMOUNT, NO_ATTRIBUTES, Block
from risk.clock import DAY
from risk.codes import Array
from risk.errors import StoreError
from risk.store.rows import FlagRow, LabelledFlag, LabelVersion
from risk.store.sqlite.file import StoreFile

ROWS_AT_ONCE = 4_000
OFFSETS_AT_ONCE = 8_192

COLUMNS = ", ".join(FlagRow._fields)
# SQLite puts the values of a column into one text, which takes a quarter of the time that a tuple for each row takes,
# and lets other threads run meanwhile. No text of an event holds a NUL, so it can part them. As a parameter, because an
# expression is computed row by row.
NUL = "\0"
_TEXTS = "transaction_id", "customer_id", "currency", "merchant_id", "device_id", "country"
# The plus keeps the planner from going by event time: nearly all rows of a piece fit the times asked for.
_HISTORY = f"""
select count(*), group_concat(event_time), group_concat(ifnull(amount, {NO_AMOUNT})),
       {", ".join(f"group_concat(ifnull({name}, ''), :nul)" for name in _TEXTS)}
from risk_flags
where source_partition = :partition and source_offset >= :first and source_offset < :behind and +event_time > :since
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
FIELDS = FlagRow._fields[: FlagRow._fields.index("score")]
# The newest comes last, and of those with one time the one that came last, as the view `readable_flags` has it. A label
# from before the transaction's day is about another one, whose id was the same.
_LABELLED = f"""
select {", ".join(FIELDS)}, (
    select group_concat(labelled_at || ' ' || is_fraud) from (
        select labelled_at, is_fraud from labels
        where labels.customer_id = flag.customer_id and labels.transaction_id = flag.transaction_id
            and labelled_at >= flag.event_time / {DAY} * {DAY}
        order by labelled_at, labels.source_partition, labels.source_offset
    )
)
from risk_flags as flag
where source_partition = ? and source_offset >= ? and +event_time >= ? and +event_time < ?
order by source_offset limit {ROWS_AT_ONCE}
"""
_ANY_TIME = (-(1 << 62), 1 << 62)


def history(file: StoreFile, partition: int, since: int) -> Iterator[Block]:
    """A piece is read while whoever asked works on the one before it: SQLite needs no lock of the interpreter's."""
    place = _first_after(file, partition, since)
    with ThreadPoolExecutor(1, thread_name_prefix="history") as reader:
        coming = reader.submit(_piece, file, partition, place, since)
        while (piece := coming.result()) is not None:
            place, count, columns = piece
            coming = reader.submit(_piece, file, partition, place, since)
            if count:
                yield _block(count, *columns)


def _piece(file: StoreFile, partition: int, place: int, since: int) -> tuple[int, int, list[str]] | None:
    """Where the next one begins, how many rows this one has, and its columns; None where no row is left."""
    with file.reading() as connection:
        found = connection.execute(_FIRST_FROM, (partition, place)).fetchone()
        if found is None:
            return None
        behind = found[0] + OFFSETS_AT_ONCE
        asked = {"nul": NUL, "partition": partition, "first": found[0], "behind": behind, "since": since}
        count, *columns = connection.execute(_HISTORY, asked).fetchone()
    return behind, count, columns


def _block(count: int, event_times: str, amounts: str, *texts: str) -> Block:
    """What histories are made from; the rest of a transaction stays in the store."""
    rest: dict[str, Any] = {
        "merchant_category": [None] * count,
        "channel": [None] * count,
        "attributes": [NO_ATTRIBUTES] * count,
    }
    columns = (_or_none(parted(text, NUL, count)) for text in texts)
    return Block(
        event_time=numbers(event_times),
        amount=numbers(amounts),
        **dict(zip(_TEXTS, columns, strict=True)),
        **rest,
    )


def numbers(text: str | bytes) -> Array:
    return np.fromstring(text, np.int64, sep=",")


def parted(text: AnyStr, nul: AnyStr, count: int) -> list[AnyStr]:
    first = text.partition(nul)[0]
    if text == (first + nul) * (count - 1) + first:  # as currencies and bundles mostly are
        return [first] * count
    parts = text.split(nul)
    if len(parts) != count:
        raise StoreError(
            f"risk_flags: got {len(parts)} texts in {count} flags, the first {parts[0]!r}, expected as many: one of "
            "them holds a NUL, so that what wrote it is not TrustLens. Make the store again from the log."
        )
    return parts


def _or_none(texts: list[str]) -> list[Any]:
    return [text or None for text in texts] if "" in texts else texts


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


def labelled_flags(file: StoreFile, partition: int, since: int, until: int) -> Iterator[LabelledFlag]:
    place = 0
    while True:
        with file.reading() as connection:
            rows = connection.execute(_LABELLED, (partition, place, since, until)).fetchall()
        if not rows:
            return
        for *fields, labels in rows:
            versions = () if labels is None else tuple(map(_version, labels.split(",")))
            yield LabelledFlag._make((*fields, versions))
        place = rows[-1][1] + 1


def _version(text: str) -> LabelVersion:
    labelled_at, is_fraud = text.split()
    return LabelVersion(int(labelled_at), is_fraud == "1")


def count(connection: sqlite3.Connection, partition: int, since: int, until: int, given_to: str | None) -> int:
    # The plus: by time. The primary key would be read for the whole partition.
    [found] = connection.execute(
        "select count(*) from risk_flags where event_time >= ? and event_time < ? and +source_partition = ?"
        + ("" if given_to is None else " and share is not null and bundle_version = ?"),
        (since, until, partition) if given_to is None else (since, until, partition, given_to),
    ).fetchone()
    return int(found)
