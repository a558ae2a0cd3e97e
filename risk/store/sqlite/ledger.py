"""The SQL of the ledger: what days are closed from, and the closed days as their topic has them."""

from collections.abc import Iterator, Sequence
from sqlite3 import Connection
from typing import Any

from risk.clock import DAY, to_date
from risk.errors import DaysPrunedError, StoreError
from risk.ledger_day import LedgerDay, LedgerTerms, label_cutoff
from risk.ledger_log import ClosedDay, LedgerKey, key_of
from risk.store.rows import KnownLedger
from risk.store.sqlite.file import StoreFile, insert_all

# The label that counts for a day: risk.ledger says the rules, and a test holds both to each other.
# SQLite orders texts by their bytes in UTF-8, which is Python's order of code points: that of `close_day`. A remainder
# has the sign of what is divided: times before 1970 want it twice.
_CLOSED = """
select merchant_id, event_time - (event_time % :bucket + :bucket) % :bucket as bucket, count(*), sum(coalesce((
    select is_fraud from labels
    where labels.customer_id = risk_flags.customer_id and labels.transaction_id = risk_flags.transaction_id
      and labelled_at >= :since and labelled_at < :cutoff
    order by labelled_at desc, labels.source_partition desc, labels.source_offset desc limit 1
), 0))
from risk_flags where event_time >= :since and event_time < :until
group by merchant_id, bucket order by merchant_id, bucket
"""
_DAY = "label_delay_days = ? and bucket_ms = ? and day = ?"


def close(connection: Connection, day: int, terms: LedgerTerms) -> tuple[int, LedgerDay]:
    cutoff = label_cutoff(day, terms.label_delay_days)
    asked = {"since": day * DAY, "until": (day + 1) * DAY, "cutoff": cutoff, "bucket": terms.bucket_ms}
    rows = connection.execute(_CLOSED, asked).fetchall()
    count = sum(row[2] for row in rows)
    return count, LedgerDay(day, *terms, *_columns([row for row in rows if row[0] is not None]))


def add(connection: Connection, days: Sequence[ClosedDay], next_offset: int) -> None:
    for day in days:
        if not _is_known(connection, day):
            _insert(connection, day)
    connection.execute("update ledger_progress set next_offset = max(next_offset, ?)", (next_offset,))


def days(file: StoreFile, terms: LedgerTerms, since_day: int) -> Iterator[ClosedDay]:
    with file.reading() as connection:
        rows = connection.execute(
            "select day, transactions, topic_offset, is_pruned from ledger_days "
            "where label_delay_days = ? and bucket_ms = ? and day >= ? order by day",
            (*terms, since_day),
        ).fetchall()
    for day, transactions, offset, is_pruned in rows:
        if is_pruned:
            raise DaysPrunedError(
                f"{file.path}: the ledger's rows of {to_date(day)} were pruned, expected all that "
                "transactions can still ask for; begin with a new store, which is made again from the log"
            )
        with file.reading() as connection:
            closed = _read(connection, LedgerKey(day, terms))
        yield ClosedDay(closed, transactions, offset)


def _in_tables(key: LedgerKey) -> tuple[int, int, int]:
    """The key as the tables have it: days of one ledger lie together, in order."""
    return *key.terms, key.day


def _is_known(connection: Connection, day: ClosedDay) -> bool:
    key = key_of(day.closed)
    found = connection.execute(
        f"select transactions, topic_offset, is_pruned from ledger_days where {_DAY}", _in_tables(key)
    ).fetchone()
    if found is None:
        return False
    transactions, offset, is_pruned = found
    if day.offset <= offset and not is_pruned:
        known = ClosedDay(_read(connection, key), transactions, offset)
        if (known.closed, known.transactions) != (day.closed, day.transactions):
            delay, bucket = key.terms
            raise StoreError(
                f"ledger day {to_date(key.day)} (label delay {delay} d, bucket {bucket} ms): got "
                f"{day.transactions} transactions at offset {day.offset}, expected the {transactions} that the store "
                f"knows from offset {offset}; a closed day never changes, so the topic is another one. Begin with a "
                "new store, or give the topic back."
            )
    return True


def _insert(connection: Connection, day: ClosedDay) -> None:
    closed, key = day.closed, _in_tables(key_of(day.closed))
    connection.execute(
        "insert into ledger_days (label_delay_days, bucket_ms, day, transactions, topic_offset) values (?, ?, ?, ?, ?)",
        (*key, day.transactions, day.offset),
    )
    rows = zip(closed.merchants, closed.buckets, closed.transactions, closed.frauds, strict=True)
    insert_all(
        connection,
        "insert or fail into ledger_rows (label_delay_days, bucket_ms, day, merchant_id, bucket, transactions, frauds)",
        [(*key, *row) for row in rows],
    )


def _read(connection: Connection, key: LedgerKey) -> LedgerDay:
    rows = connection.execute(
        f"select merchant_id, bucket, transactions, frauds from ledger_rows where {_DAY} order by merchant_id, bucket",
        _in_tables(key),
    ).fetchall()
    return LedgerDay(key.day, *key.terms, *_columns(rows))


def _columns(rows: Sequence[tuple[str, int, int, int]]) -> Iterator[tuple[Any, ...]]:
    """Merchants, buckets, transactions, frauds."""
    return zip(*rows, strict=True) if rows else iter(((), (), (), ()))


def known(connection: Connection) -> list[KnownLedger]:
    rows = connection.execute(
        "select label_delay_days, bucket_ms, min(day) filter (where transactions > 0), max(day), max(topic_offset) "
        "from ledger_days group by label_delay_days, bucket_ms order by label_delay_days, bucket_ms"
    )
    return [KnownLedger(LedgerTerms(delay, bucket), *rest) for delay, bucket, *rest in rows.fetchall()]


def bounds(connection: Connection, terms: LedgerTerms) -> tuple[int | None, int | None, int | None]:
    first, begun, newest = connection.execute(
        "select min(day), min(day) filter (where transactions > 0), max(day) from ledger_days "
        "where label_delay_days = ? and bucket_ms = ?",
        terms,
    ).fetchone()
    return first, begun, newest
