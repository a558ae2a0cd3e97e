"""What other thresholds would have done on the test: for reading, never for choosing."""

from typing import Any

import numpy as np

from risk.codes import Array
from trainer.evidence.money import Accounting

ALERTS_PER_DAY = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
POINTS = 400


def levels(accounting: Accounting, high: float, medium: float) -> list[dict[str, Any]]:
    return [
        {"level": name, "threshold": threshold, **accounting.at(threshold)._asdict()}
        for name, threshold in (("high", high), ("medium or high", medium))
    ]


def sweep(accounting: Accounting, chosen: float) -> list[dict[str, Any]]:
    """A row for each round number of alerts a day, and the chosen threshold among them, in order of alerts."""
    thresholds = {accounting.threshold_for_alerts(alerts * accounting.days) for alerts in ALERTS_PER_DAY}
    rows: list[dict[str, Any]] = []
    for threshold in sorted(thresholds | {chosen}, reverse=True):
        money, is_chosen = accounting.at(threshold), threshold == chosen
        # Once every fraud is caught, more alerts are only more alerts.
        is_enough = any(row["frauds_caught"] and not row["frauds_missed"] for row in rows)
        if is_chosen or (money.alerts and not is_enough):
            rows.append({"threshold": threshold, "is_chosen": is_chosen, **money._asdict(), "gain": money.gain})
    return rows


def spread(accounting: Accounting, points: int = POINTS) -> Array:
    """Thresholds for a curve: every one where they are few, otherwise spread over numbers of alerts, by ratio."""
    candidates = accounting.candidates
    if len(candidates) <= points:
        return candidates
    alerts = accounting.alerts(candidates)
    wanted = np.geomspace(1, alerts[0] + 1, points) - 1
    places = len(candidates) - 1 - np.searchsorted(alerts[::-1], wanted, side="right") + 1
    return candidates[np.unique(np.clip(places, 0, len(candidates) - 1))]
