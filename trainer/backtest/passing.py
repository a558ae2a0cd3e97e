"""A dataset through one bundle's pipeline, and what is counted of it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from risk.block import NO_AMOUNT, Block, LabelBlock
from risk.bundle import Bundle
from risk.codec import encode_transaction
from risk.dataset import Rows
from risk.decision import Scored
from risk.diagnosis import MAX_BYTES
from risk.digest import Digest, canonical_rows
from risk.engine import FeatureBlock, Verdict
from risk.ledger import SeenDays
from risk.money import scale_of
from risk.pipeline import Pipeline
from trainer.backtest.tally import Calendar, Costs, Outcome

# Rows that are scored at once: any other number would give the same bits, and fewer cost more each.
BATCH = 4096


T = TypeVar("T")


class Batch(NamedTuple):
    """What arrives of a part of a chunk."""

    places: np.ndarray  # of its rows in the chunk
    block: Block
    counted: np.ndarray  # bool: which of them lie in the period
    labels: np.ndarray


def batches(rows: Rows, counted: np.ndarray) -> Iterator[Batch]:
    """All but what is too large for a message: a row of a file is what a worker would read."""
    fits = _fits_into_a_message(rows.block)
    for first in range(0, len(rows.block), BATCH):
        last = first + BATCH
        places = first + np.flatnonzero(fits[first:last])
        yield Batch(
            places, rows.block.cut(first, last).select(fits[first:last]), counted[places], rows.is_fraud[places]
        )


# What the fields of a message can have at most besides its attributes: seven texts of 1,000 characters, six bytes each.
FIELDS_BYTES = 45_000


def _fits_into_a_message(block: Block) -> np.ndarray:
    fits = np.ones(len(block), bool)
    if not any(block.attributes):
        return fits
    for row, attributes in enumerate(block.attributes):
        if attributes and FIELDS_BYTES + sum(map(_most_bytes, attributes.items())) > MAX_BYTES:
            fits[row] = len(encode_transaction(block[row])) <= MAX_BYTES
    return fits


def _most_bytes(attribute: tuple[str, float | str]) -> int:
    name, value = attribute
    return 6 * (len(name) + (len(value) if isinstance(value, str) else 5)) + 6


class Answer(NamedTuple):
    """What a batch came to; one entry for each scored row."""

    places: np.ndarray  # in the chunk
    scored: Scored
    has_alert: np.ndarray  # that customer has a high score by then, on that day of the period


class Passing:
    """One bundle's part in a backtest."""

    def __init__(self, bundle: Bundle, thresholds: Sequence[float]) -> None:
        """The bundle's own threshold is one of them."""
        manifest = bundle.manifest
        self.manifest = manifest
        self.digest = Digest()
        self.verdicts: Counter[Verdict] = Counter()
        self.other_currencies: Counter[str] = Counter()
        self._days = SeenDays(manifest.terms.ledger_terms)
        self.calendar = Calendar(thresholds, Costs(manifest.thresholds.review_cost, manifest.thresholds.loss_rate))
        self._place_of_high = sorted(thresholds).index(manifest.thresholds.high)
        self._pipeline = Pipeline(bundle, self._days)

    @property
    def total(self) -> Outcome:
        """The whole period at the bundle's own threshold."""
        return self.calendar.total.at(self.manifest.thresholds.high)

    def forget_old_days(self) -> None:
        """A file is one partition, so nothing older can come."""
        self._pipeline.engine.forget_old_days()

    def learn(self, labels: LabelBlock) -> None:
        """Before the transactions of the same chunk."""
        self._days.learn(labels)

    def features(self, batch: Batch) -> FeatureBlock:
        """Batch after batch. The engine is nobody else's, so the next batch may come while this one is scored."""
        return self._pipeline.features(batch.block)

    def decide(self, features: FeatureBlock) -> Scored:
        """In any thread."""
        return self._pipeline.decide(features)

    def count(self, batch: Batch, scored: Scored) -> Answer:
        """Batch after batch: what lies in the period is counted and enters the digest."""
        rows = np.array(scored.rows, np.int64)
        kept = np.flatnonzero(batch.counted[rows])
        self.digest.add(
            *canonical_rows(
                _some(batch.block.transaction_id, rows[kept]),
                _some(scored.scores, kept),
                _some(scored.levels, kept),
                _some(scored.reasons, kept),
                _some(scored.imputed, kept),
                _some(scored.ledger_days, kept),
            )
        )
        for verdict in Verdict:
            self.verdicts[verdict] += int(np.count_nonzero(scored.verdicts[batch.counted] == verdict))
        has_alert = np.zeros(len(rows), bool)
        has_alert[kept] = self._count(batch, rows[kept], np.array(scored.scores)[kept]) > self._place_of_high
        return Answer(batch.places[rows], scored, has_alert)

    def _count(self, batch: Batch, rows: np.ndarray, scores: np.ndarray) -> np.ndarray:
        block, currency = batch.block, self.manifest.currency
        currencies = _some(block.currency, rows)
        self.other_currencies.update(currencies)
        del self.other_currencies[currency]
        # What is at stake, as far as it is known in the bundle's currency.
        known = (block.amount[rows] != NO_AMOUNT) & np.fromiter(map(currency.__eq__, currencies), bool, len(rows))
        return self.calendar.add(
            block.event_time[rows],
            _some(block.customer_id, rows),
            scores,
            batch.labels[rows],
            np.where(known, block.amount[rows] / scale_of(currency), 0.0),
        )


def _some(column: Sequence[T], rows: np.ndarray) -> Sequence[T]:
    return column if len(rows) == len(column) else [column[row] for row in rows.tolist()]
