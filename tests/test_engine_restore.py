"""Memory is a view: an engine rebuilt from rows goes on with the same bits as one that never stopped."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from risk.block import block_of
from risk.clock import DAY, HOUR, day_of
from risk.engine import Engine
from risk.events import Transaction
from tests import strategies
from tests.cases import NEW_YEAR, STREAMS, Arrival, Case, Rules, stream
from tests.oracle import Outcome
from tests.runs import assert_same, day_source, engine_for, feed, part, run, scored_rows, see

SHARES = [0.02, 0.35, 0.6, 0.97]
Restored = Callable[[Case, int, Outcome], Engine]


@pytest.fixture(params=sorted(STREAMS), scope="module")
def case(request: pytest.FixtureRequest) -> Case:
    return stream(request.param)


@pytest.fixture(scope="module")
def whole(case: Case) -> Outcome:
    return run(case)


def shuffled(rows: list[Transaction]) -> list[Transaction]:
    """Any order: a store gives rows by its own keys."""
    mixed = list(rows)
    random.Random(len(rows)).shuffle(mixed)
    return mixed


def put_back(engine: Engine, rows: list[Transaction], partition: int) -> None:
    """In two parcels, each in any order, the one full of rows that belong between those of the other; one in blocks."""
    mixed = shuffled(rows)
    blocks = [block_of(mixed[first : first + 24 : 2]) for first in range(0, len(mixed), 24)]
    assert engine.restore(blocks, partition) == len(mixed[::2])
    assert engine.restore([block_of(mixed[1::2])], partition) == len(mixed[1::2])


def goes_on(case: Case, engine: Engine, stopped: int, whole: Outcome) -> None:
    rest = case.arrivals[stopped:]
    assert_same(case.rules, rest, feed(engine, case.rules, rest), part(whole, slice(stopped, None)))


def restored_from_every_row(case: Case, stopped: int, whole: Outcome) -> Engine:
    days = day_source(case.rules, case.labels)
    assert days is not None
    engine = engine_for(case.rules, days)
    for partition, rows in scored_rows(case.arrivals[:stopped], whole).items():
        put_back(engine, rows, partition)
        see(days, shuffled(rows))
    return engine


def restored_from_what_matters(case: Case, stopped: int, whole: Outcome) -> Engine:
    """Histories from newest - 30 d - 2 L on, closed days as they were handed out, open days from all their rows."""
    days = day_source(case.rules, case.labels)
    assert days is not None
    feed(engine_for(case.rules, days), case.rules, case.arrivals[:stopped])
    rows = scored_rows(case.arrivals[:stopped], whole)
    opening = days.handed_out[-1].day + 1 if days.handed_out else None
    days_after = day_source(case.rules, case.labels, opening_day=opening)
    assert days_after is not None
    engine = engine_for(case.rules, days_after)
    for closed in days.handed_out:
        engine.add_day(closed)
    for partition, transactions in rows.items():
        put_back(engine, within_memory(case.rules, transactions), partition)
        see(days_after, [t for t in shuffled(transactions) if opening is None or day_of(t.event_time) >= opening])
    return engine


def within_memory(rules: Rules, rows: list[Transaction]) -> list[Transaction]:
    newest = max((t.event_time for t in rows), default=0)
    return [t for t in rows if t.event_time > newest - 30 * DAY - 2 * rules.max_lateness_ms]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("restored", [restored_from_every_row, restored_from_what_matters])
def test_restored_and_continued(case: Case, whole: Outcome, share: float, restored: Restored) -> None:
    stopped = int(len(case.arrivals) * share)
    goes_on(case, restored(case, stopped, whole), stopped, whole)


@given(strategies.cases(), st.integers(1, 5), st.sampled_from([restored_from_every_row, restored_from_what_matters]))
def test_restored_after_the_first_few_rows(case: Case, stopped: int, restored: Restored) -> None:
    """Where little has been seen, what comes next may lie before all of it."""
    whole = run(case)
    goes_on(case, restored(case, min(stopped, len(case.arrivals)), whole), min(stopped, len(case.arrivals)), whole)


def test_a_late_row_from_before_everything_restored_still_counts() -> None:
    """The first day that is restored is not the first that may still come: here the day before does."""
    first, second = (Transaction(f"{n}", NEW_YEAR + n * HOUR, "ann", "EUR", merchant_id="shop") for n in (1, 2))
    late = replace(first, transaction_id="late", event_time=NEW_YEAR - HOUR)
    asks = replace(first, transaction_id="asks", event_time=NEW_YEAR + 8 * DAY)
    case = Case(Rules(), (), tuple(Arrival(0, t) for t in (first, second, late, asks)))
    whole = run(case)
    for restored in (restored_from_every_row, restored_from_what_matters):
        goes_on(case, restored(case, 1, whole), 1, whole)


@pytest.mark.parametrize("share", SHARES)
def test_a_partition_that_was_taken_away_and_came_back(case: Case, whole: Outcome, share: float) -> None:
    """The others go on untouched, and the one that comes back goes on as if it had never left."""
    stopped = int(len(case.arrivals) * share)
    engine = engine_for(case.rules, day_source(case.rules, case.labels))
    feed(engine, case.rules, case.arrivals[:stopped])
    for partition, rows in scored_rows(case.arrivals[:stopped], whole).items():
        engine.forget(partition)
        put_back(engine, rows, partition)
    goes_on(case, engine, stopped, whole)


def test_names_that_nothing_remembers_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A merchant may have a name of its own for each customer, and a stream has no end."""
    monkeypatch.setattr("risk.engine.SWEEP_NAMES_AFTER", 1_000)
    engine = engine_for(Rules(), day_source(Rules()))
    most = 0
    for day in range(200):
        sold = [
            Transaction(f"t{n}", NEW_YEAR + n * HOUR, f"c{n % 7}", "EUR", merchant_id=f"m{n}", country=f"{n}")
            for n in range(24 * day, 24 * (day + 1))
        ]
        engine.features(block_of(sold))
        engine.forget_old_days()
        most = max(most, engine._merchants.bound + engine._countries.bound)
    # Of 9,600 names. What is remembered goes back for 38 days, of 48 names each; as many again come until it is swept.
    assert most < 4_000


def test_a_forgotten_partition_is_empty() -> None:
    """Without this, an engine that forgets nothing would pass the test above."""
    case = stream("punctual")
    engine = engine_for(case.rules, day_source(case.rules))
    first = feed(engine, case.rules, case.arrivals[:50])
    engine.forget(0)
    again = feed(engine, case.rules, case.arrivals[:50])
    columns = [f.name for f in case.rules.feature_set.numbers if f.name.startswith(("customer", "new", "distinct"))]
    names = [f.name for f in case.rules.feature_set.numbers]
    kept = [names.index(name) for name in columns]
    assert first.verdicts.tolist() == again.verdicts.tolist()
    assert first.values[:, kept].tobytes() == again.values[:, kept].tobytes()
