"""Every metric of the reporter, by name, in this one place. The page of metrics is held to it by a test.

No name of a customer or merchant is ever a label; categories and channels beyond the largest fifty are `other`.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric

from evaluation.drifting import FeatureDrift
from evaluation.result import NetMoney
from kpi_reporter.kpis.values import (
    LARGEST,
    SCORE_STEPS,
    DecidedCases,
    Kpis,
    LastRetraining,
    Money,
    Place,
    Quality,
    ShadowWindow,
    Unready,
)
from risk.clock import DAY, SECOND
from risk.warming_up import WarmingUp

PREFIX = "trustlens_kpi_"

Sample = tuple[Sequence[str], float | None]  # the labels' values and the value; None is not shown
Samples = Iterable[Sample]


class Family(NamedTuple):
    """A gauge that is shown while there are figures."""

    name: str
    text: str
    labels: tuple[str, ...]
    samples: Callable[[Kpis], Samples]


def _one(name: str, text: str, of: Callable[[Kpis], float | None]) -> Family:
    return Family(PREFIX + name, text, (), lambda now: [((), of(now))])


def _counts(name: str, text: str, label: str, of: Callable[[Kpis], dict[str, int]]) -> Family:
    return Family(PREFIX + name, text, (label,), lambda now: (((group,), count) for group, count in of(now).items()))


def _amounts(name: str, text: str, of: Callable[..., float | None]) -> Family:
    return Family(PREFIX + name, text, ("currency",), lambda now: (((one.currency,), of(one)) for one in now.amounts))


def _places(name: str, text: str, of: Callable[[Place], float | None]) -> Family:
    def samples(now: Kpis) -> Samples:
        return (((one.topic, str(one.partition)), of(one)) for one in now.places)

    return Family(PREFIX + name, text, ("topic", "partition"), samples)


# `alerts` in the names of _live are cases, a customer's alerts of one UTC day: docs/cost.md.
_OVER = " Over the last 7 and 30 days of event time whose labels are due."


def _live(name: str, text: str, of: Callable[[Quality], float | None]) -> Family:
    def samples(now: Kpis) -> Samples:
        return (((_window(one),), of(one)) for one in now.quality)

    return Family(f"{PREFIX}live_{name}", text + _OVER, ("window",), samples)


def _money(name: str, text: str, of: Callable[[Money], float]) -> Family:
    def samples(now: Kpis) -> Samples:
        return (((_window(one), money.currency), of(money)) for one in now.quality for money in one.money)

    return Family(f"{PREFIX}live_money_{name}", text + _OVER, ("window", "currency"), samples)


def _decided(of: Callable[[DecidedCases], float | None]) -> Callable[[Kpis], Samples]:
    def samples(now: Kpis) -> Iterator[Sample]:
        for one in now.quality:
            yield (_window(one), "alert"), of(one.with_alert)
            yield (_window(one), "review"), of(one.reviews_alone)

    return samples


def _window(quality: Quality) -> str:
    return f"{quality.days}d"


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / SECOND


def _lacking(warming_up: WarmingUp | None) -> float:
    return 0 if warming_up is None else (warming_up.needed - warming_up.days) * DAY / SECOND


def _until(quality: Quality) -> float | None:
    return None if quality.last_day is None else (quality.last_day + 1) * DAY / SECOND


def _label_delays(now: Kpis) -> Iterator[Sample]:
    for one in now.quality:
        if (known := one.label_delay) is not None:
            yield (_window(one), "0.5"), _seconds(known.median)
            yield (_window(one), "0.9"), _seconds(known.ninth_decile)
            yield (_window(one), "1"), _seconds(known.longest)


def _drift(name: str, text: str, of: Callable[[FeatureDrift], float | None]) -> Family:
    def samples(now: Kpis) -> Samples:
        return (((one.name,), of(one)) for one in now.drift.features[:LARGEST])

    return Family(f"{PREFIX}drift_{name}", f"{text} Of the fifty that changed most.", ("feature",), samples)


# What both scored in the shadow, each at its own threshold. `side` is in_use, challenger, or both.
_NEWEST = " Of the last 7 and 30 days up to the newest event, on which the challenger scores beside the bundle in use."
_JUDGED = _OVER.removesuffix(".") + ", without those that one of the two learned from or was tested on."


def _shadow(name: str, text: str, of: Callable[[ShadowWindow], float | None]) -> Family:
    def samples(now: Kpis) -> Samples:
        return (((f"{one.days}d",), of(one)) for one in now.shadow.windows)

    return Family(f"{PREFIX}shadow_{name}", text, ("window",), samples)


def _shadow_sides(name: str, text: str, of: Callable[[NetMoney], float | None]) -> Family:
    def samples(now: Kpis) -> Iterator[Sample]:
        for one in now.shadow.windows:
            if one.judged is not None:
                yield (f"{one.days}d", "in_use"), of(one.judged.in_use)
                yield (f"{one.days}d", "challenger"), of(one.judged.challenger)

    return Family(f"{PREFIX}shadow_{name}", text + _JUDGED, ("window", "side"), samples)


def _shadow_money(name: str, text: str, of: Callable[[NetMoney], float]) -> Family:
    def samples(now: Kpis) -> Iterator[Sample]:
        for one in now.shadow.windows:
            if one.judged is not None and now.shadow.currency is not None:
                yield (f"{one.days}d", "in_use", now.shadow.currency), of(one.judged.in_use)
                yield (f"{one.days}d", "challenger", now.shadow.currency), of(one.judged.challenger)

    return Family(f"{PREFIX}shadow_money_{name}", text + _JUDGED, ("window", "side", "currency"), samples)


def _shadow_cases(now: Kpis) -> Iterator[Sample]:
    for one in now.shadow.windows:
        yield (f"{one.days}d", "in_use"), one.cases.in_use
        yield (f"{one.days}d", "challenger"), one.cases.challenger
        yield (f"{one.days}d", "both"), one.cases.both


def _retraining(name: str, text: str, of: Callable[[LastRetraining], float | None]) -> Family:
    return _one(f"retraining_{name}", text, lambda now: None if now.retraining is None else of(now.retraining))


FAMILIES = (
    _counts("transactions", "Scored transactions in the store, by level.", "level", lambda now: now.by_level),
    _counts("decisions", "Scored transactions in the store, by the decision of model and rules; without rules, what is "
            "high is an alert.", "decision", lambda now: now.by_decision),
    _one("high_ratio", "High ones, of all scored transactions.", lambda now: now.high_rate),
    _counts("transactions_by_category", "Scored transactions by merchant category: the largest fifty, then other.",
            "category", lambda now: now.by_category),
    _counts("high_by_category", "High transactions by merchant category.", "category",
            lambda now: now.high_by_category),
    _counts("alerts_by_category", "Alerts by merchant category.", "category", lambda now: now.alerts_by_category),
    _counts("transactions_by_channel", "Scored transactions by channel: the largest fifty, then other.", "channel",
            lambda now: now.by_channel),
    _counts("high_by_channel", "High transactions by channel.", "channel", lambda now: now.high_by_channel),
    _counts("alerts_by_channel", "Alerts by channel.", "channel", lambda now: now.alerts_by_channel),
    _counts("transactions_by_bundle", "Transactions by the bundle that scored them: the largest fifty, then other.",
            "version", lambda now: now.by_bundle),
    _amounts("transactions_by_currency", "Scored transactions by currency.", lambda one: one.transactions),
    _amounts("amount_sum", "Sum of the known amounts, in major units.", lambda one: one.total),
    _amounts("amount_average", "Average of the known amounts, in major units.", lambda one: one.average),
    _one("customers", "Different customers. Exact up to a million; above that an estimate whose standard error is "
         "0.8 %, so within 2.5 % nearly always.", lambda now: now.customers),
    _one("customers_estimated", "1 where the number of customers is an estimate.",
         lambda now: now.customers_estimated),
    _one("alerts_last_hour", "Alerts within an hour before the newest event, by event time.",
         lambda now: now.alerts_last_hour),
    _one("alerts_last_day", "Alerts within a day before the newest event, by event time.",
         lambda now: now.alerts_last_day),
    _one("reviews_last_hour", "Reviews within an hour before the newest event, by event time.",
         lambda now: now.reviews_last_hour),
    _one("reviews_last_day", "Reviews within a day before the newest event, by event time.",
         lambda now: now.reviews_last_day),
    _one("newest_event_timestamp_seconds", "Event time of the newest scored transaction.",
         lambda now: _seconds(now.newest_event)),
    _one("newest_write_timestamp_seconds", "When the store's file was last written.",
         lambda now: _seconds(now.newest_write)),
    _places("next_offset", "The first offset that is not worked on yet.", lambda one: one.next_offset),
    _places("partition_newest_event_timestamp_seconds", "Event time of the partition's newest scored transaction.",
            lambda one: _seconds(one.newest_event)),
    _counts("labels", "Labels received, every version. One that comes again counts again, until the reporter starts.",
            "verdict", lambda now: {"fraud": now.labels.fraud, "genuine": now.labels.genuine}),
    _one("newest_label_timestamp_seconds", "The latest labelled_at.", lambda now: _seconds(now.labels.newest)),
    _one("warming_up_seconds", "How much of the past the newest scores lack: the longest window of their bundle looks "
         "back further than the log goes. Of the partition that lacks most; 0 where nothing lacks.",
         lambda now: _lacking(now.warming_up)),
    _one("labels_overdue_seconds", "How far the newest label lies behind the newest transaction, in event time, while "
         "that is longer than the label delay of a bundle that uses the merchant ledger; 0 otherwise.",
         lambda now: 0 if now.label_silence is None else _seconds(now.label_silence.behind_ms)),
    _one("unknown_bundles", "Bundles that flags name, but whose manifest cannot be read: their days are not judged.",
         lambda now: len(now.unknown_bundles)),
    _live("days", "Days that count.", lambda one: one.days_due),
    _live("days_learned", "Of these, days that the bundle was trained or its thresholds chosen on: there it looks "
          "better than it is.", lambda one: one.days_learned),
    _live("until_timestamp_seconds", "Where the last of the days ends.", _until),
    _live("transactions", "Scored transactions.", lambda one: one.transactions),
    _live("customer_days", "Customers with a transaction, day by day.", lambda one: one.customer_days),
    _live("alerts", "Cases: all alerts and reviews of a customer on one UTC day are one.", lambda one: one.alerts),
    _live("alerts_with_fraud", "Cases on a day on which that customer had a fraud.",
          lambda one: one.alerts_with_fraud),
    _live("alerts_unlabelled", "Cases without a label on what raised them; they count as wrong.",
          lambda one: one.alerts_unlabelled),
    _live("frauds_caught", "Frauds that were alerts or reviews, or came after one of that customer and day.",
          lambda one: one.frauds_caught),
    _live("frauds_missed", "Frauds that were not caught.", lambda one: one.frauds_missed),
    _live("precision_ratio", "Cases with a fraud, of all cases; absent without cases or labels.",
          lambda one: one.precision),
    Family(f"{PREFIX}live_decided_cases", "Cases with an alert in them (alert), and of reviews alone (review)." + _OVER,
           ("window", "decision"), _decided(lambda one: one.cases)),
    Family(f"{PREFIX}live_decided_precision_ratio", "Of these, those with a fraud; absent without cases or labels."
           + _OVER, ("window", "decision"), _decided(lambda one: one.precision)),
    _live("recall_ratio", "Frauds caught, of all; absent without frauds.", lambda one: one.recall),
    _live("false_positive_ratio", "Customer-days with a case, of those without a fraud.",
          lambda one: one.false_positive_rate),
    _money("saved", "Loss that cases stopped, reviews not yet paid, in major units.", lambda one: one.saved),
    _money("lost", "Loss that cases did not stop, in major units.", lambda one: one.lost),
    _money("review", "Cost of the cases' reviews, in major units.", lambda one: one.review),
    _one("drift_samples", "Samples of the last seven whole days of event time, by the bundle that scored last.",
         lambda now: now.drift.rows),
    _one("drift_days", "Days of these with a sample.", lambda now: now.drift.days_sampled),
    _one("drift_features_changed", "Features that have changed: whose population stability index over these days, "
         "beside the fit period, is 0.1 or more, 0.03 of what the transaction itself brings. Without those of labels, "
         "which move with each wave of frauds. Absent below 1,000 samples, and of a bundle that was trained before "
         "it was kept what features were like.",
         lambda now: now.drift.changed),
    _one("drift_score_index", "Population stability index of the score over these days, less what chance makes of it.",
         lambda now: None if now.drift.score is None else now.drift.score.week.psi),
    _drift("index", "Population stability index over these days, less what chance makes of it.",
           lambda one: one.week.psi),
    _drift("missing_ratio", "Share that is missing.", lambda one: one.week.missing),
    _drift("unseen_ratio", "Share of words that the vocabulary lacks.", lambda one: one.week.unseen),
    _one("calibration_expected_frauds", "Frauds that the scores of the last 30 days whose labels are due promise, by "
         "the mean score of the samples.", lambda now: now.calibration.expected),
    _one("calibration_frauds", "Frauds that there were on these days.", lambda now: now.calibration.frauds),
    _shadow("transactions", "Transactions that both scored." + _NEWEST, lambda one: one.transactions),
    _shadow("transactions_of_one", "Transactions of the same days that were given up or scored beside another bundle, "
            "so that no figure of the two has them." + _NEWEST, lambda one: one.others),
    _shadow("transactions_decided", "Transactions of the same days that the challenger decided itself, for its share "
            "of the customers; no figure of the two has them either." + _NEWEST, lambda one: one.given),
    Family(f"{PREFIX}shadow_share_percent", "Of the customers, for how many the challenger decides; absent where for "
           "none.", ("version",), lambda now: [((now.shadow.challenger or "",), now.shadow.percent)]),
    _one("shadow_share_begun_timestamp_seconds", "Event time since which it does.",
         lambda now: _seconds(now.shadow.share_since)),
    _shadow("same_level_ratio", "Share to which both give the same level." + _NEWEST, lambda one: one.same_level),
    Family(f"{PREFIX}shadow_cases", "Cases that each opens or would open at its own threshold, and those that both do."
           + _NEWEST, ("window", "side"), _shadow_cases),
    _shadow("days", "Days that are judged." + _JUDGED, lambda one: one.days_due),
    _shadow_sides("precision_ratio", "Cases with a fraud, of all cases; absent without cases.",
                  lambda one: one.precision),
    _shadow_sides("recall_ratio", "Frauds caught, of all; absent without frauds.", lambda one: one.recall),
    _shadow_sides("frauds_caught", "Frauds caught.", lambda one: one.frauds_caught),
    _shadow_sides("frauds_missed", "Frauds not caught.", lambda one: one.frauds_missed),
    _shadow_money("saved", "Loss that cases stop, reviews not yet paid, in major units.", lambda one: one.saved),
    _shadow_money("lost", "Loss that cases do not stop, in major units.", lambda one: one.lost),
    _shadow_money("review", "Cost of the cases' reviews, in major units.", lambda one: one.review),
    _retraining("begun_timestamp_seconds", "When the newest retraining began, but for those that did nothing: a "
                "challenger was in the shadow, or somebody stopped them; where all did nothing, when the first began; "
                "absent before the first.", lambda one: _seconds(one.worked_at)),
    _retraining("every_seconds", "How often one is to begin, as the newest said that was begun with `--every`; absent "
                "before one was.", lambda one: None if one.every_ms is None else one.every_ms / SECOND),
    _retraining("alive_timestamp_seconds", "When the retraining under way last said that it goes on, which it does "
                "every five seconds; absent while none is.",
                lambda one: _seconds(one.alive_at) if one.outcome is None else None),
    _retraining("failed", "1 where the newest retraining failed or was killed, 0 where it ended well or is under way; "
                "absent before the first.", lambda one: one.is_failed),
    Family(f"{PREFIX}label_delay_seconds", "From a fraud to its label: what half, nine tenths and all of them did not "
           "exceed." + _OVER, ("window", "quantile"), _label_delays),
)  # fmt: skip

SCORE = (f"{PREFIX}score", "Histogram of all scores; a bucket holds those below its le.")
SCORE_EDGES = (*(f"{(place + 1) / SCORE_STEPS:g}" for place in range(SCORE_STEPS - 1)), "+Inf")

# These are always there.
READABLE = (f"{PREFIX}store_readable", "1 while the store can be read, 0 otherwise; /ready says why.")
READY = (f"{PREFIX}ready", "1 while there are figures; 0 otherwise, also while a store is read for the first time.")
DISK_FREE = (f"{PREFIX}disk_free_bytes", "Room left on the disk of the store.")
DISK_SIZE = (f"{PREFIX}disk_size_bytes", "Size of the disk of the store.")
ALWAYS = (READABLE, READY, DISK_FREE, DISK_SIZE)


class Collector:
    """The metrics of one moment."""

    def __init__(self, now: Kpis | Unready, path: Path) -> None:
        self._now, self._folder = now, path.absolute().parent

    def collect(self) -> Iterator[Metric]:
        now = self._now
        yield GaugeMetricFamily(*READABLE, value=not isinstance(now, Unready) or now.is_reading)
        yield GaugeMetricFamily(*READY, value=not isinstance(now, Unready))
        # A folder that is gone has no disk; that the store is not readable is said anyway.
        if self._folder.is_dir():
            disk = shutil.disk_usage(self._folder)
            yield GaugeMetricFamily(*DISK_FREE, value=disk.free)
            yield GaugeMetricFamily(*DISK_SIZE, value=disk.total)
        if not isinstance(now, Unready):
            for family in FAMILIES:
                yield _gauge(family, now)
            yield _scores(now)


def _gauge(family: Family, now: Kpis) -> Metric:
    made = GaugeMetricFamily(family.name, family.text, labels=family.labels)
    for labels, value in family.samples(now):
        if value is not None:
            made.add_metric(labels, value)
    return made


def _scores(now: Kpis) -> Metric:
    made = HistogramMetricFamily(*SCORE)
    made.add_metric((), list(zip(SCORE_EDGES, accumulate(now.scores), strict=True)), sum_value=None)
    return made
