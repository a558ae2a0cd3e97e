"""Predictions to judge: small ones written out by hand, larger ones thrown with a seed."""

from collections.abc import Sequence

import numpy as np

from evaluation.comparison import ModelPredictions
from evaluation.money import Accounting
from evaluation.ranking import Predictions
from risk.clock import DAY, HOUR

FIRST_DAY = 19_000 * DAY
KINDS = ("stolen card", "takeover", "collusion")

Importances = tuple[tuple[str, float], ...]
Row = tuple[float, int, float, float, bool]  # day, customer, amount, score, is fraud


def judged_rows(rows: Sequence[Row], days: int, merchants: Sequence[int] | None = None) -> Predictions:
    """Rows with times in days; they must be in the order of time."""
    scores = np.array([row[3] for row in rows], float)
    return Predictions(
        event_times=np.array([FIRST_DAY + round(row[0] * DAY) for row in rows], np.int64),
        customers=np.array([row[1] for row in rows], np.int64),
        merchants=np.array(merchants if merchants is not None else [-1] * len(rows), np.int64),
        amounts=np.array([row[2] for row in rows], float),
        is_fraud=np.array([row[4] for row in rows], bool),
        kinds=None,
        scores=scores,
        raw=scores,
        days=days,
    )


def thrown(
    seed: int,
    *,
    rows: int = 4_000,
    days: int = 10,
    customers: int = 200,
    merchants: int = 50,
    fraud_share: float = 0.02,
    lift: float = 3.0,
    grid: int = 0,
    with_kinds: bool = True,
) -> Predictions:
    """The outcome depends on seed and sizes only, so that judged of other lifts are other models of the same rows.

    `grid`: scores are rounded to this many steps, so that many tie.
    """
    world = np.random.default_rng(seed)
    times = np.sort(world.integers(0, days * DAY, rows)) + FIRST_DAY
    is_fraud = world.random(rows) < fraud_share
    amounts = np.round(world.lognormal(3.5, 1, rows) * np.where(is_fraud, 2, 1), 2)
    amounts[world.random(rows) < 0.02] = np.nan
    names = np.array(KINDS)[world.integers(0, len(KINDS), rows)]
    who, where = world.integers(0, customers, rows), world.integers(0, max(merchants, 1), rows)
    noise = world.normal(size=rows)
    scores = 1 / (1 + np.exp(-(noise + lift * is_fraud - 4.5)))
    if grid:
        scores = np.round(scores * grid) / grid
    return Predictions(
        event_times=times,
        customers=who,
        merchants=where if merchants else np.full(rows, -1),
        amounts=amounts,
        is_fraud=is_fraud,
        kinds=tuple(np.where(is_fraud, names, "").tolist()) if with_kinds else None,
        scores=scores,
        raw=scores,
        days=days,
    )


def contender(
    name: str, validation: Predictions, test: Predictions, importances: tuple[tuple[str, float], ...] = ()
) -> ModelPredictions:
    accounting = Accounting(validation, review_cost=5, loss_rate=1)
    high = accounting.best_threshold(None)
    medium = accounting.threshold_for_alerts(3 * accounting.at(high).alerts)
    return ModelPredictions(name, validation, test, high, medium, importances, 1.5)


def at_hours(*hours: float) -> list[float]:
    return [hour * HOUR / DAY for hour in hours]
