"""The start page: the figures at a glance, as its template shows them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from evaluation.drifting import FeatureDrift
from kpi_reporter.explorer.charts import Bar, Column, days_chart, scores_chart
from kpi_reporter.explorer.described import NAME
from kpi_reporter.explorer.queries import QUERIES
from kpi_reporter.kpis.told import calibration_text, cautions, challenger_text, days_text, drift_text, learned_text
from kpi_reporter.kpis.values import Amounts, Kpis, Quality
from risk.clock import DAY, to_date, to_text
from risk.money import amount_text

NOTHING = "\N{EN DASH}"
_LEVELS = ("high", "medium", "low")
_MOST_BARS = 12
_MOST_DRIFTING = 8


class Tile(NamedTuple):
    value: str
    name: str
    note: str = ""
    kind: str = ""


def shown(kpis: Kpis) -> dict[str, Any]:
    return {
        "store": NAME,
        "newest_event": NOTHING if kpis.newest_event is None else _moment(kpis.newest_event),
        "newest_write": _moment(kpis.newest_write),
        "cautions": cautions(kpis),
        "tiles": _tiles(kpis),
        "qualities": [_quality(each) for each in kpis.quality],
        "challenger": challenger_text(kpis.shadow),
        "drift": drift_text(kpis.drift),
        "drifting": [_drifting(one) for one in kpis.drift.features[:_MOST_DRIFTING]],
        "calibration": calibration_text(kpis.calibration),
        "days": days_chart(
            [Column(to_date(each.day).isoformat(), each.transactions, each.alerts + each.reviews) for each in kpis.days]
        ),
        "scores": scores_chart(kpis.scores),
        "breakdowns": [
            ("By level", _bars({level: kpis.by_level[level] for level in _LEVELS})),
            ("By category", _bars(kpis.by_category, kpis.alerts_by_category)),
            ("By channel", _bars(kpis.by_channel, kpis.alerts_by_channel)),
        ],
        "amounts": [
            (each.currency, _count(each.transactions), amount_text(each.total, each.currency), _average(each))
            for each in kpis.amounts
        ],
        "queries": QUERIES,
    }


def _tiles(kpis: Kpis) -> list[Tile]:
    known = kpis.labels
    return [
        Tile(_count(kpis.transactions), "transactions scored"),
        Tile(_count(kpis.by_decision["alert"]), "alerts", f"{_share(kpis.alert_rate, 2)} of all", "high"),
        Tile(
            _count(kpis.alerts_last_day),
            "alerts in the day up to the newest event",
            f"{_count(kpis.alerts_last_hour)} in the hour up to it",
        ),
        *(
            [Tile(_count(kpis.by_decision["review"]), "reviews", f"{_count(kpis.reviews_last_day)} in that day")]
            if kpis.by_decision["review"]
            else []
        ),
        Tile(
            ("about " if kpis.customers_estimated else "") + _count(kpis.customers),
            "customers",
            "estimated, within about 2 %" if kpis.customers_estimated else "",
        ),
        Tile(_count(known.total), "labels received", f"{_count(known.fraud)} say fraud"),
    ]


def _quality(quality: Quality) -> dict[str, Any]:
    delay = quality.label_delay
    until = "" if quality.last_day is None else f", up to {to_date(quality.last_day).isoformat()}"
    return {
        "title": f"Last {quality.days} days",
        "period": f"{days_text(quality)} with all labels due{until}",
        "warning": learned_text(quality),
        "tiles": [
            Tile(
                _share(quality.precision), "precision", f"{_of(quality.alerts_with_fraud, quality.alerts)} cases right"
            ),
            *(
                Tile(_share(cases.precision), f"precision of {of}", f"{_of(cases.with_fraud, cases.cases)} cases right")
                for of, cases in (("cases with alerts", quality.with_alert), ("reviews alone", quality.reviews_alone))
                if quality.reviews_alone.cases
            ),
            Tile(_share(quality.recall), "recall", f"{_of(quality.frauds_caught, _frauds(quality))} frauds caught"),
            Tile(_share(quality.false_positive_rate, 2), "false-positive rate", "of customer-days without fraud"),
            *(
                Tile(
                    amount_text(money.gain, money.currency),
                    "saved, reviews paid",
                    f"{amount_text(money.lost, money.currency)} lost",
                )
                for money in quality.money
            ),
            Tile(
                NOTHING if delay is None else f"{delay.median / DAY:.1f} days",
                "label delay, median",
                "" if delay is None else f"nine in ten within {delay.ninth_decile / DAY:.1f} days",
            ),
        ],
    }


def _drifting(one: FeatureDrift) -> tuple[str, ...]:
    week = one.week
    return (
        one.name,
        NOTHING if week.psi is None else f"{week.psi:.3f}",
        NOTHING if week.ks is None else f"{week.ks:.3f}",
        _share(week.missing),
        _share(one.missing_before),
        _share(week.unseen),
    )


def _bars(counts: Mapping[str, int], alerts: Mapping[str, int] | None = None) -> list[Bar]:
    """The largest; beside each its share of all or, where they are known, the share of its alerts."""
    largest = max(counts.values(), default=0) or 1
    total = sum(counts.values()) or 1
    return [
        Bar(
            name,
            _count(count),
            _share(count / total) if alerts is None else f"{_share(alerts[name] / (count or 1), 2)} alerts",
            100 * count / largest,
        )
        for name, count in list(counts.items())[:_MOST_BARS]
    ]


def _frauds(quality: Quality) -> int | None:
    if quality.frauds_caught is None or quality.frauds_missed is None:
        return None
    return quality.frauds_caught + quality.frauds_missed


def _of(part: int | None, whole: int | None) -> str:
    return f"{_count(part)} of {_count(whole)}"


def _count(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def _share(value: float | None, places: int = 1) -> str:
    return NOTHING if value is None else f"{100 * value:.{places}f} %"


def _average(amounts: Amounts) -> str:
    return NOTHING if amounts.average is None else amount_text(amounts.average, amounts.currency)


def _moment(ms: int) -> str:
    return to_text(ms)[:16].replace("T", " ") + " UTC"
