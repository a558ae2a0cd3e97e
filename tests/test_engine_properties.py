"""What must hold of the engine whatever the definitions say: no look-ahead, no trace of parcels or of neighbours."""

import random
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from risk.block import block_of
from risk.catalogue import ALL_FIELDS, FeatureSet
from risk.clock import DAY, HOUR, SECOND
from risk.errors import EngineError
from risk.events import Label, Transaction
from tests import strategies
from tests.cases import NEW_YEAR, STREAMS, Arrival, Case, Knobs, Rules, cutoff_of, generate, stream
from tests.oracle import Outcome, expect
from tests.runs import assert_same, day_source, engine_for, every, feed, part, run


@pytest.fixture(params=sorted(STREAMS), scope="module")
def case(request: pytest.FixtureRequest) -> Case:
    return stream(request.param)


@pytest.fixture(scope="module")
def whole(case: Case) -> Outcome:
    return run(case)


# Parcels


@pytest.mark.parametrize("size", [1, 7, 500])
def test_parcels_of_any_size_give_the_same_bits(case: Case, whole: Outcome, size: int) -> None:
    assert_same(case.rules, case.arrivals, run(case, every(size, case)), whole)


@given(strategies.cases(), st.sets(st.integers(1, strategies.MOST_ROWS)))
def test_random_cuts_give_the_same_bits(case: Case, cuts: set[int]) -> None:
    possible = [cut for cut in cuts if cut < len(case.arrivals)]
    assert_same(case.rules, case.arrivals, run(case, possible), run(case))


def test_an_empty_parcel_changes_nothing() -> None:
    case = stream("plain")
    engine = engine_for(case.rules, day_source(case.rules, case.labels))
    assert engine.features(block_of([])).values.shape == (0, len(case.rules.feature_set.numbers))
    first = feed(engine, case.rules, case.arrivals[:40])
    assert engine.features(block_of([])).verdicts.tolist() == []
    engine.restore([block_of([])])
    second = feed(engine, case.rules, case.arrivals[40:])
    assert_same(case.rules, case.arrivals[:40], first, part(run(case), slice(40)))
    assert_same(case.rules, case.arrivals[40:], second, part(run(case), slice(40, None)))


# No look-ahead


@pytest.mark.parametrize("share", [0.1, 0.5, 0.83])
def test_cutting_the_future_off_changes_nothing(case: Case, whole: Outcome, share: float) -> None:
    kept = int(len(case.arrivals) * share)
    past = replace(case, arrivals=case.arrivals[:kept])
    assert_same(case.rules, past.arrivals, run(past), part(whole, slice(kept)))


def test_labels_from_the_cutoff_on_change_nothing(case: Case, whole: Outcome) -> None:
    """Every transaction is called a fraud in the moment of its cutoff, and the contrary of its labels years later."""
    cutoffs: dict[tuple[str, str], int] = {}
    for arrival in case.arrivals:
        # An id that is used again months later is a second transaction; the label must come too late for both.
        identity = (arrival.transaction.customer_id, arrival.transaction.transaction_id)
        cutoff = cutoff_of(arrival.transaction.event_time, case.rules.label_delay_days)
        cutoffs[identity] = max(cutoff, cutoffs.get(identity, cutoff))
    called = [Label(identity, customer, True, at, "test") for (customer, identity), at in cutoffs.items()]
    contrary = [
        replace(label, is_fraud=not label.is_fraud, labelled_at=label.labelled_at + 3000 * DAY) for label in case.labels
    ]
    told = replace(case, labels=(*called, *case.labels, *contrary))
    assert_same(case.rules, case.arrivals, run(told), whole)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_label_moves_nothing_before_a_day_after_it_was_known(case: Case, whole: Outcome, share: float) -> None:
    """Day k counts labels from before k + D - 1 and is first used on k + D: a full day lies between."""
    moment = case.arrivals[int(len(case.arrivals) * share)].transaction.event_time
    known = replace(case, labels=tuple(label for label in case.labels if label.labelled_at < moment))
    early = np.array([arrival.transaction.event_time <= moment + DAY for arrival in case.arrivals])
    arrivals = [arrival for arrival, is_early in zip(case.arrivals, early, strict=True) if is_early]
    assert_same(case.rules, arrivals, part(run(known), early), part(whole, early))


def test_labels_count_at_all(case: Case, whole: Outcome) -> None:
    """Without this the two tests above would pass on an engine that is deaf."""
    frauds = [feature.name for feature in case.rules.feature_set.numbers].index("merchant_fraud_30d")
    assert np.nansum(whole.values[:, frauds]) > 0
    assert np.nansum(run(replace(case, labels=())).values[:, frauds]) == 0


def test_labels_told_as_they_come_give_the_same_bits(case: Case, whole: Outcome) -> None:
    """Row by row, each label told just before the first transaction that is not older than it."""
    waiting = sorted(case.labels, key=lambda label: label.labelled_at)
    days = day_source(case.rules)
    engine = engine_for(case.rules, days)
    assert days is not None
    said = []
    for arrival in case.arrivals:
        while waiting and waiting[0].labelled_at <= arrival.transaction.event_time:
            days.learn([waiting.pop(0)])
        said.append(feed(engine, case.rules, [arrival]))
    assert_same(case.rules, case.arrivals, _together(said), whole)


def _together(said: list[Outcome]) -> Outcome:
    categories = {name: [value for one in said for value in one.categories[name]] for name in said[0].categories}
    days = np.concatenate([one.ledger_days for one in said if one.ledger_days is not None])
    return Outcome(
        np.concatenate([one.values for one in said]), categories, np.concatenate([one.verdicts for one in said]), days
    )


def test_a_label_that_comes_after_the_day_was_closed_changes_nothing(case: Case, whole: Outcome) -> None:
    """A day is closed once; a label with an early date that arrives late comes too late."""
    half = len(case.arrivals) // 2
    days = day_source(case.rules, case.labels)
    engine = engine_for(case.rules, days)
    assert days is not None
    feed(engine, case.rules, case.arrivals[:half])
    newest = max(arrival.transaction.event_time for arrival in case.arrivals[:half])
    closed = newest // DAY - case.rules.label_delay_days
    open_ids = {
        (a.transaction.customer_id, a.transaction.transaction_id)
        for a in case.arrivals
        if a.transaction.event_time // DAY > closed
    }
    days.learn(
        replace(label, is_fraud=not label.is_fraud, labelled_at=label.labelled_at + 1)
        for label in case.labels
        if (label.customer_id, label.transaction_id) not in open_ids
    )
    got = feed(engine, case.rules, case.arrivals[half:])
    assert_same(case.rules, case.arrivals[half:], got, part(whole, slice(half, None)))


# Neighbours


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("partitions", [1, 3])
def test_customers_may_be_interleaved_in_any_order(seed: int, partitions: int) -> None:
    """In one moment customers come in any order, each one's own kept: every row keeps its bits."""
    case = generate(seed, Knobs(rows=900, customers=8, ties=0.6, late=0.0, partitions=partitions))
    order = list(range(len(case.arrivals)))
    rng = random.Random(seed)
    shuffled = [
        row for _, rows in groupby(order, key=lambda r: _time(case, r)) for row in _riffle(rng, case, list(rows))
    ]
    assert shuffled != order
    mixed = replace(case, arrivals=tuple(case.arrivals[row] for row in shuffled))
    assert_same(case.rules, mixed.arrivals, run(mixed), part(run(case), np.array(shuffled)))


def _time(case: Case, row: int) -> int:
    return case.arrivals[row].transaction.event_time


def _riffle(rng: random.Random, case: Case, rows: list[int]) -> list[int]:
    """The customers' turns are shuffled, then each takes its own rows in their order."""
    turns = [case.arrivals[row].transaction.customer_id for row in rows]
    own = {customer: iter([r for r, c in zip(rows, turns, strict=True) if c == customer]) for customer in turns}
    rng.shuffle(turns)
    return [next(own[customer]) for customer in turns]


def test_it_does_not_matter_which_partition_a_customer_is_in() -> None:
    """Without late rows the partitions' clocks never speak, so one partition or seven: same bits."""
    case = generate(41, Knobs(rows=900, customers=30, late=0.0, partitions=7))
    one = replace(case, arrivals=tuple(Arrival(0, arrival.transaction) for arrival in case.arrivals))
    assert all(a.transaction.event_time <= b.transaction.event_time for a, b in pairwise(one.arrivals))
    assert_same(case.rules, case.arrivals, run(case), run(one))


@pytest.mark.parametrize("kind", ["seconds", "days"])
def test_within_a_day_the_partitions_may_be_read_in_any_order(kind: str) -> None:
    """Days of the ledger are closed when time enters a new day, so until then partitions do not see each other."""
    case = stream(kind)
    clock = np.maximum.accumulate([arrival.transaction.event_time for arrival in case.arrivals]) // DAY
    shuffled = sorted(range(len(clock)), key=lambda row: (clock[row], -case.arrivals[row].partition))
    assert shuffled != list(range(len(clock)))
    mixed = replace(case, arrivals=tuple(case.arrivals[row] for row in shuffled))
    assert_same(case.rules, mixed.arrivals, run(mixed), part(run(case), np.array(shuffled)))


@pytest.mark.parametrize("missing", sorted(ALL_FIELDS))
def test_a_missing_field_takes_columns_away_and_changes_no_other(missing: str) -> None:
    case = stream("plain")
    names = [feature.name for feature in case.rules.feature_set.numbers]
    fewer = replace(case.rules, feature_set=FeatureSet(ALL_FIELDS - {missing}))
    kept = [feature.name for feature in fewer.feature_set.numbers]
    everything, got = run(case), run(replace(case, rules=fewer))
    columns = everything.values[:, [names.index(name) for name in kept]]
    categories = {feature.name: everything.categories[feature.name] for feature in fewer.feature_set.categories}
    assert_same(fewer, case.arrivals, got, Outcome(columns, categories, everything.verdicts))


# Forgetting


def test_forgetting_old_days_changes_nothing_for_the_partitions_there_are(case: Case, whole: Outcome) -> None:
    """Told after every hundred rows, once each partition has been seen."""
    engine = engine_for(case.rules, day_source(case.rules, case.labels))
    partitions = {arrival.partition for arrival in case.arrivals}
    seen: set[int] = set()
    for start in range(0, len(case.arrivals), 100):
        arrivals = case.arrivals[start : start + 100]
        got = feed(engine, case.rules, arrivals, cuts=range(10, 100, 10))
        assert_same(case.rules, arrivals, got, part(whole, slice(start, start + 100)))
        seen |= {arrival.partition for arrival in arrivals}
        if seen == partitions:
            engine.forget_old_days()


# What an engine cannot be


@pytest.mark.parametrize(("delay_days", "lateness"), [(1, 0), (2, DAY), (7, 6 * DAY), (3, 5 * DAY)])
def test_lateness_must_be_shorter_than_the_label_delay_less_a_day(delay_days: int, lateness: int) -> None:
    rules = Rules(label_delay_days=delay_days, max_lateness_ms=lateness)
    with pytest.raises(EngineError, match=f"got {delay_days} days, and transactions {lateness // DAY} days late"):
        engine_for(rules, day_source(rules))


@pytest.mark.parametrize(
    ("rules", "words"),
    [(Rules(currency="XXX"), "currency: got 'XXX'"), (Rules(max_lateness_ms=-1), "max lateness: got -1 ms")],
)
def test_a_currency_and_a_lateness_that_cannot_be_are_named(rules: Rules, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        engine_for(rules, day_source(rules))


@pytest.mark.parametrize("bucket_ms", [0, -HOUR, 1, 500, 1500, 7 * SECOND, 5 * HOUR, 2 * DAY])
def test_a_bucket_must_be_whole_seconds_and_divide_a_day(bucket_ms: int) -> None:
    rules = Rules(bucket_ms=bucket_ms)
    with pytest.raises(EngineError, match=str(bucket_ms)):
        engine_for(rules, day_source(rules))


def lagging() -> Case:
    """One partition to its end, then another that begins sixty days in."""
    ahead = [Arrival(0, sale(place, NEW_YEAR + place * HOUR, "ann")) for place in range(3000)]
    behind = [Arrival(1, sale(10**6 + place, NEW_YEAR + 60 * DAY + place * HOUR, "bob")) for place in range(50)]
    return Case(Rules(), (), (*ahead, *behind))


def sale(number: int, time: int, customer: str) -> Transaction:
    return Transaction(f"t{number}", time, customer, "EUR", merchant_id="shop", amount=100)


@pytest.mark.proof
def test_a_partition_that_comes_later_and_lies_back_finds_its_days() -> None:
    case = lagging()
    assert_same(case.rules, case.arrivals, run(case, every(500, case)), expect(case))


def test_days_that_were_let_go_are_not_taken_for_empty_ones() -> None:
    """Only who holds all partitions may let go; if one comes after all, it is told, and not given zeros."""
    case = lagging()
    engine = engine_for(case.rules, day_source(case.rules))
    for start in range(0, 3000, 500):
        engine.features(block_of([a.transaction for a in case.arrivals[start : start + 500]]), partition=0)
        engine.forget_old_days()
    with pytest.raises(EngineError, match="those were forgotten"):
        engine.features(block_of([a.transaction for a in case.arrivals[3000:]]), partition=1)
