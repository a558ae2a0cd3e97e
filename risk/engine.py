"""The feature engine: transactions in, features out, and the transactions join the past. One engine for everything.

It knows no bundle: what was learned from data is applied afterwards, by a scorer. Several scorers can share an engine
(`serve`), because histories are the same whatever features are computed from them.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from itertools import chain, compress, pairwise
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
    EngineTerms,
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
SWEEP_NAMES_AFTER = 65_536
# 1970-01-01, day 0, was a Thursday.
WEEKDAY_OF_DAY_0 = datetime(1970, 1, 1, tzinfo=UTC).weekday()


class Verdict(IntEnum):
    SCORED = windows.SCORED
    DUPLICATE = windows.DUPLICATE
    LATE = windows.LATE


class FeatureBlock(NamedTuple):
    """What the engine says of a block: one entry a transaction everywhere, in order."""

    values: Array  # float64; rows that are not scored are NaN
    columns: dict[str, int]  # where each number feature stands in them
    categories: dict[str, list[str | None]]
    verdicts: Array  # uint8, a Verdict each
    ledger_days: Array  # int64, the newest closed day that could be looked at; -1 without a ledger

    def select(self, rows: Array) -> "FeatureBlock":
        """Some of the rows, in their order: where `rows`, a mask, is true."""
        if rows.all():
            return self
        categories = {name: list(compress(words, rows.tolist())) for name, words in self.categories.items()}
        return FeatureBlock(self.values[rows], self.columns, categories, self.verdicts[rows], self.ledger_days[rows])

    def cut(self, first: int, last: int) -> "FeatureBlock":
        """Of these rows."""
        part = slice(first, last)
        categories = {name: words[part] for name, words in self.categories.items()}
        return FeatureBlock(self.values[part], self.columns, categories, self.verdicts[part], self.ledger_days[part])

    def scored(self) -> "FeatureBlock":
        """Of the rows that are scored."""
        return self.select(self.verdicts == Verdict.SCORED)


def joined(blocks: Sequence[FeatureBlock]) -> FeatureBlock:
    """One behind the other; all have the same columns and categories."""
    if len(blocks) == 1:
        return blocks[0]
    values, _, categories, verdicts, ledger_days = zip(*blocks, strict=True)
    return FeatureBlock(
        np.concatenate(values),
        blocks[0].columns,
        {name: list(chain.from_iterable(of[name] for of in categories)) for name in categories[0]},
        np.concatenate(verdicts),
        np.concatenate(ledger_days),
    )


class Engine:
    """Histories of each partition, and one ledger for all of them."""

    def __init__(self, feature_set: FeatureSet, terms: EngineTerms, days: DaySource | None = None) -> None:
        if terms.currency not in EXPONENTS:
            raise EngineError(f"currency: got {terms.currency!r}, expected an ISO 4217 code such as EUR")
        if terms.max_lateness_ms < 0:
            raise EngineError(f"max lateness: got {terms.max_lateness_ms} ms, expected 0 or more")
        self.terms = terms
        self._delay_days = terms.label_delay_days
        self._max_lateness = terms.max_lateness_ms
        self._days = days
        self._merchants = Codes()
        self._countries = Codes()
        self._ledger = MerchantLedger(terms, self._merchants)
        self._partitions: dict[int, Histories] = {}
        self._sweep_names_at = SWEEP_NAMES_AFTER
        self.feature_set = FeatureSet(frozenset())
        self.serve(feature_set, terms)

    def serve(self, feature_set: FeatureSet, terms: EngineTerms) -> None:
        """Computes these features too from now on; those of everybody else keep their values."""
        for name in EngineTerms.__struct_fields__:
            got, expected = getattr(terms, name), getattr(self.terms, name)
            if got != expected:
                raise EngineError(
                    f"{name}: got {got!r}, expected {expected!r} as of the others that share this engine. Give what "
                    "differs an engine of its own, or train it again with that value."
                )
        union = self.feature_set | feature_set
        if union.has_ledger and not self.feature_set.has_ledger:
            self._check_ledger()
        self.feature_set = union
        self._place = {feature.name: column for column, feature in enumerate(union.numbers)}
        self._history_columns = _columns(HISTORY_FEATURES, self._place)
        self._ledger_columns = _columns(LEDGER_FEATURES, self._place)
        self._direct_columns = [self._place[feature.name] for feature in DIRECT_FEATURES]
        self._attribute_columns = [(name, self._place[ATTRIBUTE_PREFIX + name]) for name in union.number_attributes]

    def _check_ledger(self) -> None:
        """Before the first set of features with merchants is served."""
        if (self._delay_days - 1) * DAY <= self._max_lateness:
            raise EngineError(
                f"label delay: got {self._delay_days} days, and transactions {self._max_lateness / DAY:g} days late, "
                f"expected at least {self._max_lateness // DAY + 2} days, or a late one could meet a day that is "
                "closed already. Give a longer label delay, or a shorter lateness."
            )
        if self._days is None:
            raise EngineError(
                "days: got none with merchants in the feature set, expected a source of closed ledger days"
            )
        if self._partitions:
            raise EngineError(
                "merchants: got features of the merchant ledger for an engine that has histories and showed none of "
                "them to its source of days, expected them from the beginning. Give them an engine of their own."
            )

    def features(self, block: Block, partition: int = 0) -> FeatureBlock:
        """Verdicts and features of a block of one partition, in its order; what is scored joins the past.

        If the source of days raises, the block is part of the histories already, and giving it again would find
        duplicates: forget the partition and restore it, as after any failure between scoring and storing.
        """
        if len(self._merchants) + len(self._countries) >= self._sweep_names_at:
            self._forget_names()  # here and not later: the block's codes must stay its own
        histories = self._histories(partition)
        newest_before = histories.newest
        taken = histories.take(block)
        features, scored = self._of(taken)
        if self.feature_set.has_ledger:
            running_newest = np.maximum(np.maximum.accumulate(block.event_time[scored]), newest_before)
            self._follow_days(features, scored, running_newest // DAY - self._delay_days, taken)
        return features

    def peek(self, block: Block, partition: int = 0) -> FeatureBlock:
        """What `features` would say of this block next, while nothing joins the past: no history, no name, no day.

        It costs what the block's customers have, not what all have. The ledger's days are those that the engine has
        taken in: where `ledger_days` names an older one than the label delay asks for, `features` would first ask the
        source of days for the others.
        """
        with self._merchants.only_for_now(), self._countries.only_for_now():
            histories = self._new_histories()
            if partition in self._partitions:
                self._partitions[partition].copy_to(histories, block.customer_id)
            taken = histories.take(block)
        features, scored = self._of(taken)
        if self.feature_set.has_ledger and len(scored):
            self._look_up(features, scored, taken)
        return features

    def restore(self, blocks: Iterable[Block], partition: int = 0) -> int:
        """Puts back transactions that were scored earlier, in any order; how many. Closed days come back by `add_day`;
        a source that closes days itself must be shown what it needs, by its `see`."""
        return self._histories(partition).restore(blocks)

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

    def has(self, partition: int) -> bool:
        """Whether it has histories of this partition."""
        return partition in self._partitions

    def forget(self, partition: int) -> None:
        """The partition belongs to somebody else now."""
        self._partitions.pop(partition, None)

    def _forget_names(self) -> None:
        """Those that no history and no ledger entry has, so that memory follows the merchants who are active."""
        merchants, countries = np.zeros(self._merchants.bound, bool), np.zeros(self._countries.bound, bool)
        for histories in self._partitions.values():
            histories.mark_names(merchants, countries)
        self._ledger.mark_names(merchants)
        self._merchants.keep(merchants)
        self._countries.keep(countries)
        self._sweep_names_at = max(SWEEP_NAMES_AFTER, 2 * (len(self._merchants) + len(self._countries)))

    def _histories(self, partition: int) -> Histories:
        if partition not in self._partitions:
            self._partitions[partition] = self._new_histories()
        return self._partitions[partition]

    def _new_histories(self) -> Histories:
        return Histories(self.terms, self._merchants, self._countries)

    def _of(self, taken: Taken) -> tuple[FeatureBlock, Array]:
        """All features but the ledger's, and which rows are scored."""
        count = len(taken.block)
        values = np.full((count, len(self._place)), np.nan)
        columns, sources = self._history_columns
        values[:, columns] = taken.features[:, sources]
        scored = np.flatnonzero(taken.verdicts == Verdict.SCORED)
        self._direct(values, scored, taken)
        ledger_days = np.full(count, NO_DAY, np.int64)
        return FeatureBlock(values, self._place, self._categories(taken.block), taken.verdicts, ledger_days), scored

    def _direct(self, values: Array, scored: Array, taken: Taken) -> None:
        moments, amounts = taken.block.event_time[scored], taken.amounts[scored]
        hour = moments // HOUR % 24
        weekday = (moments // DAY + WEEKDAY_OF_DAY_0) % 7
        amount = np.where(amounts == NO_AMOUNT, np.nan, amounts / scale_of(self.terms.currency))
        night = (hour >= NIGHT_FROM) | (hour < NIGHT_UNTIL)
        for column, feature in zip(self._direct_columns, (amount, hour, night, weekday >= SATURDAY), strict=True):
            values[scored, column] = feature
        if self._attribute_columns:
            present = [taken.block.attributes[row] for row in scored.tolist()]
            for name, column in self._attribute_columns:
                values[scored, column] = [attribute_number(attributes.get(name)) for attributes in present]

    def _follow_days(self, features: FeatureBlock, scored: Array, needed: Array, taken: Taken) -> None:
        """Goes up to each row with which a new day comes into reach, takes the days in, and looks these rows up.

        Cut by the newest time so far and not by the block, so that the size of blocks changes nothing.
        """
        assert self._days is not None
        cuts = np.flatnonzero(np.diff(needed)) + 1
        for first, last in pairwise([0, *cuts.tolist(), len(scored)]):
            if first == last:
                continue
            for closed in self._days.closed_until(int(needed[first])):
                self._ledger.add(closed)
            rows = scored[first:last]
            self._look_up(features, rows, taken)
            self._days.see(taken.block, rows)

    def _look_up(self, features: FeatureBlock, rows: Array, taken: Taken) -> None:
        columns, sources = self._ledger_columns
        times = taken.block.event_time[rows]
        found = self._ledger.features(taken.merchant_codes[rows], times)
        features.values[rows[:, None], columns] = found[:, sources]
        features.ledger_days[rows] = self._ledger.day_used(times // DAY - self._delay_days)

    def _categories(self, block: Block) -> dict[str, list[str | None]]:
        direct = {
            feature.name: getattr(block, feature.name) for feature in CATEGORY_FEATURES if self.feature_set.has(feature)
        }
        attributes = {
            ATTRIBUTE_PREFIX + name: [attribute_text(present.get(name)) for present in block.attributes]
            for name in self.feature_set.category_attributes
        }
        return {**direct, **attributes}


def _columns(features: Sequence[Feature], place: dict[str, int]) -> tuple[list[int], list[int]]:
    """Where these features stand in the values, and where in their own block."""
    present = [(place[feature.name], source) for source, feature in enumerate(features) if feature.name in place]
    return [column for column, _ in present], [source for _, source in present]


def attribute_number(value: float | str | None) -> float:
    """A number attribute; where a text stands instead, the number is missing."""
    return value if isinstance(value, (float, int)) else np.nan


def attribute_text(value: float | str | None) -> str | None:
    """A category attribute; a number is the category that is written like it."""
    return value if isinstance(value, str) or value is None else number_text(value)
