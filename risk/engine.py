"""The feature engine: transactions in, features out, and the transactions join the past. One engine for everything.

It knows no bundle: what was learned from data is applied afterwards, by prepare.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from risk import windows
from risk.block import NO_AMOUNT, Block
from risk.catalogue import (
    ATTRIBUTE_PREFIX,
    CATEGORY_FEATURES,
    DIRECT_FEATURES,
    HISTORY_FEATURES,
    LEDGER_FEATURES,
    Feature,
    FeatureSet,
)
from risk.clock import DAY, HOUR
from risk.codes import Array, Codes
from risk.errors import EngineError
from risk.history import Histories, Taken
from risk.horizon import ledger_horizon
from risk.ledger import NO_DAY, DaySource, MerchantLedger
from risk.ledger_day import LedgerDay
from risk.money import EXPONENTS, scale_of
from risk.words import number_text

NIGHT_FROM, NIGHT_UNTIL = 22, 6
SATURDAY = 5
# 1970-01-01, day 0, was a Thursday.
WEEKDAY_OF_DAY_0 = datetime(1970, 1, 1, tzinfo=UTC).weekday()


class Verdict(IntEnum):
    SCORED = windows.SCORED
    DUPLICATE = windows.DUPLICATE
    LATE = windows.LATE


class FeatureBatch(NamedTuple):
    """What the engine says of a batch: one entry a transaction everywhere, in order."""

    values: Array  # float64, a column for each of feature_set.numbers; rows that are not scored are NaN
    categories: dict[str, list[str | None]]  # a list for each of feature_set.categories
    verdicts: Array  # uint8, a Verdict each
    ledger_days: Array  # int64, the newest closed day that could be looked at; -1 without a ledger


class Engine:
    """Histories of each partition, and one ledger for all of them."""

    def __init__(
        self,
        feature_set: FeatureSet,
        *,
        currency: str,
        label_delay_days: int = 7,
        bucket_ms: int = HOUR,
        max_lateness_ms: int = DAY,
        days: DaySource | None = None,
    ) -> None:
        if currency not in EXPONENTS:
            raise EngineError(f"currency: got {currency!r}, expected an ISO 4217 code such as EUR")
        if max_lateness_ms < 0:
            raise EngineError(f"max lateness: got {max_lateness_ms} ms, expected 0 or more")
        self._wants_ledger = "merchant_id" in feature_set.fields
        if self._wants_ledger and (label_delay_days - 1) * DAY <= max_lateness_ms:
            raise EngineError(
                f"label delay: got {label_delay_days} days, and transactions {max_lateness_ms / DAY:g} days late, "
                f"expected at least {max_lateness_ms // DAY + 2} days, or a late one could meet a day that is closed "
                "already. Give a longer label delay, or a shorter lateness."
            )
        self.feature_set = feature_set
        if self._wants_ledger and days is None:
            raise EngineError(
                "days: got none with merchants in the feature set, expected a source of closed ledger days"
            )
        self._currency = currency
        self._delay_days = label_delay_days
        self._max_lateness = max_lateness_ms
        self._days = days
        self._merchants = Codes()
        self._countries = Codes()
        self._ledger = MerchantLedger(label_delay_days=label_delay_days, bucket_ms=bucket_ms, merchants=self._merchants)
        self._partitions: dict[int, Histories] = {}
        place = {feature.name: column for column, feature in enumerate(feature_set.numbers)}
        self._history_columns = _columns(HISTORY_FEATURES, place)
        self._ledger_columns = _columns(LEDGER_FEATURES, place)
        self._direct_columns = [place[feature.name] for feature in DIRECT_FEATURES]
        self._attribute_columns = [(name, place[ATTRIBUTE_PREFIX + name]) for name in feature_set.number_attributes]

    def features(self, block: Block, partition: int = 0) -> FeatureBatch:
        """Verdicts and features of a batch of one partition, in its order; what is scored joins the past.

        If the source of days raises, the batch is part of the histories already, and giving it again would find
        duplicates: forget the partition and restore it, as after any failure between scoring and storing.
        """
        histories = self._histories(partition)
        newest_before = histories.newest
        taken = histories.take(block)
        scored = np.flatnonzero(taken.verdicts == Verdict.SCORED)
        values = np.full((len(block), len(self.feature_set.numbers)), np.nan)
        ledger_days = np.full(len(block), NO_DAY, np.int64)
        columns, sources = self._history_columns
        values[:, columns] = taken.features[:, sources]
        self._direct(values, scored, taken)
        if self._wants_ledger:
            running_newest = np.maximum(np.maximum.accumulate(block.event_time[scored]), newest_before)
            needed = running_newest // DAY - self._delay_days
            self._look_up(values, ledger_days, scored, needed, taken)
        return FeatureBatch(values, self._categories(block), taken.verdicts, ledger_days)

    def restore(self, block: Block, partition: int = 0) -> None:
        """Puts back transactions that were scored earlier, in any order. Closed days come back by `add_day`; a source
        that closes days itself must be shown what it needs, by its `see`."""
        self._histories(partition).restore(block)

    def add_day(self, closed: LedgerDay) -> None:
        """Takes a ledger day in that was closed before this engine began."""
        self._ledger.add(closed)

    def forget_old_days(self, slowest: int | None = None) -> None:
        """Lets go of the ledger's entries that no transaction can ask for any more. `slowest`: the newest event time of
        the partition that is furthest behind; for a caller who holds all the partitions there will be, that is one of
        those held. A partition that comes later, and lies further back, would be refused."""
        held = min((histories.newest for histories in self._partitions.values()), default=windows.NEVER)
        newest = held if slowest is None else slowest
        self._ledger.forget_before(ledger_horizon(newest, self._max_lateness, self._delay_days))

    def forget(self, partition: int) -> None:
        """The partition belongs to somebody else now."""
        self._partitions.pop(partition, None)

    def _histories(self, partition: int) -> Histories:
        if partition not in self._partitions:
            self._partitions[partition] = Histories(
                currency=self._currency,
                max_lateness_ms=self._max_lateness,
                merchants=self._merchants,
                countries=self._countries,
            )
        return self._partitions[partition]

    def _direct(self, values: Array, scored: Array, taken: Taken) -> None:
        moments, amounts = taken.block.event_time[scored], taken.amounts[scored]
        hour = moments // HOUR % 24
        weekday = (moments // DAY + WEEKDAY_OF_DAY_0) % 7
        amount = np.where(amounts == NO_AMOUNT, np.nan, amounts / scale_of(self._currency))
        night = (hour >= NIGHT_FROM) | (hour < NIGHT_UNTIL)
        for column, feature in zip(self._direct_columns, (amount, hour, night, weekday >= SATURDAY), strict=True):
            values[scored, column] = feature
        if self._attribute_columns:
            present = [taken.block.attributes[row] for row in scored.tolist()]
            for name, column in self._attribute_columns:
                values[scored, column] = [_number(attributes.get(name)) for attributes in present]

    def _look_up(self, values: Array, ledger_days: Array, scored: Array, needed: Array, taken: Taken) -> None:
        """Goes up to each row with which a new day comes into reach, takes the days in, and looks these rows up.

        Cut by the newest time so far and not by the batch, so that the size of batches changes nothing.
        """
        assert self._days is not None
        columns, sources = self._ledger_columns
        cuts = np.flatnonzero(np.diff(needed)) + 1
        for first, last in pairwise([0, *cuts.tolist(), len(scored)]):
            if first == last:
                continue
            for closed in self._days.closed_until(int(needed[first])):
                self._ledger.add(closed)
            rows = scored[first:last]
            times = taken.block.event_time[rows]
            found = self._ledger.features(taken.merchant_codes[rows], times)
            values[rows[:, None], columns] = found[:, sources]
            ledger_days[rows] = self._ledger.day_used(times // DAY - self._delay_days)
            self._days.see(taken.block, rows)

    def _categories(self, block: Block) -> dict[str, list[str | None]]:
        direct = {
            feature.name: getattr(block, feature.name) for feature in CATEGORY_FEATURES if self.feature_set.has(feature)
        }
        attributes = {
            ATTRIBUTE_PREFIX + name: [_text(present.get(name)) for present in block.attributes]
            for name in self.feature_set.category_attributes
        }
        return {**direct, **attributes}


def _columns(features: Sequence[Feature], place: dict[str, int]) -> tuple[list[int], list[int]]:
    """Where these features stand in the values, and where in their own block."""
    present = [(place[feature.name], source) for source, feature in enumerate(features) if feature.name in place]
    return [column for column, _ in present], [source for _, source in present]


def _number(value: float | str | None) -> float:
    """A number attribute; where a text stands instead, the number is missing."""
    return value if isinstance(value, (float, int)) else np.nan


def _text(value: float | str | None) -> str | None:
    """A category attribute; a number is the category that is written like it."""
    return value if isinstance(value, str) or value is None else number_text(value)
