"""compare --live: a challenger beside the bundle in use, as the store has both. Rows become arrays, which
`evaluation.live` judges."""

import argparse
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from console.options import settings_of
from console.start import EXIT_OK
from console.terminal import notice, progress, say
from evaluation.live import (
    FRAUD,
    GENUINE,
    UNKNOWN,
    Calendar,
    LiveComparison,
    Pairs,
    Question,
    compare_live,
    labelled_until,
)
from evaluation.ranking import NO_MERCHANT
from evaluation.result import Costs
from risk.bundle import Manifest
from risk.clock import DAY
from risk.codes import Array, Codes
from risk.events import LEVELS
from risk.learned_days import seen_days_of
from risk.money import scale_of
from risk.store import Role, ShadowPair, Store, VersionStart, frozen_store, open_store
from trainer.backtest.period import ALWAYS, Period, asked_period
from trainer.compare.live_words import say_live
from trainer.compare.options import INTERESTING
from trainer.in_force import both_of
from trainer.options import RESAMPLES, SEED

VERDICTS = {True: FRAUD, False: GENUINE, None: UNKNOWN}


class LiveOptions(NamedTuple):
    """How the two are to be compared."""

    seed: int
    resamples: int
    period: Period = ALWAYS
    cases_per_day: float | None = None
    difference: float = INTERESTING


def run(options: argparse.Namespace) -> int:
    RESAMPLES.check(options)
    SEED.check(options)
    in_use, challenger = (bundle.manifest for bundle in both_of(options.models))
    live_options = LiveOptions(
        options.seed,
        options.resamples,
        asked_period(options.since, options.until),
        options.cases_per_day,
        INTERESTING if options.difference is None else options.difference,
    )
    found = compare_in_store(settings_of(options).db, in_use, challenger, live_options)
    if options.json:
        say(msgspec.json.encode(found).decode())
    else:
        say_live(found, in_use.currency)
    return EXIT_OK


def compare_in_store(path: Path, in_use: Manifest, challenger: Manifest, live_options: LiveOptions) -> LiveComparison:
    """Only reads; workers go on meanwhile."""
    with open_store(path, read_only=True) as store:
        if (text := frozen_store(path)) is not None:
            notice(text)
        partitions = sorted(store.newest_bundles())
        pairs = _pairs(store, partitions, in_use, challenger, live_options.period)
        days = _days(store, in_use.version, challenger.version, live_options.period)
        days |= set(np.unique(pairs.event_times // DAY).tolist())
        times = [position.newest_event_time for position in store.positions()]
        newest = max((time for time in times if time is not None), default=None)
        given = {day: _count(store, partitions, day, challenger.version) for day in days}
        if whole := sum(given.values()):
            notice(f"{whole:,} transactions of these days are in no figure: {challenger.version} decided them itself, "
                   "for its share of the customers")  # fmt: skip
        question = Question(
            in_use.version,
            challenger.version,
            Costs(in_use.thresholds.review_cost, in_use.thresholds.loss_rate, in_use.thresholds.alerts_per_day),
            Calendar(
                in_use.label_delay_days,
                labelled_until(newest, store.newest_label(), in_use.label_delay_days),
                (*seen_days_of(in_use), *seen_days_of(challenger)),
            ),
            {day: count - given[day] for day in days if (count := _count(store, partitions, day))},
            live_options.cases_per_day,
            live_options.difference,
        )
    return compare_live(pairs, question, seed=live_options.seed, resamples=live_options.resamples)


def _days(store: Store, in_use: str, challenger: str, period: Period) -> set[int]:
    """On which the one was in use and the other was to score, whatever came of it."""
    found: set[int] = set()
    bundles, challengers = store.starts(Role.BUNDLE), store.starts(Role.CHALLENGER)
    for position in store.positions():
        if position.newest_event_time is None:
            continue
        last, number = position.newest_event_time, position.partition
        for since, until in _spans(bundles, number, in_use, last):
            for other_since, other_until in _spans(challengers, number, challenger, last):
                days = np.arange(max(since, other_since) // DAY, min(until, other_until) // DAY + 1)
                found.update(days[period.holds(days * DAY)].tolist())
    return found


def _spans(starts: Sequence[VersionStart], partition: int, version: str, last: int) -> Iterator[tuple[int, int]]:
    """From when to when, in event time, this version is the one that a partition's starts name."""
    own = [start for start in starts if start.partition == partition]
    for start, following in zip_longest(own, own[1:]):
        if start.version == version:
            yield start.event_time, last if following is None else following.event_time - 1


def _count(store: Store, partitions: Sequence[int], day: int, given_to: str | None = None) -> int:
    begin, end = day * DAY, (day + 1) * DAY
    return sum(store.count_flags(partition, begin, end, given_to=given_to) for partition in partitions)


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
        self._customers, self._merchants = Codes(), Codes()

    def nothing(self) -> Pairs:
        return self.columns_of([])

    def columns_of(self, rows: Sequence[ShadowPair]) -> Pairs:
        times = np.array([row.event_time for row in rows], np.int64)
        is_inside = self._period.holds(times)
        own, scale = list(self._own(rows, is_inside)), scale_of(self._in_use.currency)

        def column(values: Iterator[object], kind: type) -> Array:
            return np.fromiter(values, kind, len(own))

        merchants = column((self._merchants[row.merchant_id] for row in own), np.int64)
        return Pairs(
            column((row.event_time for row in own), np.int64),
            column((self._customers[row.customer_id] for row in own), np.int64),
            np.where(merchants == 0, NO_MERCHANT, merchants),
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
