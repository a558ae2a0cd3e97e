"""The world `trustlens`: independent transactions whose risk is a published formula. docs/worlds.md states it."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from risk.clock import to_ms
from worlds.columns import amounts, blanked, named, numbered, times
from worlds.streams import Floats, Ints, cumulated, drawn, stream, to_cents
from worlds.world import ROW_GROUP, Option, Progress, Sizes, World, instant

# category: (weight, amount multiplier)
CATEGORIES = {
    "Travel": (0.10, 2.5),
    "Electronics": (0.12, 1.8),
    "Grocery": (0.25, 0.8),
    "Restaurants": (0.18, 0.6),
    "Fuel": (0.12, 0.7),
    "Clothing": (0.10, 1.0),
    "Entertainment": (0.07, 0.7),
    "Health": (0.06, 0.9),
}
TRAVEL, ELECTRONICS = list(CATEGORIES).index("Travel"), list(CATEGORIES).index("Electronics")

START, END = to_ms(instant("2023-01-01")), to_ms(instant("2025-01-01"))

MISSING_SHARE = 0.02
INFLATED_SHARE = 0.01

# One stream for each thing that is drawn, so that adding a column later leaves the others as they are.
(_TIME, _CUSTOMER, _AGE, _SCORE, _TENURE, _CATEGORY, _AMOUNT, _FREQUENCY, _LABEL, _NO_AMOUNT, _NO_FREQUENCY, _INFLATED,
 _FACTOR) = range(13)  # fmt: skip


def customers_of(rows: int) -> int:
    return max(500, rows // 40)


def probability(amount: Floats, credit_score: Ints, frequency: Ints, tenure: Ints, category: Ints, age: Ints) -> Floats:
    """The formula. To 12 places, because the last bits of exp differ between processors."""
    logit = (
        -3.5
        + 0.015 * (amount / 100)
        - 0.004 * (credit_score - 500)
        + 0.008 * frequency
        - 0.003 * tenure
        + 0.6 * (category == TRAVEL)
        + 0.4 * (category == ELECTRONICS)
        + 0.4 * (age < 25)
    )
    exact: Floats = 1.0 / (1.0 + np.exp(-logit))
    return np.round(exact, 12)


def history(sizes: Sizes, seed: int, progress: Progress, block: int = ROW_GROUP) -> Iterator[pa.RecordBatch]:
    rows = sizes["rows"]
    customers = customers_of(rows)
    age = stream(seed, _AGE).integers(18, 81, customers)
    score = np.rint(np.clip(stream(seed, _SCORE).normal(650, 90, customers), 300, 850)).astype(np.int64)
    tenure = stream(seed, _TENURE).integers(1, 241, customers)
    event_time = np.sort(stream(seed, _TIME).integers(START, END, rows))
    streams = [stream(seed, place) for place in range(_FACTOR + 1)]
    weights = cumulated(np.array([weight for weight, _ in CATEGORIES.values()]))
    multipliers = np.array([multiplier for _, multiplier in CATEGORIES.values()])

    with progress("rows", rows) as advance:
        for first in range(0, rows, block):
            size = min(block, rows - first)
            customer = streams[_CUSTOMER].integers(0, customers, size)
            category = drawn(streams[_CATEGORY], weights, size)
            cents = to_cents(np.exp(streams[_AMOUNT].normal(5.2, 1.1, size)) * multipliers[category])
            frequency = streams[_FREQUENCY].integers(1, 151, size)
            truth = probability(cents / 100.0, score[customer], frequency, tenure[customer], category, age[customer])
            is_fraud = streams[_LABEL].random(size) < truth

            # The noise comes after the label, so that it hides what was true and changes nothing.
            factor = 10.0 + 20.0 * streams[_FACTOR].random(size)
            inflated = streams[_INFLATED].random(size) < INFLATED_SHARE
            seen = np.where(inflated, to_cents(cents / 100.0 * factor), cents)
            yield pa.RecordBatch.from_pydict(
                {
                    "transaction_id": numbered("TL", np.arange(first + 1, first + size + 1), 9),
                    "event_time": times(event_time[first : first + size]),
                    "customer_id": numbered("C", customer + 1, 6),
                    "merchant_category": named(list(CATEGORIES), category),
                    "amount": blanked(amounts(seen), streams[_NO_AMOUNT].random(size) < MISSING_SHARE),
                    "currency": pa.repeat("EUR", size),
                    "age": pa.array(age[customer]),
                    "credit_score": pa.array(score[customer]),
                    "tenure_months": pa.array(tenure[customer]),
                    "monthly_frequency": blanked(
                        pa.array(frequency), streams[_NO_FREQUENCY].random(size) < MISSING_SHARE
                    ),
                    "is_fraud": pa.array(is_fraud.astype(np.int64)),
                    "probability": pa.array(truth),
                }
            )
            advance(size)


TRUSTLENS = World(
    name="trustlens",
    meaning="independent transactions, fraud by a published formula, the true probability beside them",
    options=(Option("rows", 5000, 100_000_000, "number of transactions"),),
    history=history,
    truth=("probability",),
)
