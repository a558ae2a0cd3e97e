"""Labels as they come: how many, and which transactions they are about."""

import numpy as np

from kpi_reporter.kpis.names import hashes, keys
from kpi_reporter.kpis.sorted_sets import distinct
from kpi_reporter.kpis.values import LabelCounts
from risk.codes import Array
from risk.errors import StoreError
from risk.store import IF_DAMAGED, StoreToReport

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

    def read_new(self, store: StoreToReport) -> Array:
        """The keys of transactions whose verdict may be another one now, sorted. What was said to be genuine and never
        a fraud is what had been assumed, so a first reading passes over it."""
        touched = [self._read_partition(store, number) for number in store.labelled_partitions()]
        self._is_first_reading = False
        return distinct(np.concatenate([_NOTHING, *touched]))

    def _read_partition(self, store: StoreToReport, partition: int) -> Array:
        seen, last = self._seen.get(partition, -1), store.last_label(partition)
        if last <= seen:
            return _NOTHING
        for is_fraud, count, newest in store.label_counts(partition, seen, last):
            if is_fraud not in self._counts:
                raise StoreError(f"labels: got {is_fraud} as is_fraud, expected 0 or 1; {IF_DAMAGED}")
            self._counts[is_fraud] += count
            self._newest = newest if self._newest is None else max(self._newest, newest)
        touched = [_NOTHING]
        frauds = [self.fraud_keys]
        for rows in store.label_keys(partition, seen, last, only_frauds=self._is_first_reading):
            customers, transactions, verdicts = zip(*rows, strict=True)
            found = keys(hashes(customers), hashes(transactions))
            touched.append(found)
            frauds.append(found[np.array(verdicts) == 1])
        self.fraud_keys = distinct(np.concatenate(frauds))
        self._seen[partition] = last
        return np.concatenate(touched)
