"""The test by day and by week: what was flagged, what was caught, and whether the scores stayed what they were."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from evaluation.ranking import Predictions
from evaluation.result import Course, Stretch
from risk.clock import DAY, to_text
from risk.codes import Array

WEEK = 7
BINS = 10  # equal parts of validation
FEWEST_ROWS = 200  # a drift of fewer is mostly chance
Z_OF_ONE_SIDE = 1.6448536269514722  # the normal quantile of 95 %


def course_of(
    test: Predictions,
    validation: Predictions,
    scores: Array | None,
    threshold: float,
    columns: Mapping[str, Array],
    unlabelled: Array,
) -> Course | None:
    """`scores`: those of the test, by the fit that validation's are of. `columns`: what each row adds to the
    sums of cases (evaluation.money). `unlabelled`: the times of the period's transactions that have no label, so that
    they are not taken for genuine."""
    if not len(test.event_times):
        return None
    days, unlabelled_days = test.event_times // DAY, unlabelled // DAY
    every = np.concatenate([days, unlabelled_days])
    first, last = int(every.min()), int(every.max())
    before = Sample(validation.scores, validation.customers)
    after = None if scores is None else Sample(scores, test.customers)
    flagged = test.scores >= threshold

    def stretches(length: int, *, with_drift: bool) -> tuple[Stretch, ...]:
        count, places = (last - first) // length + 1, (days - first) // length

        def sums(values: Array) -> list[float]:
            return list(np.bincount(places, weights=values, minlength=count).tolist())

        rows = np.bincount(places, minlength=count).tolist()
        without = np.bincount((unlabelled_days - first) // length, minlength=count).tolist()
        frauds, alerts, cases = sums(test.is_fraud), sums(flagged), sums(columns["alerts"])
        good, caught, saved, lost = (sums(columns[name]) for name in ("good_alerts", "caught", "saved", "lost"))
        drifts = [drift_of(before, after, places == place) if with_drift else (None, None) for place in range(count)]
        return tuple(
            Stretch(
                first=_date(first + length * place),
                days=min(length, last + 1 - first - length * place),
                transactions=rows[place],
                unlabelled=without[place],
                frauds=int(frauds[place]),
                alerts=int(alerts[place]),
                cases=int(cases[place]),
                right_cases=int(cases[place] - good[place]),
                frauds_caught=int(caught[place]),
                fraud_loss=saved[place] + lost[place],
                saved=saved[place],
                drift=drifts[place][0],
                drift_by_chance=drifts[place][1],
            )
            for place in range(count)
        )

    weeks = stretches(WEEK, with_drift=True)
    return Course(stretches(1, with_drift=False), weeks, *drift_of(before, after, np.ones(len(days), bool)))


class Sample(NamedTuple):
    scores: Array
    customers: Array


def drift_of(before: Sample, after: Sample | None, rows: Array) -> tuple[float | None, float | None]:
    """Of these rows of what came after, and what chance alone makes of it."""
    if after is None:
        return None, None
    here = Sample(after.scores[rows], after.customers[rows])
    drift = stability(before.scores, here.scores)
    return drift, None if drift is None else by_chance(before, here)


def stability(before: Array, after: Array) -> float | None:
    """The population stability index, over tenths of the scores before: 0 where both are alike. By custom, from 0.1 on
    somebody looks, and from 0.25 on the population is another. Half a row is added to each part, for empty ones."""
    if min(len(before), len(after)) < FEWEST_ROWS:
        return None
    edges = _edges(before)
    was, now = (_shares(edges, scores) for scores in (before, after))
    return float(((now - was) * np.log(now / was)).sum())


def by_chance(before: Sample, after: Sample) -> float:
    """What the index stays below in 95 % of the cases in which both are of one population: chi-square, as wide as the
    shares of whole customers vary (the first correction of Rao and Scott, 1981)."""
    edges = _edges(before.scores)
    parts, shares = len(edges) + 1, _shares(edges, before.scores)
    mean = 0.0
    for scores, customers in (before, after):
        _, who = np.unique(customers, return_inverse=True)
        places = who * parts + np.searchsorted(edges, scores, side="right")
        counts = np.bincount(places, minlength=(int(who.max()) + 1) * parts).reshape(-1, parts)
        beyond = counts - counts.sum(axis=1, keepdims=True) * (counts.sum(axis=0) / len(scores))
        mean += float(((beyond**2).sum(axis=0) / len(scores) ** 2 / shares).sum())
    freedom = max(parts - 1, 1)
    # The quantile of chi-square over its mean, after Wilson and Hilferty.
    return mean * (1 - 2 / (9 * freedom) + Z_OF_ONE_SIDE * math.sqrt(2 / (9 * freedom))) ** 3


def _edges(before: Array) -> Array:
    return np.unique(np.quantile(before, np.arange(1, BINS) / BINS))


def _shares(edges: Array, scores: Array) -> Array:
    parts = len(edges) + 1
    counts = np.bincount(np.searchsorted(edges, scores, side="right"), minlength=parts)
    return np.asarray((counts + 0.5) / (len(scores) + 0.5 * parts))


def _date(day: int) -> str:
    return to_text(day * DAY)[:10]
