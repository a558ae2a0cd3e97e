"""What an address may ask for: what could find nothing, or something else than was meant, is refused in words."""

import pytest

from tests.explorers import Served


def test_a_filter_says_what_it_counts_in(explorer: Served) -> None:
    text = explorer.ask("/store/risk_flags").text
    assert '<option value="amount">amount (minor units)</option>' in text
    assert '<option value="event_time">event_time (ms since 1970)</option>' in text
    assert '<option value="amount">amount</option>' in explorer.ask("/store/readable_flags").text


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("risk_flags?foo__exact=1", "got the filter foo__exact, expected a column of risk_flags: amount, attributes"),
        ("risk_flags?foo=1", "got the filter foo, expected a column"),
        ("risk_flags?is_fraud=1", "got the filter is_fraud, expected a column"),
        ("risk_flags?amount__foo=1", "got the filter amount__foo, expected one of"),
        ("risk_flags?amount__gt=81.77", "amount: got '81.77', expected a whole number of minor units"),
        ("risk_flags?event_time__gt=yesterday", "got 'yesterday', expected a day or a time such as 2024-12-31"),
        ("risk_flags?event_time__not=2024-12-30", "a whole day is left out by event_time__lt and event_time__gt"),
        ("ledger_days?day=30.12.2024", "got '30.12.2024', expected a day such as 2024-12-31"),
    ],
)
def test_a_filter_that_could_find_nothing_is_refused(explorer: Served, asked: str, words: str) -> None:
    page, _, arguments = asked.partition("?")
    answer = explorer.ask(f"/store/{page}.json?{arguments}")
    assert answer.status == 400
    assert words in answer.json["error"]
    assert explorer.ask(f"/store/{asked}").status == 400


@pytest.mark.parametrize(
    "asked",
    [
        "risk_flags?event_time__gt=1704074400000&level=high",
        "risk_flags?merchant_id__isnull=1",
        "risk_flags?event_time__startswith=17",
        "readable_flags?event_time__gt=2024-01-01&is_fraud=1",
        "labels?is_fraud__in=0,1",
    ],
)
def test_a_filter_that_can_be_meant_is_answered(explorer: Served, asked: str) -> None:
    assert explorer.ask(f"/store/{asked}").status == 200


@pytest.mark.parametrize("table", ["risk_flags", "readable_flags"])
@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ("event_time__gte=2024-01-02", 96),
        ("event_time__gt=2024-01-02", 72),
        ("event_time__lt=2024-01-02", 24),
        ("event_time__lte=2024-01-02", 48),
        ("event_time=2024-01-02", 24),
        ("event_time__exact=2024-01-02", 24),
        ("event_time__gte=2024-01-02&event_time__lte=2024-01-03", 48),
        ("event_time__gte=2024-01-02T06:00:00Z", 90),
    ],
)
def test_a_filter_takes_days_and_times(explorer: Served, table: str, asked: str, count: int) -> None:
    """The store has a transaction an hour, from the first second of 2024 on."""
    answer = explorer.ask(f"/store/{table}.json?{asked}&_size=200&_shape=array")
    assert len(answer.json) == count
    assert explorer.ask(f"/store/{table}?{asked}").status == 200


def test_a_day_of_the_ledger_is_asked_for_by_its_date(explorer: Served) -> None:
    assert explorer.ask("/store/ledger_days.json?day=2024-12-30").status == 200


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("days=abc", "days: got 'abc', expected a whole number of days from 1 to 36,500"),
        ("days=-5", "days: got '-5'"),
        ("days=0", "days: got '0'"),
        ("days=%D9%A3", "days: got '\N{ARABIC-INDIC DIGIT THREE}'"),
        ("days=30+days", "days: got '30 days'"),
        ("days=36501", "days: got '36501'"),
        ("days=30&days=abc", "days: got 'abc'"),
        ("until=foo", "until: got 'foo', expected a day as 2024-12-31"),
        ("until=31.12.2024", "until: got '31.12.2024'"),
        ("until=2024-02-30", "until: got '2024-02-30'"),
        ("until=20241231", "until: got '20241231'"),
        ("dyas=3", "got dyas, expected days or until: worst_misses asks for nothing else"),
    ],
)
def test_a_saved_query_refuses_what_it_cannot_mean(explorer: Served, asked: str, words: str) -> None:
    """No rows would read as if there were none."""
    answer = explorer.ask(f"/store/worst_misses.json?{asked}")
    assert answer.status == 400
    assert words in answer.json["error"]
    assert explorer.ask(f"/store/worst_misses?{asked}").status == 400


def test_a_saved_query_has_fields_for_numbers_and_days(explorer: Served) -> None:
    text = explorer.ask("/store/worst_misses").text
    assert '<input type="number" name="days"' in text
    assert '<input type="date" name="until"' in text
    assert '<input type="text" name="customer_id"' in explorer.ask("/store/customer_history").text
