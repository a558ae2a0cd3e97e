"""The test by day and by week: what was flagged, what was caught, and whether the scores stayed what they were."""

from collections.abc import Mapping

import numpy as np

from evaluation.ranking import Predictions
from evaluation.result import Course, Stretch
from risk.clock import DAY, to_text
from risk.codes import Array

WEEK = 7
BINS = 10  # equal parts of validation
FEWEST_ROWS = 200  # a drift of fewer is mostly chance


def course_of(
    test: Predictions,
    drifted: tuple[Array, Array | None],
    threshold: float,
    columns: Mapping[str, Array],
    unlabelled: Array,
) -> Course | None:
    """`drifted`: the scores of validation, and those of the test by the same fit. `columns`: what each row adds to the
    sums of cases (evaluation.money). `unlabelled`: the times of the period's transactions that have no label, so that
    they are not taken for genuine."""
    if not len(test.event_times):
        return None
    days, unlabelled_days = test.event_times // DAY, unlabelled // DAY
    every = np.concatenate([days, unlabelled_days])
    first, last = int(every.min()), int(every.max())
    before, after = drifted
    flagged = test.scores >= threshold

    def stretches(length: int, *, with_drift: bool) -> tuple[Stretch, ...]:
        count, places = (last - first) // length + 1, (days - first) // length

        def sums(values: Array) -> list[float]:
            return list(np.bincount(places, weights=values, minlength=count).tolist())

        rows = np.bincount(places, minlength=count).tolist()
        without = np.bincount((unlabelled_days - first) // length, minlength=count).tolist()
        frauds, alerts, cases = sums(test.is_fraud), sums(flagged), sums(columns["alerts"])
        good, caught, saved, lost = (sums(columns[name]) for name in ("good_alerts", "caught", "saved", "lost"))
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
                value=saved[place] + lost[place],
                saved=saved[place],
                drift=stability(before, after[places == place]) if with_drift and after is not None else None,
            )
            for place in range(count)
        )

    weeks = stretches(WEEK, with_drift=True)
    return Course(stretches(1, with_drift=False), weeks, None if after is None else stability(before, after))


def stability(before: Array, after: Array) -> float | None:
    """The population stability index, over tenths of the scores before: 0 where both are alike. By custom, from 0.1 on
    somebody looks, and from 0.25 on the population is another. Half a row is added to each part, for empty ones."""
    if min(len(before), len(after)) < FEWEST_ROWS:
        return None
    edges = np.unique(np.quantile(before, np.arange(1, BINS) / BINS))
    was, now = (
        (np.bincount(np.searchsorted(edges, scores, side="right"), minlength=len(edges) + 1) + 0.5)
        / (len(scores) + 0.5 * (len(edges) + 1))
        for scores in (before, after)
    )
    return float(((now - was) * np.log(now / was)).sum())


def _date(day: int) -> str:
    return to_text(day * DAY)[:10]
