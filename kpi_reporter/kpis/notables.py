"""Flags that cases and frauds are counted from: alerts, reviews, and those that are known as frauds."""

from collections.abc import Iterable, Mapping

import numpy as np

from kpi_reporter.kpis.names import Names, hashes
from kpi_reporter.kpis.pieces import NONE
from kpi_reporter.kpis.terms import Terms
from risk.codes import Array
from risk.events import FRAUD, UNKNOWN
from risk.store import JudgedFlag, StoreToReport

ROWS_AT_ONCE = 5_000
# Partition and offset in one number.
PARTITION_SHIFT = 48

NOTABLE = np.dtype(
    [
        ("place", np.int64),
        ("event_time", np.int64),
        ("customer", np.uint64),
        ("at_stake", np.int64),  # minor units of the bundle's currency; 0 where it is not known in that
        ("bundle", np.int64),
        ("decision", np.int8),
        ("verdict", np.int8),  # of the label in force
        ("labelled_at", np.int64),  # of that label; 0 where there is none
    ]
)


def look_up(
    store: StoreToReport, partition: int, offsets: Array, bundles: Names, terms: Mapping[str, Terms | None]
) -> Iterable[Array]:
    """Those flags as they are now, with the verdict in force."""
    for first in range(0, len(offsets), ROWS_AT_ONCE):
        rows = store.judged_flags(partition, offsets[first : first + ROWS_AT_ONCE].tolist())
        yield _as_notables(partition, rows, bundles, terms)


def _as_notables(partition: int, rows: list[JudgedFlag], bundles: Names, terms: Mapping[str, Terms | None]) -> Array:
    found = np.zeros(len(rows), NOTABLE)
    if not rows:
        return found
    offsets, times, customers, currencies, amounts, versions, decisions, verdicts, labelled = zip(*rows, strict=True)
    found["place"] = np.array(offsets, np.int64) + (partition << PARTITION_SHIFT)
    found["event_time"] = times
    found["customer"] = hashes(customers)
    money_of = {version: known.currency.encode() for version, known in _by_bytes(terms).items() if known is not None}
    found["at_stake"] = [
        amount if amount is not None and currency == money_of.get(version) else 0
        for amount, currency, version in zip(amounts, currencies, versions, strict=True)
    ]
    found["bundle"] = bundles.numbers(list(versions))
    found["decision"] = decisions
    found["verdict"] = [UNKNOWN if verdict is None else verdict for verdict in verdicts]
    found["labelled_at"] = [0 if when is None else when for when in labelled]
    return found


def _by_bytes(terms: Mapping[str, Terms | None]) -> dict[bytes, Terms | None]:
    return {version.encode(): known for version, known in terms.items()}


def are_worked(notables: Array) -> Array:
    """A team works alerts and reviews: both open cases."""
    return np.asarray(notables["decision"] != NONE)


def replaced(known: Array, looked_up: Array) -> Array:
    """What is known of a day, with what was looked up in the place of what was known of the same flags."""
    kept = known[~np.isin(known["place"], looked_up["place"])]
    counts = are_worked(looked_up) | (looked_up["verdict"] == FRAUD)
    return np.concatenate((kept, looked_up[counts]))
