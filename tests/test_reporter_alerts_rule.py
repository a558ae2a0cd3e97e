"""One rule for what an alert is and what it stops: live figures against the accounting behind training's thresholds."""

from pathlib import Path

import numpy as np
import pytest

from evaluation.money import Accounting
from evaluation.ranking import Predictions
from kpi_reporter.kpis.reading import KpiReader
from kpi_reporter.kpis.values import Quality
from risk.clock import DAY
from risk.events import Label
from risk.store import open_store
from testing.stores import flag, store_flags, store_labels
from tests.evidence_cases import thrown
from tests.kpi_stores import read, remember_bundles


def live(path: Path, predictions: Predictions, threshold: float) -> Quality:
    """The same rows as flags and labels, and a last one that makes all of them due."""
    rows, labels = [], []
    for offset, (time, who, amount, score, is_fraud) in enumerate(
        zip(
            predictions.event_times,
            predictions.customers,
            predictions.amounts,
            predictions.scores,
            predictions.is_fraud,
            strict=True,
        )
    ):
        minor = None if np.isnan(amount) else round(amount * 100)
        level = "high" if score >= threshold else "low"
        rows.append(flag(offset, int(time), customer=f"C{who}", amount=minor, score=float(score), level=level))
        if is_fraud:
            labels.append(Label(f"t{offset}", f"C{who}", True, int(time) + DAY, "desk"))
    rows.append(flag(len(rows), int(predictions.event_times[0]) // DAY * DAY + (predictions.days + 3) * DAY - 1))
    with open_store(path) as store:
        remember_bundles(store)
        store_flags(store, [row._replace(bundle_version="one") for row in rows])
        store_labels(store, labels)
    return read(KpiReader(path)).quality[1]


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("grid", [0, 20])
def test_live_figures_are_those_of_training(tmp_path: Path, quantile: float, grid: int) -> None:
    predictions = thrown(7, rows=2_500, days=9, customers=90, fraud_share=0.05, grid=grid)
    threshold = float(np.quantile(predictions.scores, quantile))
    wanted = Accounting(predictions, review_cost=5.0, loss_rate=0.8).at(threshold)
    got = live(tmp_path / "risk.db", predictions, threshold)
    assert got.transactions == len(predictions.scores)
    assert (got.alerts, got.precision, got.recall) == (wanted.alerts, wanted.precision, wanted.recall)
    assert (got.frauds_caught, got.frauds_missed) == (wanted.frauds_caught, wanted.frauds_missed)
    assert got.alerts - (got.alerts_with_fraud or 0) == wanted.good_customers_flagged
    [money] = got.money
    assert (money.saved, money.lost) == (pytest.approx(wanted.saved), pytest.approx(wanted.lost))
    assert (money.review, money.gain) == (pytest.approx(wanted.review), pytest.approx(wanted.gain))
