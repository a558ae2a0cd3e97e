"""The features of one transaction, and a bundle's preparation, as a person would write them for one transaction at a
time: plain Python over a customer's past that any store can keep as JSON. For the contestants that have no engine.

What it does not do, all in its favour: no merchant ledger (its nine features are 0, as before the first closed day),
no duplicates, no late transactions, no reasons, and a customer's transactions must come in the order of time.
Otherwise the values are the engine's to the last bit; `same_as_ours.py` checks that whenever the benchmark runs.
"""

import json
from bisect import bisect_right
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

HOUR = 3_600_000
DAY = 24 * HOUR
WINDOWS = {"1h": HOUR, "1d": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
LEDGER = [f"merchant_{what}_{window}" for what in ("count", "fraud", "risk") for window in ("1d", "7d", "30d")]
UNKNOWN = float("nan")
PLACES = 100  # minor units in a major one

Past = dict[str, list[Any]]
Event = dict[str, Any]


def nothing() -> Past:
    return {"times": [], "amounts": [], "merchants": [], "devices": [], "countries": []}


def milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def features(event: Event, past: Past) -> Event:
    """What the model wants to know of a transaction, by name; it is part of the past afterwards."""
    moment = milliseconds(event["event_time"])
    minor = None if event.get("amount") is None else round(event["amount"] * PLACES)
    merchant, device, country = event.get("merchant_id"), event.get("device_id"), event.get("country")
    times, amounts = past["times"], past["amounts"]
    if forgotten := bisect_right(times, moment - WINDOWS["30d"]):
        for column in past.values():
            del column[:forgotten]
    found: Event = dict.fromkeys(LEDGER, 0.0)
    for name, window in WINDOWS.items():
        first = bisect_right(times, moment - window)
        known = [amount for amount in amounts[first:] if amount is not None]
        total = sum(known)
        found[f"customer_count_{name}"] = float(len(times) - first)
        found[f"customer_sum_{name}"] = total / PLACES
        found[f"customer_mean_{name}"] = total / (len(known) * PLACES) if known else UNKNOWN
        found[f"customer_max_{name}"] = max(known) / PLACES if known else UNKNOWN
    amount = UNKNOWN if minor is None else minor / PLACES
    mean = found["customer_mean_30d"]
    found["seconds_since_last"] = (moment - times[-1]) / 1000 if times else UNKNOWN
    found["amount_to_mean_30d"] = amount / mean if mean else UNKNOWN
    for name, value in (("merchant", merchant), ("device", device), ("country", country)):
        column = past["countries" if name == "country" else f"{name}s"]
        found[f"new_{name}_30d"] = UNKNOWN if value is None else float(value not in column)
    today = past["merchants"][bisect_right(times, moment - DAY) :]
    found["distinct_merchants_1d"] = float(len(set(today) - {None}))
    hour, weekday = moment // HOUR % 24, (moment // DAY + 3) % 7
    found["amount"], found["hour"] = amount, float(hour)
    found["night"], found["weekend"] = float(hour >= 22 or hour < 6), float(weekday >= 5)
    for name in ("merchant_category", "channel", "country"):
        found[name] = event.get(name)
    for column, value in zip(past.values(), (moment, minor, merchant, device, country), strict=True):
        column.append(value)
    return found


class Learned:
    """A bundle's manifest, as far as one needs it to score: preparation, calibration, thresholds."""

    def __init__(self, folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        self.version: str = manifest["version"]
        self.raw: list[float] = manifest["calibration"]["raw"]
        self.probability: list[float] = manifest["calibration"]["probability"]
        self.medium: float = manifest["thresholds"]["medium"]
        self.high: float = manifest["thresholds"]["high"]
        self._columns = [_number(one) if one["type"] == "number" else _category(one) for one in manifest["features"]]

    def row(self, found: Event) -> list[float]:
        """The features in the model's order, as it was trained on them."""
        return [column(found) for column in self._columns]

    def level(self, score: float) -> str:
        return "high" if score >= self.high else "medium" if score >= self.medium else "low"


def _number(learned: Event) -> Callable[[Event], float]:
    name, median, low, high = (learned[key] for key in ("name", "median", "clip_low", "clip_high"))

    def column(found: Event) -> float:
        value: float = found[name]
        return float(min(max(median if value != value else value, low), high))

    return column


def _category(learned: Event) -> Callable[[Event], float]:
    name = learned["name"]
    codes = {None: 0.0, **{word: float(code) for code, word in enumerate(learned["vocabulary"], 2)}}
    return lambda found: codes.get(found[name], 1.0)
