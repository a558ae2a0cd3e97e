"""The engine gives what the oracle gives, to the bit: features, categories and verdicts."""

import random

import pytest
from hypothesis import given
from msgspec.structs import replace

from risk.catalogue import ALL_FIELDS, FeatureSet
from risk.clock import DAY, HOUR, MINUTE, SECOND
from risk.events import Label, Transaction
from tests import strategies
from tests.cases import EVERYTHING, NEW_YEAR, Arrival, Case, Knobs, Rules, generate
from tests.oracle import expect
from tests.runs import assert_same, every, run


def check(case: Case) -> None:
    """In one parcel and in many: an engine may go about a customer otherwise once it knows how busy he is."""
    expected = expect(case)
    for cuts in ((), every(50, case)):
        assert_same(case.rules, case.arrivals, run(case, cuts), expected)


@given(strategies.cases())
def test_small_cases_full_of_edges(case: Case) -> None:
    """Whatever Hypothesis puts together of times, distances, ids, missing fields and labels that matter."""
    check(case)


@pytest.mark.parametrize(
    "seed", [0, pytest.param(1, marks=pytest.mark.proof), pytest.param(2, marks=pytest.mark.proof)]
)
@pytest.mark.parametrize("bucket_ms", [SECOND, 90 * SECOND, HOUR, DAY])
@pytest.mark.parametrize(
    ("delay_days", "lateness"),
    [(7, DAY), (7, HOUR), (7, 0), (2, HOUR), (2, 0), (2, DAY - 1), (3, DAY), (10, DAY), (10, 3 * DAY)],
)
def test_delays_buckets_and_lateness(bucket_ms: int, delay_days: int, lateness: int, seed: int) -> None:
    """Streams of months, pruned many times, under every combination of rules."""
    rules = Rules(EVERYTHING, "EUR", delay_days, bucket_ms, lateness)
    check(generate(seed, Knobs(rows=350), rules))


# What a seed draws from; busy and quiet customers, ties, gaps, holes, repeated ids, several partitions.
STREAMS = {
    1: {"rows": 3000, "customers": 3, "step_ms": 10 * MINUTE, "busy": 0.9},
    2: {"rows": 3000, "customers": 300, "step_ms": 12 * MINUTE, "busy": 0.6, "new_devices": True},
    3: {"rows": 3000, "customers": 1, "step_ms": 15 * MINUTE, "new_devices": True, "late": 0.3, "huge": 0.0},
    4: {"rows": 3000, "customers": 900, "merchants": 200, "step_ms": HOUR},
    5: {"rows": 2000, "customers": 2, "step_ms": SECOND, "ties": 0.6, "gaps": 0.0},
    6: {"rows": 1500, "customers": 20, "step_ms": 0, "ties": 0.9, "late": 0.5},
    7: {"rows": 1500, "customers": 3, "merchants": 1, "gaps": 0.1},
    8: {"rows": 1500, "customers": 40, "missing": 0.6},
    9: {"rows": 1500, "customers": 5, "repeated_ids": 0.7},
    10: {"rows": 1500, "customers": 8, "missing": 0.0, "labelled": 1.0, "merchants": 2},
    11: {"rows": 1500, "customers": 12, "partitions": 3},
    12: {"rows": 1500, "customers": 60, "partitions": 16, "gaps": 0.03},
    13: {"rows": 2500, "customers": 1, "merchants": 200, "ties": 0.6, "step_ms": 40 * MINUTE, "late": 0.2, "huge": 0.0},
    14: {"rows": 2500, "customers": 1, "merchants": 3, "ties": 0.6, "step_ms": 40 * MINUTE, "late": 0.03, "gaps": 0.0},
    15: {
        "rows": 20_000,
        "customers": 1500,
        "merchants": 150,
        "step_ms": 6 * MINUTE,
        "gaps": 0.0,
        "aimed": 0.1,
        "partitions": 2,
    },
}
QUICK = (5, 7, 9, 11, 13)  # the others are proof


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=() if seed in QUICK else pytest.mark.proof) for seed in STREAMS]
)
def test_many_kinds_of_streams(seed: int) -> None:
    check(generate(seed, Knobs(**STREAMS[seed])))


@pytest.mark.parametrize("currency", ["JPY", "EUR", "KWD"])
def test_currencies_of_no_two_and_three_digits(currency: str) -> None:
    check(generate(21, Knobs(rows=800, customers=2), Rules(currency=currency)))


@pytest.mark.parametrize("missing", sorted(ALL_FIELDS))
def test_a_dataset_without_a_field(missing: str) -> None:
    """The features that need the field are not there; verdicts and the others are as ever."""
    case = generate(22, Knobs(rows=600, customers=6))
    fewer = FeatureSet(ALL_FIELDS - {missing}, case.rules.feature_set.number_attributes)
    check(replace(case, rules=replace(case.rules, feature_set=fewer)))


@pytest.mark.parametrize("fields", [frozenset(), frozenset({"customer_id"}), frozenset({"merchant_id"})])
def test_a_dataset_of_hardly_any_fields(fields: frozenset[str]) -> None:
    case = generate(23, Knobs(rows=600, customers=6), Rules(FeatureSet(fields)))
    check(case)


def test_partitions_read_one_after_another() -> None:
    """Rows of the second partition lie on days that the first has closed: scored, and counted nowhere."""
    case = generate(24, Knobs(rows=900, customers=12, partitions=3, gaps=0.0))
    check(replace(case, arrivals=tuple(sorted(case.arrivals, key=lambda arrival: arrival.partition))))


def test_an_id_that_is_used_again_has_labels_of_its_own() -> None:
    """A label about the second use is known long before, and one about the first is not taken for the second."""
    first = Transaction("1", NEW_YEAR, "ann", "EUR", merchant_id="shop")
    again = replace(first, event_time=NEW_YEAR + 40 * DAY)
    asks = [replace(first, transaction_id=f"asks {n}", event_time=NEW_YEAR + n * DAY) for n in (8, 48)]
    for moment in (2, 41):
        label = Label("1", "ann", True, NEW_YEAR + moment * DAY, "test")
        check(Case(Rules(), (label,), tuple(Arrival(0, t) for t in (first, asks[0], again, asks[1]))))


@pytest.mark.parametrize("lateness", [0, DAY])
@pytest.mark.proof
def test_the_far_end_of_memory(lateness: int) -> None:
    """The latest row that may still come asks for the oldest id it may ask for, and for one a millisecond older.

    Two rows every four hours, a millisecond apart, for longer than anything is kept. Each device was last used exactly
    30 days ago, each merchant a millisecond later. Now and then another customer's burst makes memory grow.
    """
    rules = Rules(max_lateness_ms=lateness)
    reach = 30 * DAY + 2 * lateness
    rows = []
    for step, newest in enumerate(range(NEW_YEAR, NEW_YEAR + 80 * DAY, 4 * HOUR)):
        rows.append(_paid(f"t{newest}", newest, "ann"))
        if step % 97 == 96:
            rows.extend(_paid(f"burst {number}", newest, f"bob {step}") for number in range(4 * step))
        for asked in (newest - reach + 1, newest - reach):
            rows.append(_paid(f"t{asked}", newest - lateness, "ann"))
        rows.append(_paid(f"t{newest + 1}", newest + 1, "ann"))
    case = Case(rules, (), tuple(Arrival(0, row) for row in rows))
    assert_same(rules, case.arrivals, run(case, every(1, case)), expect(case))


@pytest.mark.proof
def test_busy_customers_after_a_long_silence() -> None:
    """They fall silent, another moves time on, and they come back to a memory that is full, or is cleared just then."""
    silences = (8, 20, 45)
    sizes = {f"{size} {days}": size for size in (257, 300, 320, 384, 400, 448, 512) for days in silences}
    rows = [_paid(f"{n}", NEW_YEAR + DAY * n // size, name) for name, size in sizes.items() for n in range(size)]
    rows.sort(key=lambda row: row.event_time)
    for days in silences:
        morning = NEW_YEAR + (1 + days) * DAY
        rows.extend(_paid(f"{days} {n}", morning + n * HOUR, "other") for n in range(24))
        back = [name for name in sizes if name.endswith(f" {days}")]
        rows.extend(_paid(f"{days} {n}", morning + DAY + n * HOUR, name) for n in range(5) for name in back)
    case = Case(Rules(), (), tuple(Arrival(0, row) for row in rows))
    assert_same(case.rules, case.arrivals, run(case, every(1, case)), expect(case))


def _paid(identity: str, time: int, customer: str) -> Transaction:
    moment = time % (30 * DAY)
    return Transaction(
        identity, time, customer, "EUR", merchant_id=f"m{moment // HOUR}", amount=time % 1000, device_id=f"d{moment}"
    )


@pytest.mark.proof
def test_customers_who_come_and_go() -> None:
    """More customers than are kept in memory without asking who is still needed; some of them come back."""
    rng = random.Random(25)
    rules = Rules(FeatureSet(frozenset({"customer_id", "country"})))
    arrivals = []
    for season, (first, last) in enumerate([(0, 36_000), (32_000, 70_000), (28_000, 36_000)]):
        customers = [f"c{number}" for number in range(first, last)]
        rng.shuffle(customers)
        start = NEW_YEAR + season * 33 * DAY
        for row, customer in enumerate(customers + customers[-2_000:]):
            paid = Transaction(f"t{row}", start + row * SECOND, customer, "EUR", amount=row, country="DE")
            arrivals.append(Arrival(0, paid))
    case = Case(rules, (), tuple(arrivals))
    assert_same(rules, case.arrivals, run(case, every(5_000, case)), expect(case))
