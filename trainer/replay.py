"""History through the engine, from a file: what `features`, and later training and backtests, have in common."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from risk.catalogue import FeatureSet
from risk.clock import DAY
from risk.dataset import Dataset, Rows
from risk.dataset.column_map import Constant
from risk.engine import Engine, FeatureBatch, Verdict
from risk.errors import DatasetError
from risk.ledger import SeenDays, label_cutoff
from risk.money import EXPONENTS


class Passed(NamedTuple):
    """A chunk of the file, and what the engine said of it."""

    rows: Rows
    batch: FeatureBatch


class Replay:
    """Sends a dataset through a new engine once, in event-time order, and counts what happens on the way."""

    def __init__(
        self,
        dataset: Dataset,
        *,
        label_delay_days: int,
        bucket_ms: int,
        max_lateness_ms: int,
        currency: str,
        feature_set: FeatureSet | None = None,
    ) -> None:
        """`feature_set`: where not everything that the dataset has is wanted."""
        self.dataset = dataset
        self.verdicts: Counter[Verdict] = Counter()
        self.other_currencies: Counter[str] = Counter()
        self.reported_frauds = 0
        self.frauds_unseen = 0
        self.currency = currency
        self._delay = label_delay_days
        self._days = SeenDays(label_delay_days=label_delay_days, bucket_ms=bucket_ms)
        self._engine = Engine(
            dataset.feature_set if feature_set is None else feature_set,
            currency=currency,
            label_delay_days=label_delay_days,
            bucket_ms=bucket_ms,
            max_lateness_ms=max_lateness_ms,
            days=self._days,
        )

    @property
    def feature_set(self) -> FeatureSet:
        return self._engine.feature_set

    @property
    def has_ledger(self) -> bool:
        return "merchant_id" in self.feature_set.fields

    def chunks(self) -> Iterator[Passed]:
        for rows in self.dataset.rows():
            if self.has_ledger:
                self._days.learn(rows.labels())
            batch = self._engine.features(rows.transactions)
            self._count(rows, batch)
            self._engine.forget_old_days()
            yield Passed(rows, batch)

    def _count(self, rows: Rows, batch: FeatureBatch) -> None:
        for verdict in Verdict:
            self.verdicts[verdict] += int(np.count_nonzero(batch.verdicts == verdict))
        self.other_currencies.update(t.currency for t in rows.transactions if t.currency != self.currency)
        reported = np.flatnonzero((rows.is_fraud == 1) & (rows.labelled_at >= 0))
        days = np.array([rows.transactions[row].event_time // DAY for row in reported], np.int64)
        self.reported_frauds += len(reported)
        when = rows.labelled_at[reported]
        unseen = (when < days * DAY) | (when >= label_cutoff(days, self._delay))
        self.frauds_unseen += int(np.count_nonzero(unseen))


def currency_of(dataset: Dataset) -> str:
    """The currency that amounts are taken in: the map's constant, or the most common one at the file's beginning."""
    source = dataset.column_map.texts["currency"]
    if isinstance(source, Constant):
        return source.value
    known = [currency for currency, _ in dataset.currencies() if currency in EXPONENTS]
    if not known:
        raise DatasetError(f"{dataset.path}: got no row with a currency that is known, expected ISO 4217 codes such as "
                           "EUR. Look at the file with inspect, or name the currency in a column map.")  # fmt: skip
    return known[0]
