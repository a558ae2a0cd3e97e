"""A dataset through one bundle's pipeline, each row encoded and decoded, so that it sees what a worker sees; and what
is counted of it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from risk.bundle import Bundle
from risk.codec import decode_transaction, encode_transaction
from risk.dataset import Rows
from risk.digest import Digest, canonical
from risk.engine import Verdict
from risk.events import Rejected, Transaction
from risk.ledger import SeenDays
from risk.money import to_major
from risk.pipeline import Pipeline, Scored
from trainer.backtest.tally import Calendar, Costs, Outcome

BATCH = 500  # what the worker takes at once; any other number would give the same bits


class Batch(NamedTuple):
    """What arrives of a part of a chunk."""

    places: list[int]  # of its rows in the chunk
    arrived: list[Transaction]
    counted: np.ndarray  # bool: which of them lie in the period
    labels: list[int]


def through_the_codec(rows: Rows, counted: np.ndarray) -> Iterator[Batch]:
    """What does not arrive is too large for a message."""
    for first in range(0, len(rows.transactions), BATCH):
        places, arrived = [], []
        for place in range(first, min(first + BATCH, len(rows.transactions))):
            answer = decode_transaction(encode_transaction(rows.transactions[place]))
            if not isinstance(answer, Rejected):
                places.append(place)
                arrived.append(answer)
        yield Batch(places, arrived, counted[places], rows.is_fraud[places].tolist())


class Answer(NamedTuple):
    """What a batch came to; one entry for each scored row."""

    places: list[int]  # in the chunk
    scored: Scored
    has_alert: list[bool]  # that customer has a high score by then, on that day of the period


class Passing:
    """One bundle's part in a backtest."""

    def __init__(self, bundle: Bundle, thresholds: Sequence[float]) -> None:
        """The bundle's own threshold is one of them."""
        manifest = bundle.manifest
        self.manifest = manifest
        self.digest = Digest()
        self.verdicts: Counter[Verdict] = Counter()
        self.other_currencies: Counter[str] = Counter()
        self.days = SeenDays(label_delay_days=manifest.label_delay_days, bucket_ms=manifest.bucket_ms)
        self.calendar = Calendar(thresholds, Costs(manifest.thresholds.review_cost, manifest.thresholds.loss_rate))
        self._place_of_high = sorted(thresholds).index(manifest.thresholds.high)
        self._pipeline = Pipeline(bundle, self.days)

    @property
    def total(self) -> Outcome:
        """The whole period at the bundle's own threshold."""
        return self.calendar.total.at(self.manifest.thresholds.high)

    def forget_old_days(self) -> None:
        """A file is one partition, so nothing older can come."""
        self._pipeline.engine.forget_old_days()

    def pass_on(self, batch: Batch) -> Answer:
        """Scores a batch; what lies in the period is counted and enters the digest."""
        scored = self._pipeline.score(batch.arrived)
        kept = [(place, row) for place, row in enumerate(scored.rows) if batch.counted[row]]
        for place, row in kept:
            self.digest.add(
                canonical(
                    batch.arrived[row].transaction_id,
                    scored.scores[place],
                    scored.levels[place],
                    scored.reasons[place],
                    scored.imputed[place],
                    scored.ledger_days[place],
                )
            )
        for verdict in Verdict:
            self.verdicts[verdict] += int(np.count_nonzero(scored.verdicts[batch.counted] == verdict))
        has_alert = [False] * len(scored.rows)
        for (place, _), reached in zip(kept, self._count(batch, scored, kept), strict=True):
            has_alert[place] = reached > self._place_of_high
        return Answer([batch.places[row] for row in scored.rows], scored, has_alert)

    def _count(self, batch: Batch, scored: Scored, kept: list[tuple[int, int]]) -> list[int]:
        transactions = [batch.arrived[row] for _, row in kept]
        currency = self.manifest.currency
        self.other_currencies.update(t.currency for t in transactions if t.currency != currency)
        return self.calendar.add(
            [t.event_time for t in transactions],
            [t.customer_id for t in transactions],
            np.array([scored.scores[place] for place, _ in kept]),
            [batch.labels[row] for _, row in kept],
            [_money(t, currency) for t in transactions],
        )


def _money(transaction: Transaction, currency: str) -> float:
    """What is at stake, as far as it is known in the bundle's currency."""
    if transaction.amount is None or transaction.currency != currency:
        return 0.0
    return to_major(transaction.amount, currency)
