"""Flags as columns, a piece of the log at a time.

SQLite puts the values of a column into one text, which takes a third of the time that a tuple for each row takes, and
lets other threads run meanwhile.
"""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from kpi_reporter.kpis.damage import check_within
from kpi_reporter.kpis.names import Names, hashes, keys
from kpi_reporter.kpis.values import MISSING, SCORE_STEPS
from risk.clock import EARLIEST, LATEST
from risk.codes import Array
from risk.errors import StoreError
from risk.money import LARGEST_MINOR

OFFSETS_AT_ONCE = 32_768
Row = tuple[Any, ...]  # a count, then texts
LOW, MEDIUM, HIGH = 0, 1, 2
LEVELS = ("low", "medium", "high")
NO_LEVEL = 9  # a text that is none of these
UNKNOWN_AMOUNT = -1

# No text of an event holds a NUL, so it can part them. As a parameter, because an expression is computed row by row.
_NUL = "\0"

_PIECE = f"""
select count(*), group_concat(source_offset), group_concat(event_time),
       group_concat(ifnull(amount, {UNKNOWN_AMOUNT})),
       group_concat(
           case level when 'low' then {LOW} when 'medium' then {MEDIUM} when 'high' then {HIGH} else {NO_LEVEL} end, ''
       ),
       group_concat(cast(score * {SCORE_STEPS} as int)),
       group_concat(customer_id, :nul), group_concat(transaction_id, :nul), group_concat(currency, :nul),
       group_concat(ifnull(merchant_category, '{MISSING}'), :nul), group_concat(ifnull(channel, '{MISSING}'), :nul),
       group_concat(bundle_version, :nul)
from risk_flags where source_partition = :partition and source_offset >= :first and source_offset < (
    select min(source_offset) from risk_flags where source_partition = :partition and source_offset >= :first
) + {OFFSETS_AT_ONCE}
"""
_NEXT_PARTITION = "select min(source_partition) from {} where source_partition > ?"


class Vocabulary(NamedTuple):
    """The names of what flags name."""

    currencies: Names
    categories: Names
    channels: Names
    bundles: Names


def new_vocabulary() -> Vocabulary:
    return Vocabulary(Names(), Names(), Names(), Names())


class Piece(NamedTuple):
    """Flags of one partition in the order of the log; an entry of each array for each."""

    partition: int
    offsets: Array
    event_times: Array
    amounts: Array  # minor units; -1 where missing
    levels: Array
    bars: Array  # of the score distribution
    customers: Array  # hashes
    customer_ids: list[bytes]
    keys: Array  # hashes of customer and transaction id
    currencies: Array  # and the rest by their number in the vocabulary
    categories: Array
    channels: Array
    bundles: Array


def partitions_of(connection: sqlite3.Connection, table: str) -> list[int]:
    """One seek for each, instead of reading all rows."""
    found = [-1]
    while True:
        [number] = connection.execute(_NEXT_PARTITION.format(table), (found[-1],)).fetchone()
        if number is None:
            return found[1:]
        found.append(number)


def pieces_from(connection: sqlite3.Connection, partition: int, first: int, vocabulary: Vocabulary) -> Iterator[Piece]:
    """All that the partition holds from that offset on. Each piece is a query of its own, so that none holds up a
    checkpoint."""
    row = _row_from(connection, partition, first)
    if row is None:
        return
    with ThreadPoolExecutor(max_workers=1) as ahead:
        while row is not None:
            # SQLite and Python work at once: each takes about half of the time.
            following = ahead.submit(_row_from, connection, partition, _last(row) + 1)
            yield _piece(partition, row, vocabulary)
            row = following.result()


def _row_from(connection: sqlite3.Connection, partition: int, first: int) -> Row | None:
    """The columns of the next offsets that hold something; None where there are none."""
    asked = {"nul": _NUL, "partition": partition, "first": first}
    row: Row = connection.execute(_PIECE, asked).fetchone()
    return row if row[0] else None


def _last(row: Row) -> int:
    return int(row[1].rpartition(b",")[2])


def _piece(partition: int, row: Row, vocabulary: Vocabulary) -> Piece:
    count = row[0]
    offsets, event_times, amounts = (np.fromstring(text, np.int64, sep=",") for text in row[1:4])
    levels = np.frombuffer(row[4], np.uint8) - ord("0")
    bars = np.fromstring(row[5], np.int64, sep=",")
    for column, numbers, lowest, highest in (
        ("event_time", event_times, EARLIEST, LATEST),
        ("level", levels, LOW, HIGH),
        (f"score in {SCORE_STEPS}ths", bars, 0, SCORE_STEPS),
        ("amount", amounts, UNKNOWN_AMOUNT, LARGEST_MINOR),
    ):
        check_within(lowest, highest, numbers, column, offsets)
    customer_ids, transaction_ids = (_parted(text, count) for text in row[6:8])
    customers = hashes(customer_ids, count)
    return Piece(
        partition,
        offsets,
        event_times,
        amounts,
        levels,
        np.minimum(bars, SCORE_STEPS - 1),
        customers,
        customer_ids,
        keys(customers, hashes(transaction_ids, count)),
        *(_numbered(text, count, names) for names, text in zip(vocabulary, row[8:], strict=True)),
    )


def _parted(text: bytes, count: int) -> list[bytes]:
    parts = text.split(b"\0")
    if len(parts) != count:
        raise StoreError(
            f"risk_flags: got {len(parts)} texts in {count} flags, the first {parts[0]!r}, expected as many: one of "
            "them holds a NUL, so that what wrote it is not TrustLens. Make the store again from the log."
        )
    return parts


def _numbered(text: bytes, count: int, names: Names) -> Array:
    first = text.partition(b"\0")[0]
    if text == (first + b"\0") * (count - 1) + first:  # as currencies and bundles mostly are
        return np.full(count, names[first])
    return names.numbers(_parted(text, count))
