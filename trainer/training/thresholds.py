"""Where the levels begin: high where it costs least on validation, medium where there are three times the alerts.

Where no alert is within the cap, or worth its review, both lie where no score can be: just above the highest that
validation saw, the next transaction might reach them.
"""

import numpy as np

from evaluation.money import NO_SCORE, Accounting
from evaluation.ranking import Predictions
from risk.bundle import Thresholds

MEDIUM_ALERTS = 3  # times the high ones


def chosen(
    predictions: Predictions, *, review_cost: float, loss_rate: float, alerts_per_day: float | None
) -> Thresholds:
    accounting = Accounting(predictions, review_cost=review_cost, loss_rate=loss_rate)
    high = accounting.best_threshold(alerts_per_day)
    if not accounting.at(high).alerts:
        return Thresholds(NO_SCORE, NO_SCORE, review_cost, loss_rate, alerts_per_day)
    medium = accounting.threshold_for_alerts(MEDIUM_ALERTS * accounting.at(high).alerts)
    # One step below, where no score lies between the two.
    medium = min(medium, float(np.nextafter(high, -np.inf)))
    return Thresholds(medium, high, review_cost, loss_rate, alerts_per_day)
