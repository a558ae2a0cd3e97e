"""All that is known of one store, and how it is brought up to date."""

from collections.abc import Sequence
from pathlib import Path

from evaluation.drifting import Drifts
from kpi_reporter.kpis.alerts import Alert, alerts_at
from kpi_reporter.kpis.cold_start import ColdStart
from kpi_reporter.kpis.customers import Customers
from kpi_reporter.kpis.damage import check_currencies, reading
from kpi_reporter.kpis.labels import Labels
from kpi_reporter.kpis.outdated import OutdatedError
from kpi_reporter.kpis.pieces import ALERT, REVIEW, new_vocabulary, pieces_from
from kpi_reporter.kpis.places import Places
from kpi_reporter.kpis.quality import Judge
from kpi_reporter.kpis.recent import Misses, Recent
from kpi_reporter.kpis.shadow import Shadows
from kpi_reporter.kpis.terms import Terms, terms_of
from kpi_reporter.kpis.totals import Totals
from kpi_reporter.kpis.values import WINDOWS, Kpis, LastRetraining
from risk.clock import DAY, HOUR
from risk.store import DID_NOTHING, Retraining, StoreToReport
from risk.warming_up import Horizon, horizon_of_manifest


class Figures:
    def __init__(self, store: StoreToReport, path: Path) -> None:
        self._path = path
        self._vocabulary = new_vocabulary()
        self._terms: dict[str, Terms | None] = {}
        self._horizons: dict[str, Horizon | None] = {}
        self._next: dict[int, int] = {}  # offset to read on from, by partition
        self._totals, self._customers, self._labels = Totals(self._vocabulary), Customers(), Labels()
        self._places, self._cold_start = Places(), ColdStart()
        self._drifts, self._shadows = Drifts(), Shadows()
        self._newest: int | None = None
        self._newest_write = 0
        self._retraining: LastRetraining | None = None
        self._learn_bundles(store)
        _, newest = store.flag_times()
        self._recent = Recent(self._first_day(newest))

    def _first_day(self, newest: int | None) -> int:
        """The oldest day that can be in a window of days whose labels are due."""
        delay = max((terms.label_delay_days for terms in self._terms.values() if terms is not None), default=0)
        return 0 if newest is None else newest // DAY - delay - max(WINDOWS)

    def read_new(self, store: StoreToReport) -> None:
        with reading(self._path):
            self._places.read(store)
            before = self._first_day(self._newest)
            newest_bundles = store.newest_bundles()
            self._learn_bundles(store)  # after it, so that each of them is known
            if self._first_day(self._newest) < before:
                raise OutdatedError("a bundle with a longer label delay looks further back; all is read anew")
            self._cold_start.read(store, newest_bundles, self._horizons)
            labelled = self._labels.read_new(store)
            for partition in store.flagged_partitions():
                self._read_flags(store, partition)
                self._drifts.read(store, partition, self._first_day(self._newest))
            self._recent.suspect(labelled)
            self._recent.look_up(store, self._vocabulary.bundles, self._terms)
            self._shadows.read(store, self._first_day(self._newest))
            self._retraining = _last_of(store.retrainings())
        self._recent.forget_before(self._first_day(self._newest))
        self._drifts.forget_before(self._first_day(self._newest))
        self._shadows.forget_before(self._first_day(self._newest))
        self._newest_write = store.last_written()

    def _learn_bundles(self, store: StoreToReport) -> None:
        for version, manifest in store.bundles(beyond=self._terms):
            self._terms[version], self._horizons[version] = terms_of(manifest), horizon_of_manifest(manifest)
            self._drifts.learn(version, manifest)

    def _read_flags(self, store: StoreToReport, partition: int) -> None:
        first = self._next.get(partition, 0)
        for piece in pieces_from(store, partition, first, self._vocabulary):
            check_currencies(self._vocabulary.currencies.texts)
            self._totals.add(piece)
            self._customers.add(piece.customers, piece.customer_ids)
            self._recent.add(piece, self._labels.fraud_keys)
            newest = int(piece.event_times.max())
            self._newest = newest if self._newest is None else max(self._newest, newest)
            self._next[partition] = int(piece.offsets[-1]) + 1

    def latest_alerts(self, store: StoreToReport, count: int) -> list[Alert]:
        return alerts_at(store, self._recent.newest_worked(count))

    def misses(self) -> Misses:
        return self._recent.misses()

    def _decided_within(self, length: int, decision: int) -> int:
        return 0 if self._newest is None else self._recent.decided_since(self._newest - length, decision)

    def kpis(self) -> Kpis:
        totals, newest = self._totals, self._newest
        by_level, by_decision = totals.by_level(), totals.by_decision()
        transactions = sum(by_level.values())
        by_category, by_channel = totals.by_category(), totals.by_channel()
        labels = self._labels.counts()
        judge = Judge(
            newest, self._recent.days, self._vocabulary.bundles, self._terms, has_labels=labels.newest is not None
        )
        return Kpis(
            transactions=transactions,
            by_level=by_level,
            high_rate=by_level["high"] / transactions if transactions else None,
            by_decision=by_decision,
            alert_rate=by_decision["alert"] / transactions if transactions else None,
            by_category=by_category.all,
            high_by_category=by_category.high,
            alerts_by_category=by_category.alerts,
            by_channel=by_channel.all,
            high_by_channel=by_channel.high,
            alerts_by_channel=by_channel.alerts,
            by_bundle=totals.by_bundle(),
            amounts=totals.amounts(),
            customers=self._customers.count(),
            customers_estimated=self._customers.is_estimated,
            scores=totals.scores(),
            alerts_last_hour=self._decided_within(HOUR, ALERT),
            alerts_last_day=self._decided_within(DAY, ALERT),
            reviews_last_hour=self._decided_within(HOUR, REVIEW),
            reviews_last_day=self._decided_within(DAY, REVIEW),
            days=totals.days(),
            months=totals.months(),
            newest_event=newest,
            newest_write=self._newest_write,
            places=self._places.places,
            labels=labels,
            warming_up=self._cold_start.warming_up,
            label_silence=self._cold_start.label_silence(labels.newest),
            quality=tuple(judge.quality(window) for window in WINDOWS),
            drift=self._drifts.drifting(newest),
            calibration=judge.calibration(max(WINDOWS), self._drifts),
            shadow=self._shadows.shadow(
                newest, labels.newest, self._recent.days, self._vocabulary.bundles, self._terms
            ),
            retraining=self._retraining,
            unknown_bundles=tuple(
                sorted(version for version in self._vocabulary.bundles.texts if self._terms.get(version) is None)
            ),
        )


def _last_of(runs: Sequence[Retraining]) -> LastRetraining | None:
    if not runs:
        return None
    last, newest_first = runs[-1], runs[::-1]
    return LastRetraining(
        last.number,
        last.begun_at,
        last.alive_at,
        last.outcome,
        last.version,
        last.why,
        next((run.begun_at for run in newest_first if run.outcome not in DID_NOTHING), runs[0].begun_at),
        next((run.every_ms for run in newest_first if run.every_ms is not None), None),
    )
