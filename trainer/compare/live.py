"""compare --live: a challenger beside the bundle in use, as the store has both. Rows become arrays, which
`evaluation.live` judges."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from console.options import settings_of
from console.start import EXIT_OK
from console.terminal import notice, progress, say
from evaluation.live import LiveComparison, Pairs, Question, compare_live
from evaluation.live_days import Calendar, Traffic, days_of_both, labelled_until
from evaluation.ranking import NO_MERCHANT
from evaluation.result import Costs
from evaluation.share_groups import Decisions
from risk.bundle import Manifest
from risk.clock import DAY
from risk.codes import Array, Codes
from risk.errors import StoreError
from risk.events import DECISIONS, FRAUD, GENUINE, LEVELS, UNKNOWN, Decision
from risk.learned_days import seen_days_of
from risk.money import scale_of
from risk.share import Share
from risk.store import IF_DAMAGED, Role, ShadowPair, SharedFlag, Store, frozen_store, open_store
from trainer.backtest.period import ALWAYS, TimeRange, asked_period
from trainer.compare.live_words import say_live
from trainer.compare.options import INTERESTING
from trainer.in_force import both_of
from trainer.options import RESAMPLES, SEED

VERDICTS = {True: FRAUD, False: GENUINE, None: UNKNOWN}


class LiveOptions(NamedTuple):
    """How the two are to be compared."""

    seed: int
    resamples: int
    period: TimeRange = ALWAYS
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
        reading = _Reading(in_use, live_options.period)
        pairs = _pairs(store, partitions, challenger, reading)
        newest = {
            position.partition: position.newest_event_time
            for position in store.positions()
            if position.newest_event_time is not None
        }
        starts = store.starts(Role.BUNDLE), store.starts(Role.CHALLENGER)
        days = np.array(sorted(days_of_both(*starts, newest, in_use.version, challenger.version)), np.int64)
        days = np.union1d(days[live_options.period.holds(days * DAY)], pairs.event_times // DAY)
        question = Question(
            in_use.version,
            challenger.version,
            Costs(in_use.thresholds.review_cost, in_use.thresholds.loss_rate, in_use.thresholds.alerts_per_day),
            Calendar(
                in_use.label_delay_days,
                labelled_until(max(newest.values(), default=None), store.newest_label(), in_use.label_delay_days),
                (*seen_days_of(in_use), *seen_days_of(challenger)),
            ),
            {day: each for day in days.tolist() if (each := _traffic(store, partitions, day, challenger)).transactions},
            live_options.cases_per_day,
            live_options.difference,
        )
        decisions = _decisions(store, partitions, in_use, challenger, reading)
    return compare_live(pairs, question, decisions, seed=live_options.seed, resamples=live_options.resamples)


def _traffic(store: Store, partitions: Sequence[int], day: int, challenger: Manifest) -> Traffic:
    counts = [
        sum(store.count_flags(partition, day * DAY, (day + 1) * DAY, given_to=given_to) for partition in partitions)
        for given_to in (None, challenger.version)
    ]
    return Traffic(*counts)


def _pairs(store: Store, partitions: Sequence[int], challenger: Manifest, reading: "_Reading") -> Pairs:
    """In the order of event time; of equal times as in the log, as the reporter has them."""
    parts: list[Pairs] = []
    spans = store.shadow_spans(challenger.version)
    with progress("read", sum(span.transactions for span in spans)) as advance:
        for partition in partitions:
            for rows in store.shadow_pairs(challenger.version, partition):
                parts.append(reading.columns_of(rows))
                advance(len(rows))
    pairs = Pairs(*(np.concatenate(columns) for columns in zip(reading.columns_of([]), *parts, strict=True)))
    return pairs.some(np.argsort(pairs.event_times, kind="stable"))


def _decisions(
    store: Store, partitions: Sequence[int], in_use: Manifest, challenger: Manifest, reading: "_Reading"
) -> Decisions | None:
    """Of the newest share that the challenger had in the period: under another one a customer may have been in the
    other group."""
    starts = [start for start in store.share_starts() if start.challenger == challenger.version]
    starts = [start for start in starts if not reading.period.is_over(start.event_time)]
    percent = max(starts, key=lambda start: start.event_time).percent if starts else None
    if percent is None:
        return None
    first: dict[int, int] = {}
    for start in starts:
        if start.percent == percent:
            first.setdefault(start.partition, start.first_offset)
    share = Share(in_use.version, challenger.version, percent)
    parts = [
        reading.decisions_of(rows, share, partition)
        for partition in partitions
        if partition in first
        for rows in store.shared_flags(share, partition, first[partition])
    ]
    columns = zip(*(part[1:] for part in (reading.decisions_of([], share, 0), *parts)), strict=True)
    found = Decisions(percent, *map(np.concatenate, columns))
    return found.some(np.argsort(found.event_times, kind="stable"))


class _Reading:
    """Rows that count: of the period, and scored by the bundle that is in use now, or beside it."""

    def __init__(self, in_use: Manifest, period: TimeRange) -> None:
        self.period = period
        self._in_use = in_use
        self._customers, self._merchants = Codes(), Codes()

    def columns_of(self, rows: Sequence[ShadowPair]) -> Pairs:
        times = np.array([row.event_time for row in rows], np.int64)
        is_inside = self.period.holds(times)
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
                _check(row)
                yield row

    def decisions_of(self, rows: Sequence[SharedFlag], share: Share, partition: int) -> Decisions:
        times = np.array([row.event_time for row in rows], np.int64)
        inside, scale = self.period.holds(times), scale_of(self._in_use.currency)
        for row, is_inside in zip(rows, inside.tolist(), strict=True):
            if is_inside:
                _check_decision(row, partition)
        return Decisions(
            share.percent,
            times,
            np.array([self._customers[row.customer_id] for row in rows], np.int64),
            np.array([self._amount(row, scale) for row in rows], np.float64),
            np.array([row.is_fraud is True for row in rows], bool),
            np.array([row.bundle_version == share.challenger for row in rows], bool),
            np.array([row.decision != Decision.NONE for row in rows], bool),
        ).some(inside)

    def _amount(self, row: ShadowPair | SharedFlag, scale: int) -> float:
        if row.amount is None or row.currency != self._in_use.currency:
            return np.nan
        return row.amount / scale


def _check(row: ShadowPair) -> None:
    """StoreError for what no worker writes: it would count as something else."""
    each = (row.level, row.score), (row.challenger_level, row.challenger_score)
    for table, (level, score) in zip(("risk_flags", "shadow_scores"), each, strict=True):
        if level not in _PLACES or not 0 <= score <= 1:
            raise StoreError(
                f"{table}: got level {level} and score {score:g} at offset {row.offset} of partition {row.partition}, "
                f"expected {', '.join(_PLACES)}, and 0 to 1; {IF_DAMAGED}"
            )


def _check_decision(row: SharedFlag, partition: int) -> None:
    """Likewise: it would count as a case."""
    if row.decision not in DECISIONS:
        raise StoreError(
            f"risk_flags: got decision {row.decision} at offset {row.offset} of partition {partition}, expected "
            f"{', '.join(DECISIONS)}; {IF_DAMAGED}"
        )


_PLACES = {level.value: place for place, level in enumerate(LEVELS)}
