"""The features a second time, by brute force, from the definitions in DESIGN.md alone.

It keeps every scored transaction for ever and looks through all of the customer's, or all of the merchant's, for each
row. Slow, and plain enough to be checked by reading it beside the definitions. It shares no code with the engine.
"""

import math
from collections import defaultdict
from datetime import UTC, datetime

import numpy as np
from msgspec import Struct

from risk.events import Label, Transaction
from tests.cases import Case, Rules

SCORED, DUPLICATE, LATE = 0, 1, 2

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WINDOWS_MS = {"1h": HOUR_MS, "1d": DAY_MS, "7d": 7 * DAY_MS, "30d": 30 * DAY_MS}
LEDGER_WINDOWS_MS = {"1d": DAY_MS, "7d": 7 * DAY_MS, "30d": 30 * DAY_MS}
MINOR_DIGITS = {"JPY": 0, "EUR": 2, "USD": 2, "KWD": 3}

NOTHING = math.nan
NO_DAY = -1


class Outcome(Struct, frozen=True):
    """What an engine, or the oracle, says of a case: one row or entry per arrival."""

    values: np.ndarray
    categories: dict[str, list[str | None]]
    verdicts: np.ndarray
    ledger_days: np.ndarray | None = None


def expect(case: Case) -> Outcome:
    """The right answer. Every label is known from the beginning; only its date decides whether it counts."""
    oracle = _Oracle(case.rules, case.labels)
    feature_set = case.rules.feature_set
    values, verdicts, ledger_days = [], [], []
    categories: dict[str, list[str | None]] = {feature.name: [] for feature in feature_set.categories}
    for arrival in case.arrivals:
        verdict, numbers = oracle.arrive(arrival.partition, arrival.transaction)
        verdicts.append(verdict)
        ledger_days.append(oracle.day_used(arrival.transaction) if verdict == SCORED else NO_DAY)
        values.append([numbers.get(f.name, NOTHING) if verdict == SCORED else NOTHING for f in feature_set.numbers])
        for name, column in categories.items():
            column.append(_category(name, arrival.transaction) if verdict == SCORED else None)
    shape = (len(values), len(feature_set.numbers))
    numbers = np.array(values, dtype=np.float64).reshape(shape)
    return Outcome(numbers, categories, np.array(verdicts, dtype=np.uint8), np.array(ledger_days, dtype=np.int64))


class _Oracle:
    def __init__(self, rules: Rules, labels: tuple[Label, ...]) -> None:
        self.rules = rules
        self.labels: dict[tuple[str, str], list[Label]] = defaultdict(list)
        for label in labels:
            self.labels[label.customer_id, label.transaction_id].append(label)
        self.newest: dict[int, int] = {}
        self.past: dict[str, list[Transaction]] = defaultdict(list)
        self.open: list[Transaction] = []
        self.closed: dict[str, list[tuple[int, bool]]] = defaultdict(list)
        self.closed_to: int | None = None
        self.first_day: int | None = None

    def arrive(self, partition: int, transaction: Transaction) -> tuple[int, dict[str, float]]:
        verdict = self._verdict(partition, transaction)
        if verdict != SCORED:
            return verdict, {}
        day = transaction.event_time // DAY_MS
        self._close_up_to(day - self.rules.label_delay_days)
        numbers = self._direct(transaction) | self._history(transaction) | self._ledger(transaction)
        self.newest[partition] = max(transaction.event_time, self.newest.get(partition, transaction.event_time))
        self.past[transaction.customer_id].append(transaction)
        if self.closed_to is None or day > self.closed_to:
            self.open.append(transaction)
        return verdict, numbers

    def _verdict(self, partition: int, transaction: Transaction) -> int:
        time, lateness = transaction.event_time, self.rules.max_lateness_ms
        newest = self.newest.get(partition, time)
        for past in self.past[transaction.customer_id]:
            same_id = past.transaction_id == transaction.transaction_id
            in_reach = time - 30 * DAY_MS - lateness < past.event_time <= time + lateness
            if same_id and in_reach and past.event_time > newest - 30 * DAY_MS - 2 * lateness:
                return DUPLICATE
        return LATE if time < newest - lateness else SCORED

    def _known_amount(self, transaction: Transaction) -> int | None:
        return transaction.amount if transaction.currency == self.rules.currency else None

    def _major(self, minor: int, count: int = 1) -> float:
        return float(minor) / float(count * 10 ** MINOR_DIGITS[self.rules.currency])

    def _direct(self, transaction: Transaction) -> dict[str, float]:
        amount = self._known_amount(transaction)
        moment = datetime.fromtimestamp(transaction.event_time // 1000, tz=UTC)
        numbers = {
            "amount": NOTHING if amount is None else self._major(amount),
            "hour": float(moment.hour),
            "night": float(moment.hour >= 22 or moment.hour < 6),
            "weekend": float(moment.strftime("%a") in ("Sat", "Sun")),
        }
        for name in self.rules.feature_set.number_attributes:
            numbers["attribute_" + name] = float(transaction.attributes.get(name, NOTHING))
        return numbers

    def _history(self, transaction: Transaction) -> dict[str, float]:
        time = transaction.event_time
        numbers: dict[str, float] = {}
        within: dict[str, list[Transaction]] = {}
        for window, length in WINDOWS_MS.items():
            past = [p for p in self.past[transaction.customer_id] if time - length < p.event_time <= time]
            within[window] = past
            amounts = [a for a in map(self._known_amount, past) if a is not None]
            numbers["customer_count_" + window] = float(len(past))
            numbers["customer_sum_" + window] = self._major(sum(amounts))
            numbers["customer_mean_" + window] = self._major(sum(amounts), len(amounts)) if amounts else NOTHING
            numbers["customer_max_" + window] = self._major(max(amounts)) if amounts else NOTHING
        month = within["30d"]
        last = max((p.event_time for p in month), default=None)
        numbers["seconds_since_last"] = NOTHING if last is None else (time - last) / 1000.0
        amount, mean = self._known_amount(transaction), numbers["customer_mean_30d"]
        has_ratio = amount is not None and not math.isnan(mean) and mean != 0.0
        numbers["amount_to_mean_30d"] = self._major(amount) / mean if has_ratio and amount is not None else NOTHING
        numbers["new_merchant_30d"] = _is_new(transaction.merchant_id, [p.merchant_id for p in month])
        numbers["new_device_30d"] = _is_new(transaction.device_id, [p.device_id for p in month])
        numbers["new_country_30d"] = _is_new(transaction.country, [p.country for p in month])
        numbers["distinct_merchants_1d"] = float(len({p.merchant_id for p in within["1d"]} - {None}))
        return numbers

    def day_used(self, transaction: Transaction) -> int:
        """The newest closed day that the transaction may look at; the ledger begins with the first scored day."""
        needed = transaction.event_time // DAY_MS - self.rules.label_delay_days
        has_ledger = "merchant_id" in self.rules.feature_set.fields
        return needed if has_ledger and self.first_day is not None and needed >= self.first_day else NO_DAY

    def _ledger(self, transaction: Transaction) -> dict[str, float]:
        if transaction.merchant_id is None or "merchant_id" not in self.rules.feature_set.fields:
            return {}
        bucket = self.rules.bucket_ms
        end = (transaction.event_time - self.rules.label_delay_days * DAY_MS) // bucket * bucket
        numbers: dict[str, float] = {}
        for window, length in LEDGER_WINDOWS_MS.items():
            inside = [fraud for time, fraud in self.closed[transaction.merchant_id] if end - length <= time < end]
            numbers["merchant_count_" + window] = float(len(inside))
            numbers["merchant_fraud_" + window] = float(sum(inside))
            numbers["merchant_risk_" + window] = float(sum(inside)) / float(len(inside)) if inside else 0.0
        return numbers

    def _close_up_to(self, day: int) -> None:
        if self.closed_to is not None and day <= self.closed_to:
            return
        self.closed_to = day
        days = [t.event_time // DAY_MS for t in self.open]
        if self.first_day is None and days and min(days) <= day:
            self.first_day = min(days)
        for transaction in self.open:
            if transaction.event_time // DAY_MS <= day and transaction.merchant_id is not None:
                entry = (transaction.event_time, self._is_fraud(transaction))
                self.closed[transaction.merchant_id].append(entry)
        self.open = [t for t in self.open if t.event_time // DAY_MS > day]

    def _is_fraud(self, transaction: Transaction) -> bool:
        day = transaction.event_time // DAY_MS
        since, cutoff = day * DAY_MS, (day + self.rules.label_delay_days - 1) * DAY_MS
        newest: Label | None = None
        for label in self.labels[transaction.customer_id, transaction.transaction_id]:
            in_time = since <= label.labelled_at < cutoff
            if in_time and (newest is None or label.labelled_at >= newest.labelled_at):
                newest = label
        return newest is not None and newest.is_fraud


def _is_new(value: str | None, past: list[str | None]) -> float:
    return NOTHING if value is None else float(value not in past)


def _category(name: str, transaction: Transaction) -> str | None:
    if name.startswith("attribute_"):
        value = transaction.attributes.get(name.removeprefix("attribute_"))
        return None if value is None else str(value)
    text: str | None = getattr(transaction, name)
    return text
