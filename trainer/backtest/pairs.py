"""What two bundles say of the same rows, as arrays: for figures that need all rows at once."""

import numpy as np

from evaluation.ranking import NO_MERCHANT, Predictions
from risk.block import NO_AMOUNT
from risk.clock import DAY
from risk.codes import Array, Codes
from risk.dataset import Rows
from risk.events import FRAUD, UNKNOWN
from risk.money import scale_of
from trainer.backtest.passing import Answer


class Pairs:
    """Fed with both answers to the same rows; keeps those of the period that have a label: about 60 bytes each."""

    def __init__(self, currency: str) -> None:
        self._currency = currency
        self._customers, self._merchants = Codes(), Codes()
        self._parts: list[tuple[Array, ...]] = []

    def add(self, rows: Rows, mine: Answer, theirs: Answer, counted: np.ndarray) -> None:
        # With another lateness, one may score what the other does not.
        places, at, other_at = np.intersect1d(mine.places, theirs.places, assume_unique=True, return_indices=True)
        kept = counted[places] & (rows.is_fraud[places] != UNKNOWN)
        places, at, other_at = places[kept], at[kept], other_at[kept]
        block, chosen = rows.block, places.tolist()
        currencies = np.array([block.currency[place] == self._currency for place in chosen], bool)
        known = (block.amount[places] != NO_AMOUNT) & currencies
        merchants = np.array([self._merchants[block.merchant_id[place]] for place in chosen], np.int64)
        self._parts.append(
            (
                block.event_time[places],
                np.array([self._customers[block.customer_id[place]] for place in chosen], np.int64),
                np.where(merchants == 0, NO_MERCHANT, merchants),
                np.where(known, block.amount[places] / scale_of(self._currency), np.nan),
                rows.is_fraud[places] == FRAUD,
                np.array(mine.scored.scores, np.float64)[at],
                np.array(theirs.scored.scores, np.float64)[other_at],
            )
        )

    def predictions(self) -> tuple[Predictions, Predictions]:
        """Of the first bundle and of the other."""
        columns = [np.concatenate(parts) for parts in zip(*self._parts, strict=True)]
        times, customers, merchants, amounts, is_fraud, scores, others = columns
        days = int(times.max() // DAY - times.min() // DAY) + 1 if len(times) else 0
        first, second = (
            Predictions(times, customers, merchants, amounts, is_fraud, None, said, said, days)
            for said in (scores, others)
        )
        return first, second
