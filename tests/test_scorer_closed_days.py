"""Closed days in memory: who gets them, from which one on the ledger has begun, and which flags went without."""

from risk.ledger_day import LedgerDay, LedgerTerms
from risk.ledger_log import ClosedDay
from scorer.ledger.closed_days import DayQueue, LedgerDays

HOUR = 3_600_000
FIRST = 20_000


def day(number: int, transactions: int = 1, delay: int = 7) -> ClosedDay:
    return ClosedDay(LedgerDay(number, delay, HOUR, (), (), (), ()), transactions, 0)


def numbers(source: DayQueue, until: int) -> list[int]:
    return [closed.day for closed in source.closed_until(until)]


def test_days_are_handed_out_once_and_no_further_than_asked() -> None:
    source = DayQueue([day(FIRST), day(FIRST + 1), day(FIRST + 2)], has_begun=True)
    assert numbers(source, FIRST + 1) == [FIRST, FIRST + 1]
    assert numbers(source, FIRST + 2) == [FIRST + 2]


def test_days_before_the_first_with_a_transaction_are_no_days_of_the_ledger() -> None:
    """A flag names its ledger day, which must not depend on how long before its first transaction a closer looked."""
    source = DayQueue([day(FIRST - 2, 0), day(FIRST - 1, 0), day(FIRST), day(FIRST + 1, 0)], has_begun=False)
    assert numbers(source, FIRST + 9) == [FIRST, FIRST + 1]


def test_a_ledger_that_has_begun_has_empty_days() -> None:
    assert numbers(DayQueue([day(FIRST, 0)], has_begun=True), FIRST) == [FIRST]


def test_a_new_day_goes_to_those_who_follow_its_kind() -> None:
    days = LedgerDays(LedgerTerms(7, HOUR))
    ours, other = DayQueue([], has_begun=True), DayQueue([], has_begun=True)
    days.follow(LedgerTerms(7, HOUR), ours)
    days.follow(LedgerTerms(9, HOUR), other)
    days.add(day(FIRST))
    days.add(day(FIRST - 4, delay=9))
    assert (numbers(ours, FIRST), numbers(other, FIRST)) == ([FIRST], [FIRST - 4])
    assert days.newest == FIRST


def test_a_day_is_known_when_it_or_a_later_one_is_closed() -> None:
    days = LedgerDays(LedgerTerms(7, HOUR))
    assert not days.is_known(FIRST)
    days.add(day(FIRST))
    assert days.is_known(FIRST)
    assert days.is_known(FIRST - 30)
    assert not days.is_known(FIRST + 1)


def test_a_flag_went_without_when_it_used_an_older_day_than_it_needed() -> None:
    days = LedgerDays(LedgerTerms(7, HOUR))
    days.add(day(FIRST))
    assert not days.went_without(FIRST, FIRST)
    assert days.went_without(FIRST + 1, FIRST)


def test_a_flag_from_before_the_ledger_begins_went_without_nothing() -> None:
    days = LedgerDays(LedgerTerms(7, HOUR))
    days.add(day(FIRST - 1, 0))
    assert not days.went_without(FIRST - 1, None)
    assert days.went_without(FIRST, None)
    days.add(day(FIRST))
    assert not days.went_without(FIRST - 1, None)
    assert days.went_without(FIRST, None)


def test_whoever_waits_is_told_of_a_new_day() -> None:
    days, told = LedgerDays(LedgerTerms(7, HOUR)), list[int]()
    days.arrived = lambda: told.append(days.newest or 0)
    days.add(day(FIRST))
    assert told == [FIRST]
