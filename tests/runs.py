"""Takes a case through an engine, in whatever parcels, and compares two outcomes to the last bit."""

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

import numpy as np

from risk.block import block_of
from risk.catalogue import EngineTerms
from risk.engine import Engine, Verdict
from risk.events import Label, Transaction
from risk.ledger import SeenDays
from tests.cases import Arrival, Case, Rules
from tests.oracle import Outcome


def day_source(rules: Rules, labels: Iterable[Label] = (), opening_day: int | None = None) -> SeenDays | None:
    """The days a set of features needs: none without a merchant."""
    if "merchant_id" not in rules.feature_set.fields:
        return None
    days = SeenDays(rules.ledger_terms, opening_day=opening_day, keep=True)
    days.learn(labels)
    return days


def see(days: SeenDays, transactions: Sequence[Transaction]) -> None:
    days.see(block_of(transactions), np.arange(len(transactions)))


def engine_for(rules: Rules, days: SeenDays | None) -> Engine:
    terms = EngineTerms(rules.currency, rules.label_delay_days, rules.bucket_ms, rules.max_lateness_ms)
    return Engine(rules.feature_set, terms, days)


def run(case: Case, cuts: Sequence[int] = ()) -> Outcome:
    """The whole case, with every label known from the beginning, cut into parcels before the given rows."""
    engine = engine_for(case.rules, day_source(case.rules, case.labels))
    return feed(engine, case.rules, case.arrivals, cuts)


def feed(engine: Engine, rules: Rules, arrivals: Sequence[Arrival], cuts: Sequence[int] = ()) -> Outcome:
    feature_set = rules.feature_set
    values = [np.empty((0, len(feature_set.numbers)))]
    verdicts, ledger_days = [np.empty(0, dtype=np.uint8)], [np.empty(0, dtype=np.int64)]
    categories: dict[str, list[str | None]] = {feature.name: [] for feature in feature_set.categories}
    for partition, transactions in _parcels(arrivals, cuts):
        batch = engine.features(block_of(transactions), partition=partition)
        values.append(batch.values)
        verdicts.append(batch.verdicts)
        ledger_days.append(batch.ledger_days)
        for name, column in categories.items():
            column.extend(batch.categories[name])
    return Outcome(np.concatenate(values), categories, np.concatenate(verdicts), np.concatenate(ledger_days))


def _parcels(arrivals: Sequence[Arrival], cuts: Sequence[int]) -> Iterable[tuple[int, list[Transaction]]]:
    """A parcel holds rows of one partition, so a cut also falls wherever the partition changes."""
    edges = [0, *sorted(set(cuts)), len(arrivals)]
    for start, stop in pairwise(edges):
        for partition, group in groupby(arrivals[start:stop], key=lambda arrival: arrival.partition):
            yield partition, [arrival.transaction for arrival in group]


def every(size: int, case: Case) -> range:
    """Cuts after each `size` rows."""
    return range(size, len(case.arrivals), size)


def scored_rows(arrivals: Sequence[Arrival], outcome: Outcome) -> dict[int, list[Transaction]]:
    """The scored transactions of each partition, in arrival order: what a store would hold."""
    rows: dict[int, list[Transaction]] = {arrival.partition: [] for arrival in arrivals}
    for arrival, verdict in zip(arrivals, outcome.verdicts, strict=False):
        if verdict == Verdict.SCORED:
            rows[arrival.partition].append(arrival.transaction)
    return rows


def part(outcome: Outcome, rows: slice | np.ndarray) -> Outcome:
    """Some rows of an outcome, in the order asked for."""
    chosen = np.arange(len(outcome.verdicts))[rows]
    categories = {name: [column[row] for row in chosen] for name, column in outcome.categories.items()}
    ledger_days = None if outcome.ledger_days is None else outcome.ledger_days[chosen]
    return Outcome(outcome.values[chosen], categories, outcome.verdicts[chosen], ledger_days)


def assert_same(rules: Rules, arrivals: Sequence[Arrival], got: Outcome, expected: Outcome) -> None:
    """Verdicts, categories and the bits of every number; NaN equals NaN. Says where the first difference is."""
    assert got.values.shape == expected.values.shape, (
        f"{got.values.shape} rows and columns, not {expected.values.shape}"
    )
    differences = list(_differences(rules, got, expected))
    if differences:
        row, what, one, other = min(differences)
        arrival = arrivals[row]
        raise AssertionError(
            f"{len(differences)} differences; the first: row {row}, {what}: got {one}, expected {other}, "
            f"partition {arrival.partition}, {arrival.transaction}, rules {rules}"
        )


def _differences(rules: Rules, got: Outcome, expected: Outcome) -> Iterable[tuple[int, str, str, str]]:
    for row in np.flatnonzero(got.verdicts != expected.verdicts).tolist():
        yield row, "verdict", repr(got.verdicts[row]), repr(expected.verdicts[row])
    scored = (got.verdicts == Verdict.SCORED) & (expected.verdicts == Verdict.SCORED)
    for name, column in expected.categories.items():
        for row in np.flatnonzero(scored).tolist():
            if got.categories[name][row] != column[row]:
                yield row, name, repr(got.categories[name][row]), repr(column[row])
    if got.ledger_days is not None and expected.ledger_days is not None:
        for row in np.flatnonzero(got.ledger_days != expected.ledger_days).tolist():
            yield row, "ledger day", repr(got.ledger_days[row]), repr(expected.ledger_days[row])
    names = [feature.name for feature in rules.feature_set.numbers]
    for row, column_number in np.argwhere(_bits(got.values) != _bits(expected.values)).tolist():
        one, other = got.values[row, column_number], expected.values[row, column_number]
        yield row, names[column_number], repr(float(one)), repr(float(other))


def _bits(values: np.ndarray) -> np.ndarray:
    """The 64 bits of each float, every NaN alike."""
    return np.where(np.isnan(values), np.float64(np.nan), values).view(np.uint64)
