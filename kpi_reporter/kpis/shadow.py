"""The challenger in the shadow beside the bundle in use: what both said of the newest days, and what came of it where
labels are due. Of each day counts are kept, and the transactions that one of the two found high."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from evaluation.live import HIGH, Cases, OwnThresholds, Pairs, at_own_thresholds, cases_of
from evaluation.live_days import COUNTED, LEARNED, Calendar, Traffic, days_of_both, labelled_until
from evaluation.ranking import NO_MERCHANT
from evaluation.result import Costs
from kpi_reporter.kpis.damage import check_within
from kpi_reporter.kpis.names import Names, hashes
from kpi_reporter.kpis.notables import PARTITION_SHIFT, ROWS_AT_ONCE
from kpi_reporter.kpis.recent import RecentDay
from kpi_reporter.kpis.terms import Terms, terms_of
from kpi_reporter.kpis.values import WINDOWS, Shadow, ShadowWindow
from risk.clock import DAY
from risk.codes import Array
from risk.events import FRAUD, LEVELS, UNKNOWN
from risk.money import scale_of
from risk.store import Role, ShadowColumns, ShadowSpan, ShareStart, StoreToReport, VersionStart

ALERTED = np.dtype(
    [
        ("place", np.int64),
        ("event_time", np.int64),
        ("customer", np.uint64),
        ("at_stake", np.int64),  # minor units of the bundle's currency; 0 where it is not known in that
        ("level", np.int64),
        ("challenger_level", np.int64),
    ]
)


@dataclass
class ShadowDay:
    """What both scored of one day beside one bundle in use."""

    levels: Array = field(default_factory=lambda: np.zeros((len(LEVELS), len(LEVELS)), np.int64))
    alerted: Array = field(default_factory=lambda: np.zeros(0, ALERTED))  # that one of the two found high

    @property
    def transactions(self) -> int:
        return int(self.levels.sum())


class Shadows:
    def __init__(self) -> None:
        self._begin(None, None)

    def _begin(self, version: str | None, terms: Terms | None) -> None:
        self._version, self._terms = version, terms
        self._next: dict[int, int] = {}  # offset to read on from, by partition
        self._days: defaultdict[tuple[int, str], ShadowDay] = defaultdict(ShadowDay)  # by day and bundle in use
        self._spans: dict[int, tuple[Array, Array]] = {}  # where the challenger scored everything, by partition
        self._last: tuple[int, str] | None = None  # event time and bundle in use of the newest pair
        self._starts: tuple[list[VersionStart], list[VersionStart]] = [], []  # of bundles in use, and of challengers
        self._newest: dict[int, int] = {}  # event time, by partition
        self._share: SharedNow | None = None

    def read(self, store: StoreToReport, first_day: int) -> None:
        """What is new; what is older than that day is not kept. Another challenger begins anew."""
        starts = store.starts(Role.BUNDLE), store.starts(Role.CHALLENGER)
        version = newest_challenger(starts[1])
        if version != self._version:
            manifests = {each.version: each.manifest for each in store.challengers()}
            self._begin(version, None if version is None else terms_of(manifests.get(version, "")))
        if version is None:
            return
        self._starts, self._share = starts, newest_share(store.share_starts(), version)
        self._newest = {
            position.partition: position.newest_event_time
            for position in store.positions()
            if position.newest_event_time is not None
        }
        self._spans = _by_partition(store.shadow_spans(version))
        for partition in self._spans:
            while (found := store.shadow_columns(version, partition, self._next.get(partition, 0))) is not None:
                self._next[partition] = int(found.offsets[-1]) + 1
                newest = int(found.event_times.argmax())
                last = int(found.event_times[newest]), found.bundle_versions[newest].decode()
                self._last = last if self._last is None else max(self._last, last)
                self._add(store, partition, found, first_day)

    def _add(self, store: StoreToReport, partition: int, found: ShadowColumns, first_day: int) -> None:
        for column, levels in (("level", found.levels), ("the challenger's level", found.challenger_levels)):
            check_within(0, HIGH, levels, column, found.offsets)
        days, names = found.event_times // DAY, np.array(found.bundle_versions)
        size = len(LEVELS)
        for name in np.unique(names).tolist():
            of_bundle = (names == name) & (days >= first_day)
            for day in np.unique(days[of_bundle]).tolist():
                own = of_bundle & (days == day)
                cells = np.bincount(found.levels[own] * size + found.challenger_levels[own], minlength=size * size)
                self._days[day, name.decode()].levels += cells.reshape(size, size)
        alerted = (days >= first_day) & ((found.levels == HIGH) | (found.challenger_levels == HIGH))
        for first in range(0, int(np.count_nonzero(alerted)), ROWS_AT_ONCE):
            some = np.flatnonzero(alerted)[first : first + ROWS_AT_ONCE]
            self._add_alerted(store, partition, found, some)

    def _add_alerted(self, store: StoreToReport, partition: int, found: ShadowColumns, some: Array) -> None:
        """What was pruned since it was read is left out."""
        flags = store.judged_flags(partition, found.offsets[some].tolist())
        if not flags:
            return
        # A challenger on other terms than the bundle in use is refused, so its currency is that one's.
        currency = None if self._terms is None else self._terms.currency.encode()
        rows = np.zeros(len(flags), ALERTED)
        offsets = np.array([flag.offset for flag in flags])
        places = some[np.searchsorted(found.offsets[some], offsets)]
        rows["place"] = offsets + (partition << PARTITION_SHIFT)
        rows["event_time"] = found.event_times[places]
        rows["customer"] = hashes([flag.customer_id for flag in flags])
        rows["at_stake"] = [flag.amount or 0 if flag.currency == currency else 0 for flag in flags]
        rows["level"], rows["challenger_level"] = found.levels[places], found.challenger_levels[places]
        days, names = rows["event_time"] // DAY, np.array([flag.bundle_version for flag in flags])
        for name in np.unique(names).tolist():
            for day in np.unique(days[names == name]).tolist():
                of_day = self._days[day, name.decode()]
                of_day.alerted = np.concatenate([of_day.alerted, rows[(days == day) & (names == name)]])

    def forget_before(self, day: int) -> None:
        for key in [key for key in self._days if key[0] < day]:
            del self._days[key]

    def shadow(
        self,
        newest_event: int | None,
        newest_label: int | None,
        recent: Mapping[int, RecentDay],
        bundles: Names,
        terms: Mapping[str, Terms | None],
    ) -> Shadow:
        percent, since, ended = self._share or (None, None, 0)
        found = Shadow(self._version, percent=percent, share_since=since, share_ended=ended)
        if newest_event is None or self._version is None or self._last is None:
            return found
        in_use = self._last[1]
        known = terms.get(in_use)
        if known is None:
            return replace(found, in_use=in_use)
        until = labelled_until(newest_event, newest_label, known.label_delay_days)
        seen = () if self._terms is None else self._terms.seen
        calendar = Calendar(known.label_delay_days, until, (*known.seen, *seen))
        # Flags are read first: of the newest day some may be here that are not there yet.
        own = {day: each for (day, version), each in self._days.items() if version == in_use and day in recent}
        number, other = bundles.get(in_use.encode()), bundles.get(self._version.encode())
        traffic = {
            day: Traffic(recent[day].transactions, 0 if other is None else recent[day].shared[other])
            for day in days_of_both(*self._starts, self._newest, in_use, self._version) | own.keys()
            if day in recent
        }
        frauds = {
            day: rows[(rows["verdict"] == FRAUD) & (rows["bundle"] == number)]
            for day, rows in ((day, recent[day].notables) for day in own)
        }
        windows = tuple(
            self._window(days, newest_event // DAY, own, frauds, traffic, calendar, known) for days in WINDOWS
        )
        return replace(found, in_use=in_use, currency=known.currency, windows=windows)

    def _window(
        self,
        length: int,
        today: int,
        own: Mapping[int, ShadowDay],
        frauds: Mapping[int, Array],
        traffic: Mapping[int, Traffic],
        calendar: Calendar,
        terms: Terms,
    ) -> ShadowWindow:
        newest = [own[day] for day in own if today - length < day]
        seen = [day for day in traffic if today - length < day]
        both = {day: own[day].transactions if day in own else 0 for day in seen}
        levels = sum((day.levels for day in newest), np.zeros((len(LEVELS), len(LEVELS)), np.int64))
        transactions = int(levels.sum())
        last = None if calendar.labelled_until is None else (calendar.labelled_until + 1) // DAY - 1
        last = None if last is None else last - calendar.label_delay_days
        due = [] if last is None else [day for day in own if last - length < day <= last]
        judged = [day for day in due if calendar.standing(day) == COUNTED]
        return ShadowWindow(
            days=length,
            transactions=transactions,
            others=sum(traffic[day].others(both[day]) for day in seen),
            given=sum(traffic[day].given for day in seen),
            same_level=float(np.trace(levels) / transactions) if transactions else None,
            cases=cases_of(_pairs([day.alerted for day in newest], [], terms)) if newest else Cases(0, 0, 0),
            days_due=len(judged),
            days_learned=sum(calendar.standing(day) == LEARNED for day in due),
            last_day=max(judged, default=None),
            judged=self._judged(judged, own, frauds, terms) if judged else None,
        )

    def _judged(
        self, days: Sequence[int], own: Mapping[int, ShadowDay], frauds: Mapping[int, Array], terms: Terms
    ) -> OwnThresholds:
        known = [self._shadowed(frauds[day]) for day in days]
        pairs = _pairs([own[day].alerted for day in days], known, terms)
        return at_own_thresholds(pairs, Costs(terms.review_cost, terms.loss_rate, None), len(days))

    def _shadowed(self, rows: Array) -> Array:
        """Those that the challenger scored as well."""
        partitions, offsets = rows["place"] >> PARTITION_SHIFT, rows["place"] & ((1 << PARTITION_SHIFT) - 1)
        kept = np.zeros(len(rows), bool)
        for partition, (begins, ends) in self._spans.items():
            places = np.searchsorted(begins, offsets, side="right") - 1
            kept |= (partitions == partition) & (places >= 0) & (offsets < ends[places])
        return np.asarray(rows[kept])


def newest_challenger(starts: Sequence[VersionStart]) -> str | None:
    """That of the partition where one began last; None where none is in the shadow any more."""
    last = {start.partition: start for start in starts}
    running = [start for start in last.values() if start.version is not None]
    return max(running, key=lambda start: (start.event_time, start.partition)).version if running else None


class SharedNow(NamedTuple):
    percent: float
    since: int
    ended: int  # partitions


def newest_share(starts: Sequence[ShareStart], challenger: str) -> SharedNow | None:
    """For how many customers this challenger decides, and since when; as in the partition where that began last. None
    where it decides for nobody."""
    last = {start.partition: start for start in starts}
    running = [(start.event_time, start.percent) for start in last.values() if start.challenger == challenger]
    if not running:
        return None
    _, percent = max(running)
    if percent is None:
        return None
    had = {start.partition for start in starts if start.challenger == challenger}
    return SharedNow(percent, min(since for since, other in running if other == percent), len(had) - len(running))


def _by_partition(spans: Sequence[ShadowSpan]) -> dict[int, tuple[Array, Array]]:
    found: defaultdict[int, list[ShadowSpan]] = defaultdict(list)
    for span in spans:
        found[span.partition].append(span)
    return {
        partition: (np.array([one.first_offset for one in some]), np.array([one.next_offset for one in some]))
        for partition, some in found.items()
    }


def _pairs(alerted: Sequence[Array], frauds: Sequence[Array], terms: Terms) -> Pairs:
    """Those found high, and the frauds that neither found high. Scores play no part."""
    rows = np.concatenate(alerted)
    known = np.concatenate([np.zeros(0, frauds[0].dtype), *frauds]) if frauds else None
    is_fraud = np.zeros(len(rows), bool)
    if known is not None:
        is_fraud = np.isin(rows["place"], known["place"])
        missed = known[~np.isin(known["place"], rows["place"])]
        more = np.zeros(len(missed), ALERTED)
        for name in ("place", "event_time", "customer", "at_stake"):
            more[name] = missed[name]
        rows, is_fraud = np.concatenate([rows, more]), np.concatenate([is_fraud, np.ones(len(more), bool)])
    order = np.lexsort((rows["place"], rows["event_time"]))
    rows, is_fraud = rows[order], is_fraud[order]
    scores = np.zeros(len(rows))
    return Pairs(
        rows["event_time"],
        rows["customer"],
        np.full(len(rows), NO_MERCHANT),
        rows["at_stake"] / scale_of(terms.currency),
        np.where(is_fraud, FRAUD, UNKNOWN),
        scores,
        rows["level"],
        scores,
        rows["challenger_level"],
    )
