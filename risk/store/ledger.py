"""The ledger: what the keeper closes days from, and the closed days as their topic has them."""

from collections.abc import Iterator, Sequence
from sqlite3 import Connection
from typing import Any

from risk.clock import DAY, to_date
from risk.errors import StoreError
from risk.ledger_day import LedgerDay, label_cutoff
from risk.ledger_log import ClosedDay, LedgerKey, key_of
from risk.store.part import Part
from risk.store.rows import KnownLedger

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


class Ledger(Part):
    def closed_day(self, day: int, label_delay_days: int, bucket_ms: int) -> tuple[int, LedgerDay]:
        """How many transactions of the UTC day were scored; and the day, as `close_day` would close it. A fraud is what
        was known as one at the day's label cutoff."""
        cutoff = label_cutoff(day, label_delay_days)
        asked = {"since": day * DAY, "until": (day + 1) * DAY, "cutoff": cutoff, "bucket": bucket_ms}
        with self._file.reading() as connection:
            rows = connection.execute(_CLOSED, asked).fetchall()
        count = sum(row[2] for row in rows)
        return count, LedgerDay(
            day, label_delay_days, bucket_ms, *_columns([row for row in rows if row[0] is not None])
        )

    def add_ledger_days(self, days: Sequence[ClosedDay], next_offset: int) -> None:
        """Days out of their topic, and where it is read on. The first one of a day, delay and bucket counts for ever;
        the same one may come again, from another worker."""
        with self._file.writing() as connection:
            for day in days:
                if not _is_known(connection, day):
                    _insert(connection, day)
            connection.execute("update ledger_progress set next_offset = max(next_offset, ?)", (next_offset,))

    def ledger_offset(self) -> int:
        """Where the ledger's topic is read on."""
        with self._file.reading() as connection:
            [offset] = connection.execute("select next_offset from ledger_progress").fetchone()
        return int(offset)

    def ledger_days(self, label_delay_days: int, bucket_ms: int, since_day: int) -> Iterator[ClosedDay]:
        """The closed days from that one on, in order."""
        with self._file.reading() as connection:
            rows = connection.execute(
                "select day, transactions, topic_offset, is_pruned from ledger_days "
                "where label_delay_days = ? and bucket_ms = ? and day >= ? order by day",
                (label_delay_days, bucket_ms, since_day),
            ).fetchall()
        for day, transactions, offset, is_pruned in rows:
            if is_pruned:
                raise StoreError(
                    f"{self._file.path}: the ledger's rows of {to_date(day)} were pruned, expected all that "
                    "transactions can still ask for; begin with a new store, which is made again from the log"
                )
            with self._file.reading() as connection:
                closed = _read(connection, LedgerKey(day, label_delay_days, bucket_ms))
            yield ClosedDay(closed, transactions, offset)

    def ledgers(self) -> list[KnownLedger]:
        """Of every label delay and bucket there is."""
        with self._file.reading() as connection:
            rows = connection.execute(
                "select label_delay_days, bucket_ms, min(day) filter (where transactions > 0), max(day), "
                "max(topic_offset) from ledger_days group by label_delay_days, bucket_ms "
                "order by label_delay_days, bucket_ms"
            ).fetchall()
        return [KnownLedger((delay, bucket), *rest) for delay, bucket, *rest in rows]

    def ledger_bounds(self, label_delay_days: int, bucket_ms: int) -> tuple[int | None, int | None, int | None]:
        """The first day, the first day with transactions, and the newest day."""
        with self._file.reading() as connection:
            first, begun, newest = connection.execute(
                "select min(day), min(day) filter (where transactions > 0), max(day) from ledger_days "
                "where label_delay_days = ? and bucket_ms = ?",
                (label_delay_days, bucket_ms),
            ).fetchone()
        return first, begun, newest


def _by_kind(key: LedgerKey) -> tuple[int, int, int]:
    """The key as the tables have it: days of one delay and bucket lie together, in order."""
    return key.label_delay_days, key.bucket_ms, key.day


def _is_known(connection: Connection, day: ClosedDay) -> bool:
    key = key_of(day.closed)
    found = connection.execute(
        f"select transactions, topic_offset, is_pruned from ledger_days where {_DAY}", _by_kind(key)
    ).fetchone()
    if found is None:
        return False
    transactions, offset, is_pruned = found
    if day.offset <= offset and not is_pruned:
        known = ClosedDay(_read(connection, key), transactions, offset)
        if (known.closed, known.transactions) != (day.closed, day.transactions):
            raise StoreError(
                f"ledger day {to_date(key.day)} (label delay {key.label_delay_days} d, bucket {key.bucket_ms} ms): got "
                f"{day.transactions} transactions at offset {day.offset}, expected the {transactions} that the store "
                f"knows from offset {offset}; a closed day never changes, so the topic is another one. Begin with a "
                "new store, or give the topic back."
            )
    return True


def _insert(connection: Connection, day: ClosedDay) -> None:
    closed, kind = day.closed, _by_kind(key_of(day.closed))
    connection.execute(
        "insert into ledger_days (label_delay_days, bucket_ms, day, transactions, topic_offset) values (?, ?, ?, ?, ?)",
        (*kind, day.transactions, day.offset),
    )
    connection.executemany(
        "insert into ledger_rows (label_delay_days, bucket_ms, day, merchant_id, bucket, transactions, frauds) "
        "values (?, ?, ?, ?, ?, ?, ?)",
        [
            (*kind, *row)
            for row in zip(closed.merchants, closed.buckets, closed.transactions, closed.frauds, strict=True)
        ],
    )


def _read(connection: Connection, key: LedgerKey) -> LedgerDay:
    rows = connection.execute(
        f"select merchant_id, bucket, transactions, frauds from ledger_rows where {_DAY} order by merchant_id, bucket",
        _by_kind(key),
    ).fetchall()
    return LedgerDay(*key, *_columns(rows))


def _columns(rows: Sequence[tuple[str, int, int, int]]) -> Iterator[tuple[Any, ...]]:
    """Merchants, buckets, transactions, frauds."""
    return zip(*rows, strict=True) if rows else iter(((), (), (), ()))
