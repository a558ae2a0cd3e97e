"""Labels as they come: how many, and which transactions they are about."""

import sqlite3

import numpy as np

from kpi_reporter.kpis.damage import ADVICE
from kpi_reporter.kpis.names import hashes, keys
from kpi_reporter.kpis.pieces import partitions_of
from kpi_reporter.kpis.sorted_sets import distinct
from kpi_reporter.kpis.values import LabelCounts
from risk.codes import Array
from risk.errors import StoreError

ROWS_AT_ONCE = 20_000

_LAST = "select max(source_offset) from labels where source_partition = ?"
_WHERE = (
    "from labels indexed by labels_by_offset where source_partition = ? and source_offset > ? and source_offset <= ?"
)
_COUNTS = f"select is_fraud, count(*), max(labelled_at) {_WHERE} group by is_fraud"
_NAMED = f"select customer_id, transaction_id, is_fraud {_WHERE} and is_fraud >= ?"
_NOTHING = np.empty(0, np.uint64)


class Labels:
    def __init__(self) -> None:
        self._seen: dict[int, int] = {}
        self._is_first_reading = True
        self._counts = {0: 0, 1: 0}
        self._newest: int | None = None
        self.fraud_keys = _NOTHING  # of every transaction that was ever called a fraud, sorted

    def counts(self) -> LabelCounts:
        return LabelCounts(self._counts[1], self._counts[0], self._newest)

    def read_new(self, connection: sqlite3.Connection) -> Array:
        """The keys of transactions whose verdict may be another one now, sorted. What was said to be genuine and never
        a fraud is what had been assumed, so a first reading passes over it."""
        touched = [self._read_partition(connection, number) for number in partitions_of(connection, "labels")]
        self._is_first_reading = False
        return distinct(np.concatenate([_NOTHING, *touched]))

    def _read_partition(self, connection: sqlite3.Connection, partition: int) -> Array:
        seen = self._seen.get(partition, -1)
        [last] = connection.execute(_LAST, (partition,)).fetchone()
        if last is None or last <= seen:
            return _NOTHING
        for is_fraud, count, newest in connection.execute(_COUNTS, (partition, seen, last)):
            if is_fraud not in self._counts:
                raise StoreError(f"labels: got {is_fraud} as is_fraud, expected 0 or 1; {ADVICE}")
            self._counts[is_fraud] += count
            self._newest = newest if self._newest is None else max(self._newest, newest)
        named = connection.execute(_NAMED, (partition, seen, last, int(self._is_first_reading)))
        touched = [_NOTHING]
        frauds = [self.fraud_keys]
        while rows := named.fetchmany(ROWS_AT_ONCE):
            customers, transactions, is_fraud = zip(*rows, strict=True)
            found = keys(hashes(customers, len(rows)), hashes(transactions, len(rows)))
            touched.append(found)
            frauds.append(found[np.array(is_fraud) == 1])
        self.fraud_keys = distinct(np.concatenate(frauds))
        self._seen[partition] = last
        return np.concatenate(touched)
