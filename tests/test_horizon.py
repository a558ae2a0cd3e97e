"""What lies before the horizon changes nothing, and what lies just after it can."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.block import block_of
from risk.catalogue import EngineTerms
from risk.clock import DAY, HOUR, MINUTE
from risk.codes import Codes
from risk.engine import Verdict
from risk.errors import EngineError
from risk.events import Transaction
from risk.history import Histories
from risk.horizon import history_horizon, ledger_horizon, oldest_ledger_day
from risk.ledger import MerchantLedger
from risk.ledger_day import LedgerDay
from tests.cases import NEW_YEAR

FIRST = NEW_YEAR // DAY
LENGTH = 90


def ledger(delay: int, bucket: int, first: int) -> tuple[MerchantLedger, int]:
    """A shop that sells in the first and in the last bucket of each day."""
    codes = Codes()
    made = MerchantLedger(EngineTerms("EUR", delay, bucket), codes)
    for day in range(first, FIRST + LENGTH):
        buckets = sorted({day * DAY, (day + 1) * DAY - bucket})
        ones = (1,) * len(buckets)
        made.add(LedgerDay(day, delay, bucket, ("shop",) * len(buckets), tuple(buckets), ones, ones))
    return made, codes["shop"]


def looked_up(made: tuple[MerchantLedger, int], time: int) -> list[float]:
    found: list[float] = made[0].features(np.array([made[1]]), np.array([time], np.int64))[0].tolist()
    return found


@given(st.integers(0, 20 * DAY), st.integers(1, 30), st.sampled_from([MINUTE, HOUR, DAY]))
def test_a_transaction_looks_at_its_oldest_ledger_day_and_at_none_before(since: int, delay: int, bucket: int) -> None:
    time = NEW_YEAR + 65 * DAY + since
    oldest = oldest_ledger_day(time, delay)
    expected = looked_up(ledger(delay, bucket, FIRST), time)
    assert looked_up(ledger(delay, bucket, oldest), time) == expected
    # Where all of a day is one bucket, a window of whole days begins with it.
    assert looked_up(ledger(delay, bucket, oldest + 1), time) != expected


@pytest.mark.parametrize("lateness", [0, HOUR, DAY, 5 * DAY])
def test_a_ledger_refuses_who_looks_at_a_day_that_was_let_go(lateness: int) -> None:
    newest = NEW_YEAR + 80 * DAY
    made = ledger(7, HOUR, FIRST)
    made[0].forget_before(ledger_horizon(newest, lateness, 7))
    assert looked_up(made, newest - lateness) == looked_up(ledger(7, HOUR, FIRST), newest - lateness)
    with pytest.raises(EngineError, match="those were forgotten"):
        looked_up(made, newest - lateness - DAY)


@pytest.mark.parametrize("lateness", [0, HOUR, 3 * DAY])
def test_the_latest_transaction_finds_the_one_it_repeats_after_the_horizon(lateness: int) -> None:
    newest = NEW_YEAR + 60 * DAY
    horizon = history_horizon(newest, lateness)
    for first, verdict in ((horizon + 1, Verdict.DUPLICATE), (horizon, Verdict.SCORED)):
        histories = Histories(EngineTerms("EUR", max_lateness_ms=lateness), Codes(), Codes())
        histories.restore([block_of([bought("once", first), bought("newest", newest)])])
        taken = histories.take(block_of([bought("once", newest - lateness)]))
        assert taken.verdicts.tolist() == [verdict]


def bought(identity: str, time: int) -> Transaction:
    return Transaction(identity, time, "ann", "EUR")
