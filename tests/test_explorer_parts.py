"""The explorer's small parts: how values read, how charts are drawn, how turns are taken."""

import asyncio
import re

import pytest

from kpi_reporter.explorer.cells import (
    as_amount,
    as_major,
    as_pairs,
    as_reasons,
    as_rules,
    as_time,
    local,
    numeric,
    page_sql,
    told_first,
)
from kpi_reporter.explorer.charts import Column, days_chart, scores_chart
from kpi_reporter.explorer.turns import TooManyError, Turns


@pytest.mark.parametrize(
    ("value", "column", "shown"),
    [
        (1_704_067_199_999, "event_time", "2023-12-31 23:59:59"),
        ("2023-12-31T23:59:59.999Z", "anything", "2023-12-31 23:59:59"),
        ("2023-12-31T23:59:59Z", "anything", "2023-12-31 23:59:59"),
        (19_722, "ledger_day", "2023-12-31"),
        (1_704_067_199_999, "source_offset", None),
        (5, "event_time", None),
        (10**30, "event_time", None),
        (1.5, "event_time", None),
        ("2023-12-31", "event_time", None),
        (None, "event_time", None),
        (b"bytes", "event_time", None),
    ],
)
def test_times_are_text_and_what_is_none_stays(value: object, column: str, shown: str | None) -> None:
    assert as_time(value, column) == shown


def test_amounts_are_in_major_units_of_their_currency() -> None:
    assert as_amount(123_456_789, "EUR") == "1,234,567.89"
    assert as_amount(1234, "JPY") == "1,234"
    assert as_amount(1234, "KWD") == "1.234"
    assert as_amount(1234, "???") is None
    assert as_amount(None, "EUR") is None


@pytest.mark.parametrize("value", [None, "", "[", "{}", "[1]", '[{"sentence": "x"}]', '"text"', 5, b"x", "[[]]"])
def test_what_is_no_list_of_reasons_or_rules_gives_none(value: object) -> None:
    assert as_reasons(value) == as_rules(value) == []


def test_attributes_are_names_and_values() -> None:
    assert as_pairs('{"age": 44.0, "segment": "gold"}') == [("age", "44"), ("segment", "gold")]
    assert as_pairs("[1]") == []
    assert as_pairs(None) == []


def test_what_one_looks_for_comes_first_and_the_link_before_it() -> None:
    columns = [{"name": name} for name in ("Link", "source_offset", "score", "device_id", "event_time")]
    names = [column["name"] for column in told_first(columns, "risk_flags")]
    assert names == ["Link", "event_time", "score", "source_offset", "device_id"]
    assert told_first(columns, "labels") == columns


def test_amounts_have_the_decimals_of_their_currency() -> None:
    """The yen has none and the Kuwaiti dinar three."""
    assert [as_major(1234.5, currency) for currency in ("EUR", "JPY", "KWD", "")] == [
        "1,234.50",
        "1,234",
        "1,234.500",
        "1,234.50",
    ]


def test_a_column_of_numbers_is_one_whatever_its_first_row_lacks() -> None:
    rows = [
        {"known_frauds": None, "is_fraud": 1, "newest": 1_704_067_199_999, "why": "x", "nothing": None},
        {"known_frauds": 2, "is_fraud": 0, "newest": 1_704_067_199_999, "why": 1, "nothing": None},
    ]
    assert numeric(rows, list(rows[0])) == {"known_frauds"}


def test_only_the_limit_of_a_page_is_lessened() -> None:
    assert page_sql("select limit 9 from x order by y limit 51") == "select limit 9 from x order by y limit 50"
    assert page_sql("select count(*) from x") == "select count(*) from x"


def test_an_address_loses_its_host_only() -> None:
    assert local("http://127.0.0.1:9/store/x?a=//b") == "/store/x?a=//b"
    assert local("/store") == "/store"


def heights(svg: str) -> list[float]:
    return [
        float(height) for height in re.findall(r'<rect x="[^"]*" y="[^"]*" width="[^"]*" height="([^"]*)"/></g>', svg)
    ]


def test_a_column_is_as_high_as_its_day_is_large_and_says_so() -> None:
    every, alerts = days_chart([Column("2024-01-01", 50, 0), Column("2024-01-02", 200, 4)])
    assert heights(every.svg) == [25, 100]
    assert heights(alerts.svg) == [0, 100]
    assert "<title>2024-01-02: 4 alerts and reviews</title>" in alerts.svg
    assert (every.first, every.last, every.top) == ("2024-01-01", "2024-01-02", "200")


def test_scores_are_drawn_by_square_root() -> None:
    assert heights(scores_chart((400, 100, 0, 4)).svg) == [100, 50, 0, 10]


def test_charts_of_nothing_are_drawn() -> None:
    assert [chart.top for chart in days_chart([])] == ["0", "0"]
    assert heights(scores_chart((0,) * 20).svg) == [0] * 20


def test_who_gets_no_turn_in_time_is_told_and_the_next_one_gets_it() -> None:
    async def course() -> None:
        turns = Turns(at_once=1, longest_wait_seconds=0.01)
        async with turns.turn():
            with pytest.raises(TooManyError):
                async with turns.turn():
                    pass
        async with turns.turn():
            pass

    asyncio.run(course())
