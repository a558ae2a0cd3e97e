"""A peek is what would be said next, to the bit, and leaves no trace."""

import pickle
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from risk import windows
from risk.block import Block, block_of
from risk.clock import DAY, HOUR
from risk.engine import Engine, FeatureBlock, Verdict
from risk.events import Transaction
from risk.ledger import SeenDays
from risk.ledger_day import LedgerTerms
from tests import strategies
from tests.cases import NEW_YEAR, Case, Knobs, Rules, generate, stream
from tests.runs import day_source, engine_for

YEARS = 40 * 365 * DAY


def blocks(case: Case, cuts: set[int]) -> list[Block]:
    edges = [0, *sorted(cut for cut in cuts if cut < len(case.arrivals)), len(case.arrivals)]
    transactions = [arrival.transaction for arrival in case.arrivals]
    return [block_of(transactions[first:last]) for first, last in pairwise(edges)]


def nonsense(case: Case) -> list[tuple[int, Block]]:
    """What nobody will ever send: known customers long ago and long after, strangers, another partition, nothing."""
    some = [arrival.transaction for arrival in case.arrivals[:: max(1, len(case.arrivals) // 9)]]
    moved = [
        replace(t, event_time=t.event_time + years, customer_id=name or t.customer_id, merchant_id=f"{name}{number}")
        for number, t in enumerate(some)
        for years, name in ((-YEARS, ""), (YEARS, ""), (YEARS, "stranger"))
    ]
    return [(0, block_of(moved)), (0, block_of(moved[::-1])), (7, block_of(some)), (0, block_of([]))]


def state(thing: Any) -> Any:
    """All that an engine holds, in depth. What is left out are places that were never written to."""
    if isinstance(thing, windows.Index):
        used = thing.customers >= 0
        return [state(thing.customers), state(thing.codes[used]), state(thing.last[used]), state(thing.size)]
    if isinstance(thing, np.ndarray):
        return thing.dtype.str, thing.shape, thing.tobytes()
    if isinstance(thing, dict):
        return [(key, state(value)) for key, value in thing.items()]
    if hasattr(thing, "__dict__"):
        return [(name, state(value)) for name, value in vars(thing).items() if name != "_tops"]
    if isinstance(thing, (list, tuple)):
        return [state(one) for one in thing]
    return repr(thing)


def bits(features: FeatureBlock) -> list[object]:
    return [part.tobytes() if isinstance(part, np.ndarray) else part for part in features]


def peek_all_along(case: Case, cuts: set[int]) -> tuple[Engine, set[int]]:
    """Two engines see the case; one peeks before each block, at this and at nonsense. And the verdicts there were."""
    days = day_source(case.rules, case.labels)
    assert days is not None
    peeker, other = engine_for(case.rules, days), engine_for(case.rules, day_source(case.rules, case.labels))
    verdicts: set[int] = set()
    for block in blocks(case, cuts):
        before = pickle.dumps(peeker)
        for strange, what in nonsense(case):
            peeker.peek(what, strange)
        peeked = peeker.peek(block)
        assert pickle.dumps(peeker) == before
        handed_out = len(days.handed_out)
        features = peeker.features(block)
        if len(days.handed_out) > handed_out:
            columns = [place for name, place in features.columns.items() if not name.startswith("merchant_")]
            assert (peeked.ledger_days <= features.ledger_days).all()
            assert (peeked.ledger_days < features.ledger_days).any()
            for one in (peeked, features):
                one.values[:, :] = np.where(np.isin(np.arange(one.values.shape[1]), columns), one.values, 0.0)
                one.ledger_days[:] = 0
        assert bits(peeked) == bits(features)
        verdicts |= set(features.verdicts.tolist())
        other.features(block)
    assert state(peeker) == state(other)
    return peeker, verdicts


@given(strategies.cases(), st.sets(st.integers(1, strategies.MOST_ROWS)))
def test_a_peek_says_what_comes_next_and_changes_nothing(case: Case, cuts: set[int]) -> None:
    peek_all_along(case, cuts)


def busy(seed: int) -> Case:
    """Customers with more than 256 entries, who have an index instead of a look through them."""
    return generate(
        seed, Knobs(rows=700, customers=2, busy=0.7, new_devices=True, step_ms=HOUR // 2, gaps=0.0, huge=0.0)
    )


@given(seed=st.integers(0, 1000), cuts=st.sets(st.integers(1, 700), max_size=2))
def test_a_peek_at_busy_customers_says_what_comes_next(seed: int, cuts: set[int]) -> None:
    peek_all_along(busy(seed), {*cuts, 600, 650})


def test_the_busy_customers_of_these_tests_are_busy() -> None:
    """Without this the property above would say less than its name."""
    engine, verdicts = peek_all_along(busy(5), {600, *range(620, 700)})
    assert verdicts == set(Verdict)
    assert engine._partitions[0]._past().busy.any()


def sale(number: int, time: int, **fields: Any) -> Transaction:
    return Transaction(f"t{number}", time, "ann", "EUR", **fields)


def test_a_peek_sees_the_block_itself_as_the_next_ones_past() -> None:
    engine = engine_for(Rules(), day_source(Rules()))
    block = block_of([sale(1, NEW_YEAR), sale(2, NEW_YEAR + 1), sale(1, NEW_YEAR + 2)])
    for _ in range(2):
        peeked = engine.peek(block)
        assert peeked.verdicts.tolist() == [Verdict.SCORED, Verdict.SCORED, Verdict.DUPLICATE]
        assert peeked.values[:2, peeked.columns["customer_count_1h"]].tolist() == [0.0, 1.0]


def test_a_ledger_day_that_the_engine_has_not_taken_in_is_seen_to_be_missing() -> None:
    days = SeenDays(LedgerTerms(7, HOUR))
    engine = engine_for(Rules(), days)
    for day in range(10):
        engine.features(block_of([sale(day, NEW_YEAR + day * DAY, merchant_id="shop")]))
    due = block_of([sale(99, NEW_YEAR + 10 * DAY, merchant_id="shop")])
    first_day = NEW_YEAR // DAY
    assert engine.peek(due).ledger_days.tolist() == [first_day + 2]
    assert engine.features(due).ledger_days.tolist() == [first_day + 3]
    assert engine.peek(block_of([sale(100, NEW_YEAR + 10 * DAY)])).ledger_days.tolist() == [first_day + 3]


def test_a_merchant_that_nobody_has_seen_has_no_transactions_in_the_ledger() -> None:
    """Its code lies beyond all that the ledger has room for."""
    case = stream("plain")
    engine = engine_for(case.rules, day_source(case.rules, case.labels))
    engine.features(block_of([arrival.transaction for arrival in case.arrivals]))
    time = case.arrivals[-1].transaction.event_time
    strangers = block_of([sale(number, time, merchant_id=f"never {number}") for number in range(3000)])
    peeked = engine.peek(strangers)
    columns = [place for name, place in peeked.columns.items() if name.startswith("merchant_")]
    assert (peeked.values[:, columns] == 0.0).all()
    assert bits(engine.features(strangers)) == bits(peeked)
