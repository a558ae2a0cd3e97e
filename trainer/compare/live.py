"""A challenger beside the bundle in use, as the store has both: rows become arrays, which `evaluation.live` judges."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from console.terminal import notice, progress
from evaluation.live import (
    FRAUD,
    GENUINE,
    LEVELS,
    UNKNOWN,
    Calendar,
    LiveComparison,
    Pairs,
    Question,
    compare_live,
    labelled_until,
)
from evaluation.result import Costs
from risk.bundle import Manifest
from risk.clock import DAY
from risk.codes import Array, Codes
from risk.learned_days import learned_days_of
from risk.money import scale_of
from risk.store import ShadowPair, Store, frozen_store, open_store
from trainer.backtest.period import ALWAYS, Period

VERDICTS = {True: FRAUD, False: GENUINE, None: UNKNOWN}


class Asked(NamedTuple):
    """How the two are to be compared."""

    seed: int
    resamples: int
    period: Period = ALWAYS
    cases_per_day: float | None = None
    difference: float = 0.05


def compare_in_store(path: Path, in_use: Manifest, challenger: Manifest, asked: Asked) -> LiveComparison:
    """Only reads; workers go on meanwhile."""
    with open_store(path, read_only=True) as store:
        if (text := frozen_store(path)) is not None:
            notice(text)
        partitions = sorted(store.newest_bundles())
        pairs = _pairs(store, partitions, in_use, challenger, asked.period)
        days = np.unique(pairs.event_times // DAY).tolist()
        times = [position.newest_event_time for position in store.positions()]
        newest = max((time for time in times if time is not None), default=None)
        question = Question(
            in_use.version,
            challenger.version,
            Costs(in_use.thresholds.review_cost, in_use.thresholds.loss_rate, in_use.thresholds.alerts_per_day),
            Calendar(
                in_use.label_delay_days,
                labelled_until(newest, store.newest_label(), in_use.label_delay_days),
                (*learned_days_of(in_use), *learned_days_of(challenger)),
            ),
            {day: _count(store, partitions, day) for day in days},
            asked.cases_per_day,
            asked.difference,
        )
    return compare_live(pairs, question, seed=asked.seed, resamples=asked.resamples)


def _count(store: Store, partitions: Sequence[int], day: int) -> int:
    return sum(store.count_flags(partition, day * DAY, (day + 1) * DAY) for partition in partitions)


def _pairs(store: Store, partitions: Sequence[int], in_use: Manifest, challenger: Manifest, period: Period) -> Pairs:
    """In the order of event time; of equal times as in the log, as the reporter has them."""
    reading, parts = _Reading(in_use, period), []
    spans = store.shadow_spans(challenger.version)
    with progress("read", sum(span.transactions for span in spans)) as advance:
        for partition in partitions:
            for rows in store.shadow_pairs(challenger.version, partition):
                parts.append(reading.columns_of(rows))
                advance(len(rows))
    pairs = Pairs(*(np.concatenate(columns) for columns in zip(reading.nothing(), *parts, strict=True)))
    return pairs.some(np.argsort(pairs.event_times, kind="stable"))


class _Reading:
    """Rows that count: of the period, and scored by the bundle that is in use now."""

    def __init__(self, in_use: Manifest, period: Period) -> None:
        self._in_use, self._period = in_use, period
        self._customers = Codes()

    def nothing(self) -> Pairs:
        return self.columns_of([])

    def columns_of(self, rows: Sequence[ShadowPair]) -> Pairs:
        times = np.array([row.event_time for row in rows], np.int64)
        is_inside = self._period.holds(times)
        own, scale = list(self._own(rows, is_inside)), scale_of(self._in_use.currency)

        def column(values: Iterator[object], kind: type) -> Array:
            return np.fromiter(values, kind, len(own))

        return Pairs(
            column((row.event_time for row in own), np.int64),
            column((self._customers[row.customer_id] for row in own), np.int64),
            column((self._amount(row, scale) for row in own), np.float64),
            column((VERDICTS[row.is_fraud] for row in own), np.int8),
            column((row.score for row in own), np.float64),
            column((_PLACES[row.level] for row in own), np.int64),
            column((row.challenger_score for row in own), np.float64),
            column((_PLACES[row.challenger_level] for row in own), np.int64),
        )

    def _own(self, rows: Sequence[ShadowPair], is_inside: Array) -> Iterator[ShadowPair]:
        for row, inside in zip(rows, is_inside.tolist(), strict=True):
            if inside and row.bundle_version == self._in_use.version:
                yield row

    def _amount(self, row: ShadowPair, scale: int) -> float:
        if row.amount is None or row.currency != self._in_use.currency:
            return np.nan
        return row.amount / scale


_PLACES = {level.value: place for place, level in enumerate(LEVELS)}
