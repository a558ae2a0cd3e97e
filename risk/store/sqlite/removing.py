"""Removes rows in small pieces, so that workers hardly wait."""

import shutil
from collections.abc import Mapping

from risk.errors import StoreError
from risk.ledger_day import LedgerTerms
from risk.store.rows import Removed
from risk.store.sqlite.file import StoreFile

# So few at once that workers hardly wait.
FLAGS_AT_ONCE = 5_000
LABELS_AT_ONCE = 20_000
# What is deleted goes through the store's log first. A flag touches a page of the table and one of each index; where
# the disk is nearly full, fewer go at once, and the log is put into the file after each of them.
FLAG_BYTES = 48 * 1024
LEAST_AT_ONCE = 50

_OLD = """(
    select source_partition, source_offset from risk_flags indexed by flags_by_event_time
    where event_time < ? and source_partition = ? limit ?
)"""
_FLAGS = f"delete from risk_flags where (source_partition, source_offset) in {_OLD}"
_SAMPLES = f"delete from feature_samples where (source_partition, source_offset) in {_OLD}"
_SHADOWS = f"delete from shadow_scores where (source_partition, source_offset) in {_OLD}"
_SPANS = """
delete from shadow_spans where source_partition = ?1 and not exists (
    select 1 from risk_flags where source_partition = ?1 and source_offset < next_offset
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


def remove(
    file: StoreFile, flags: Mapping[int, int], labels_before: int, ledger_days: Mapping[LedgerTerms, int]
) -> Removed:
    at_once = _flags_at_once(file)
    return Removed(
        sum(_remove_flags(file, partition, before, at_once) for partition, before in flags.items()),
        _remove_labels(file, labels_before, LABELS_AT_ONCE * at_once // FLAGS_AT_ONCE),
        sum(_remove_ledger_rows(file, terms, before) for terms, before in ledger_days.items()),
    )


def _flags_at_once(file: StoreFile) -> int:
    """As many as the disk has room for; StoreError where it has too little, before anything is deleted."""
    path, connection = file.path, file.connection
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


def _remove_flags(file: StoreFile, partition: int, before: int, at_once: int) -> int:
    gone = 0
    while True:
        with file.writing() as connection:
            for beside in (_SAMPLES, _SHADOWS):  # of the same rows: nothing came in between
                connection.execute(beside, (before, partition, at_once))
            pruned = connection.execute(_FLAGS, (before, partition, at_once)).rowcount
        gone += pruned
        if pruned < at_once:
            break
    with file.writing() as connection:
        connection.execute(_SPANS, (partition,))
    return gone


def _remove_labels(file: StoreFile, before: int, at_once: int) -> int:
    gone, place = 0, ("", "")
    while True:
        with file.writing() as connection:
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


def _remove_ledger_rows(file: StoreFile, terms: LedgerTerms, before: int) -> int:
    """The day itself stays known, so that it can neither be closed again nor be taken for the first."""
    gone = 0
    with file.reading() as connection:
        days = connection.execute(
            "select label_delay_days, bucket_ms, day from ledger_days "
            "where label_delay_days = ? and bucket_ms = ? and day < ? and not is_pruned order by day",
            (*terms, before),
        ).fetchall()
    for day in days:
        where = "where label_delay_days = ? and bucket_ms = ? and day = ?"
        with file.writing() as connection:
            connection.execute(f"update ledger_days set is_pruned = 1 {where}", day)
            gone += connection.execute(f"delete from ledger_rows {where}", day).rowcount
    return gone
