"""How right the cases of the last days were, as far as their labels are due."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from evaluation.drift import FEWEST_ROWS
from evaluation.drifting import Drifts
from kpi_reporter.kpis.names import Names
from kpi_reporter.kpis.recent import RecentDay
from kpi_reporter.kpis.tally import Stake, Tally
from kpi_reporter.kpis.terms import Terms
from kpi_reporter.kpis.values import Calibration, DecidedCases, LabelDelay, Money, Quality
from risk.clock import DAY
from risk.codes import Array
from risk.ledger_day import last_due_day
from risk.money import scale_of


class Judge:
    """Of one moment: the newest event time, what is known of each bundle, and the days."""

    def __init__(
        self,
        newest_event: int | None,
        days: Mapping[int, RecentDay],
        bundles: Names,
        terms: Mapping[str, Terms | None],
        *,
        has_labels: bool,
    ) -> None:
        self._newest, self._days, self._has_labels = newest_event, days, has_labels
        self._terms = {number: terms.get(version) for number, version in enumerate(bundles.texts)}

    def _due(self, window: int) -> list[int]:
        """Of the last so many UTC days; the last is the newest that is due by the bundle in use."""
        last = self._last_day()
        return [] if last is None else [day for day in self._days if last - window < day <= last and self._is_due(day)]

    def calibration(self, window: int, drifts: Drifts) -> Calibration:
        """On the days of which there are samples, each with its own mean: a day of many transactions counts more."""
        means = [(day, mean) for day in self._due(window) if (mean := drifts.mean_score(day)) is not None]
        expected = sum(mean * self._days[day].transactions for day, mean in means)
        tallies = [self._days[day].tally() for day, _ in means]
        return Calibration(
            days=len(means),
            expected=expected if drifts.sampled(day for day, _ in means) >= FEWEST_ROWS else None,
            frauds=sum(one.caught + one.missed for one in tallies) if self._has_labels else None,
        )

    def quality(self, window: int) -> Quality:
        last, days = self._last_day(), self._due(window)
        tallies = [self._days[day].tally() for day in days]
        customer_days = sum(len(self._days[day].customers) for day in days)
        alerts, with_fraud = sum(one.alerts for one in tallies), sum(one.alerts_with_fraud for one in tallies)
        reviews = sum(one.reviews for one in tallies)
        reviews_with_fraud = sum(one.reviews_with_fraud for one in tallies)
        bare = Quality(
            days=window,
            days_due=len(days),
            last_day=last,
            transactions=sum(self._days[day].transactions for day in days),
            customer_days=customer_days,
            alerts=alerts,
            alerts_with_fraud=None,
            alerts_unlabelled=None,
            frauds_caught=None,
            frauds_missed=None,
            precision=None,
            recall=None,
            false_positive_rate=None,
            money=(),
            label_delay=None,
            with_alert=self._decided(alerts - reviews, with_fraud - reviews_with_fraud),
            reviews_alone=self._decided(reviews, reviews_with_fraud),
            days_learned=sum(map(self._is_learned, days)),
        )
        return self._judged(bare, tallies) if self._has_labels else bare

    def _judged(self, bare: Quality, tallies: list[Tally]) -> Quality:
        with_fraud = sum(one.alerts_with_fraud for one in tallies)
        caught, missed = sum(one.caught for one in tallies), sum(one.missed for one in tallies)
        good_days = bare.customer_days - sum(one.fraud_days for one in tallies)
        return Quality(
            days=bare.days,
            days_due=bare.days_due,
            last_day=bare.last_day,
            transactions=bare.transactions,
            customer_days=bare.customer_days,
            alerts=bare.alerts,
            alerts_with_fraud=with_fraud,
            alerts_unlabelled=sum(one.alerts_unlabelled for one in tallies),
            frauds_caught=caught,
            frauds_missed=missed,
            precision=with_fraud / bare.alerts if bare.alerts else None,
            recall=caught / (caught + missed) if caught + missed else None,
            false_positive_rate=(bare.alerts - with_fraud) / good_days if good_days else None,
            money=self._money(tallies),
            label_delay=_label_delay([one.delays for one in tallies]),
            with_alert=bare.with_alert,
            reviews_alone=bare.reviews_alone,
            days_learned=bare.days_learned,
        )

    def _decided(self, cases: int, with_fraud: int) -> DecidedCases:
        if not self._has_labels:
            return DecidedCases(cases, None, None)
        return DecidedCases(cases, with_fraud, with_fraud / cases if cases else None)

    def _delay(self, day: int) -> int | None:
        """The longest label delay of the bundles that scored that day; None where one of them is not known."""
        terms = [self._terms[bundle] for bundle in self._days[day].bundles]
        return None if None in terms else max(known.label_delay_days for known in terms if known is not None)

    def _last_day(self) -> int | None:
        if self._newest is None:
            return None
        delay = self._delay(self._newest // DAY)
        return None if delay is None else last_due_day(self._newest, delay)

    def _is_due(self, day: int) -> bool:
        delay = self._delay(day)
        return self._newest is not None and delay is not None and (day + 1 + delay) * DAY <= self._newest + 1

    def _is_learned(self, day: int) -> bool:
        terms = [self._terms[bundle] for bundle in self._days[day].bundles]
        return any(known is not None and known.has_learned(day) for known in terms)

    def _money(self, tallies: list[Tally]) -> tuple[Money, ...]:
        stakes: defaultdict[int, Stake] = defaultdict(Stake)
        for one in tallies:
            for bundle, stake in one.stakes.items():
                stakes[bundle] = stakes[bundle].plus(stake)
        found: dict[str, Money] = {}
        for bundle in sorted(stakes):
            terms, stake = self._terms[bundle], stakes[bundle]
            if terms is not None:
                so_far = found.get(terms.currency, Money(terms.currency, 0.0, 0.0, 0.0))
                found[terms.currency] = _plus(so_far, stake, terms)
        return tuple(found[currency] for currency in sorted(found))


def _plus(money: Money, stake: Stake, terms: Terms) -> Money:
    scale = scale_of(terms.currency)
    return Money(
        money.currency,
        saved=money.saved + stake.saved / scale * terms.loss_rate,
        lost=money.lost + stake.lost / scale * terms.loss_rate,
        review=money.review + stake.alerts * terms.review_cost,
    )


def _label_delay(delays: list[Array]) -> LabelDelay | None:
    ordered = np.sort(np.concatenate([np.empty(0, np.int64), *delays]))
    if not len(ordered):
        return None
    # The smallest delay that this share of them did not take longer than.
    median, ninth_decile = (int(ordered[-(-len(ordered) * tenths // 10) - 1]) for tenths in (5, 9))
    return LabelDelay(len(ordered), median, ninth_decile, int(ordered[-1]))
