"""Lets go of what is old, and of nothing that a restart or the ledger can still ask for."""

import shutil
from collections.abc import Collection
from typing import NamedTuple

from risk.clock import DAY, MONTH, to_date, to_text
from risk.errors import StoreError
from risk.store.ledger import Ledger
from risk.store.log_identity import LogIdentity
from risk.store.partitions import Partitions
from risk.store.rows import Position

# So few at once that workers hardly wait.
FLAGS_AT_ONCE = 5_000
LABELS_AT_ONCE = 20_000
# What is deleted goes through the store's log first. A flag touches a page of the table and one of each index; where
# the disk is nearly full, fewer go at once, and the log is put into the file after each of them.
FLAG_BYTES = 48 * 1024
LEAST_AT_ONCE = 50

_FLAGS = """
delete from risk_flags where (source_partition, source_offset) in (
    select source_partition, source_offset from risk_flags indexed by flags_by_event_time
    where event_time < ? and source_partition = ? limit ?
)
"""
_LABELS = """
delete from labels
where (customer_id, transaction_id) > (?, ?) and (customer_id, transaction_id) <= (?, ?) and labelled_at < ?
"""
_NEXT_LABEL = """
select customer_id, transaction_id from labels where (customer_id, transaction_id) > (?, ?)
order by customer_id, transaction_id limit 1 offset ?
"""


class Pruned(NamedTuple):
    flags: int
    labels: int
    ledger_rows: int
    kept: list[str]  # what had to stay though it is old enough, and why
    whole_from: int | None = None  # the first UTC day of which no flag is gone, if any is


class _Limit(NamedTuple):
    """Rows of a partition with an earlier event time may go; `why` they may not go later than that, if so."""

    partition: int
    before: int
    why: str | None


class Pruning(Partitions, Ledger, LogIdentity):
    def prune(
        self, transactions: str, *, older_than_ms: int, max_lateness_ms: int, ledgers: Collection[tuple[int, int]]
    ) -> Pruned:
        """Flags, labels and ledger rows older than that, as counted back from the newest event time there is.

        What stays: what histories are rebuilt from, and what days are closed from that are not closed yet in one of
        the `ledgers`, each a label delay in days and a bucket. Offsets are not touched. The file does not shrink; its
        room is used again.
        """
        positions = [p for p in self.positions() if p.topic == transactions and p.newest_event_time is not None]
        if not positions:
            return Pruned(0, 0, 0, ["nothing was scored yet"])
        at_once = self._flags_at_once()
        wanted = max(_newest(position) for position in positions) - older_than_ms
        limits = [self._limit(position, wanted, max_lateness_ms, ledgers) for position in positions]
        flags = sum(self._prune_flags(limit, at_once) for limit in limits)
        # A label never tells of a transaction after it, so that below all limits there is nothing left to tell of.
        labels = self._prune_labels(min(limit.before for limit in limits), LABELS_AT_ONCE * at_once // FLAGS_AT_ONCE)
        rows = 0
        if len(positions) == self._partitions_of_the_log(len(positions)):
            slowest = min(_newest(position) for position in positions)
            for ledger, _, newest_closed, _ in self.ledgers():
                reach = max_lateness_ms + (ledger[0] + 2) * DAY + MONTH
                # The newest day of all stays, however old: a pipeline of that ledger begins with it.
                rows += self._prune_ledger(ledger, min(min(wanted, slowest - reach) // DAY, newest_closed))
        whole_from = -(-max(limit.before for limit in limits) // DAY) if flags else None
        return Pruned(flags, labels, rows, [text for limit in limits for text in self._kept(limit, wanted)], whole_from)

    def _flags_at_once(self) -> int:
        """As many as the disk has room for; StoreError where it has too little, before anything is deleted."""
        path, connection = self._file.path, self._file.connection
        free = shutil.disk_usage(path.parent).free
        at_once = min(FLAGS_AT_ONCE, free // FLAG_BYTES)
        if at_once < LEAST_AT_ONCE:
            raise StoreError(
                f"{path}: got {free:,} bytes of room on its disk, expected {LEAST_AT_ONCE * FLAG_BYTES:,} to prune: "
                "what is deleted goes through the store's log first. Nothing was deleted. Make room, and prune again"
            )
        if at_once < FLAGS_AT_ONCE:
            connection.execute("pragma wal_autocheckpoint = 1")
        return at_once

    def _partitions_of_the_log(self, at_least: int) -> int:
        """A partition of which nothing was scored yet may begin anywhere: it may need every day of the ledger."""
        identity = self.identity()
        return at_least if identity is None else max(identity.partitions, at_least)

    def _limit(
        self, position: Position, wanted: int, max_lateness_ms: int, ledgers: Collection[tuple[int, int]]
    ) -> _Limit:
        rebuilt = _newest(position) - MONTH - 2 * max_lateness_ms
        bounds: list[tuple[int, str | None]] = [
            (wanted, None),
            (rebuilt, f"histories are rebuilt from {to_text(rebuilt)} on"),
        ]
        for delay, bucket in ledgers:
            _, _, newest_closed = self.ledger_bounds(delay, bucket)
            of = f"(label delay {delay} d, bucket {bucket // 1000} s)"
            if newest_closed is None:
                bounds.append((0, f"no day of the ledger {of} is closed yet"))
            else:
                first_open = newest_closed + 1
                bounds.append((first_open * DAY, f"day {to_date(first_open)} of the ledger {of} is not closed yet"))
        before, why = min(bounds, key=lambda bound: bound[0])
        return _Limit(position.partition, before, why)

    def _prune_flags(self, limit: _Limit, at_once: int) -> int:
        gone = 0
        while True:
            with self._file.writing() as connection:
                pruned = connection.execute(_FLAGS, (limit.before, limit.partition, at_once)).rowcount
            gone += pruned
            if pruned < at_once:
                return gone

    def _prune_labels(self, before: int, at_once: int) -> int:
        gone, place = 0, ("", "")
        while True:
            with self._file.writing() as connection:
                upto = connection.execute(_NEXT_LABEL, (*place, at_once)).fetchone() or (
                    connection.execute(
                        "select customer_id, transaction_id from labels "
                        "order by customer_id desc, transaction_id desc limit 1"
                    ).fetchone()
                )
                if upto is None or upto == place:
                    return gone
                gone += connection.execute(_LABELS, (*place, *upto, before)).rowcount
            place = upto

    def _prune_ledger(self, ledger: tuple[int, int], before: int) -> int:
        """The day itself stays known, so that it can neither be closed again nor be taken for the first."""
        gone = 0
        with self._file.reading() as connection:
            days = connection.execute(
                "select label_delay_days, bucket_ms, day from ledger_days "
                "where label_delay_days = ? and bucket_ms = ? and day < ? and not is_pruned order by day",
                (*ledger, before),
            ).fetchall()
        for day in days:
            kind = "where label_delay_days = ? and bucket_ms = ? and day = ?"
            with self._file.writing() as connection:
                connection.execute(f"update ledger_days set is_pruned = 1 {kind}", day)
                gone += connection.execute(f"delete from ledger_rows {kind}", day).rowcount
        return gone

    def _kept(self, limit: _Limit, wanted: int) -> list[str]:
        if limit.why is None:
            return []
        with self._file.reading() as connection:
            [rows] = connection.execute(
                "select count(*) from risk_flags where event_time >= ? and event_time < ? and source_partition = ?",
                (limit.before, wanted, limit.partition),
            ).fetchone()
        return [f"partition {limit.partition}: {rows} flags stay, because {limit.why}"] if rows else []


def _newest(position: Position) -> int:
    assert position.newest_event_time is not None
    return position.newest_event_time
