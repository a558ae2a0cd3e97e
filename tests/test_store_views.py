"""Who looks into the store with sqlite3, sqlite-utils or Datasette sees names, times as text and amounts in money."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from risk.clock import DAY, HOUR, to_text
from risk.events import Label
from risk.ledger_day import LedgerDay
from risk.ledger_log import ClosedDay
from risk.money import EXPONENTS, LARGEST_MINOR, to_major
from risk.share import Share, text_of
from risk.store import FlagRow, Owner, ShadowPiece, Store, open_store
from risk.store.sqlite.tables import TABLES
from risk.store.sqlite.views import DECISION, VIEWS
from testing.stores import NOTHING_SENT, TRANSACTIONS, flag, store_flags, store_labels
from tests.cases import NEW_YEAR

# (named query, the index it must go by): an index is there for a query that is asked, and no other.
NAMED_QUERIES = [
    ("select * from risk_flags where event_time >= 1 and event_time < 2", "INDEX flags_by_event_time"),
    ("select min(event_time) from risk_flags", "INDEX flags_by_event_time"),
    (f"select * from risk_flags where {DECISION} <> 'none' and event_time > 1", "INDEX alerts_by_event_time"),
    ("select * from readable_flags where source_partition = 0 and source_offset = 7", "risk_flags USING PRIMARY KEY"),
    ("select * from customer_flags where customer_id = 'ann'", "INDEX flags_by_customer_in_pieces"),
    (
        "select is_fraud from readable_flags where source_partition = 0",
        "labels USING PRIMARY KEY (customer_id=? AND tr",
    ),
    ("select * from readable_labels where customer_id = 'ann'", "labels USING PRIMARY KEY (customer_id=?)"),
    ("select * from labels where source_partition = 0 and source_offset >= 7", "INDEX labels_by_offset"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "risk.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path) as made:
        yield made


def ask(path: Path, sql: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql)]


def score_in_the_shadow(store: Store, owner: Owner) -> None:
    """The flag at offset 0, by v2, which is to score what comes as well."""
    store.remember_challenger("v2", "{}")
    store.commit_shadow(owner, "v2", [ShadowPiece(0, 1, [(0, 0.75, 2)])])
    store.commit_flags(
        owner, expected=1, next_offset=2, newest_event_time=NEW_YEAR, outputs=NOTHING_SENT, rows=[flag(1)],
        challenger="v2", stored_at=NEW_YEAR + 7,
    )  # fmt: skip


def test_every_table_and_column_is_described_and_nothing_else(store: Store, path: Path) -> None:
    store.close()
    with closing(Database(path)) as database:
        found = {table.name: list(table.columns_dict) for table in database.tables}
    assert found == {table.name: [column.name for column in table.columns] for table in TABLES}


def test_every_view_and_column_is_described_and_nothing_else(store: Store, path: Path) -> None:
    store.close()
    with closing(Database(path)) as database:
        found = {view.name: list(view.columns_dict) for view in database.views}
    assert found == {view.name: [column.name for column in view.columns] for view in VIEWS}


def test_the_columns_of_a_flag_are_those_of_its_row() -> None:
    assert TABLES[0].name == "risk_flags"
    assert tuple(column.name for column in TABLES[0].columns) == FlagRow._fields


@pytest.mark.parametrize(("sql", "index"), NAMED_QUERIES)
def test_a_named_query_goes_by_its_index(store: Store, path: Path, sql: str, index: str) -> None:
    store_flags(store, [flag(0)])
    plan = [row["detail"] for row in ask(path, f"explain query plan {sql}")]
    assert any(index in step for step in plan), plan
    assert not any(step.startswith(("SCAN risk_flags", "SCAN labels")) and index not in step for step in plan), plan


def test_no_index_is_there_without_a_named_query(store: Store, path: Path) -> None:
    store.close()
    found = {row["name"] for row in ask(path, "select name from sqlite_schema where type = 'index'")}
    assert found == {index.removeprefix("INDEX ") for _, index in NAMED_QUERIES if index.startswith("INDEX ")}


@pytest.mark.parametrize("amount", [0, 1, 5, 1999, LARGEST_MINOR - 1])
def test_amounts_are_in_major_units_in_every_currency(store: Store, path: Path, amount: int) -> None:
    rows = [flag(offset, currency=currency, amount=amount) for offset, currency in enumerate(sorted(EXPONENTS))]
    store_flags(store, rows)
    assert {row["currency"]: row["amount"] for row in ask(path, "select * from readable_flags")} == {
        currency: to_major(amount, currency) for currency in EXPONENTS
    }


def test_money_of_no_two_and_three_digits_reads_as_people_write_it(store: Store, path: Path) -> None:
    rows = [
        flag(0, currency="JPY", amount=1500),
        flag(1, currency="EUR", amount=1999),
        flag(2, currency="KWD", amount=1),
    ]
    store_flags(store, rows)
    amounts = [(row["currency"], row["amount"]) for row in ask(path, "select * from readable_flags")]
    assert amounts == [("JPY", 1500.0), ("EUR", 19.99), ("KWD", 0.001)]


@pytest.mark.parametrize("view", [view.name for view in VIEWS])
def test_a_value_as_text_finds_the_rows_that_have_it(store: Store, path: Path, view: str) -> None:
    """As in the address of a page: `?amount__gt=81.5`, `?is_in_force=1`."""
    owner = store_flags(store, [flag(0, transaction="t", amount=8151)])
    store_labels(store, [Label("t", "ann", True, NEW_YEAR + DAY, "desk")])
    score_in_the_shadow(store, owner)
    decided = flag(2)._replace(decision="review", rules_version="rules-0123456789abcdef", rules="[]")
    decided = decided._replace(share=text_of(Share("v1", "v2", 10.5)))
    store.commit_flags(
        owner, expected=2, next_offset=3, newest_event_time=NEW_YEAR, outputs=NOTHING_SENT, rows=[decided], stored_at=7
    )
    closed = LedgerDay(NEW_YEAR // DAY, 7, HOUR, ("mill",), (NEW_YEAR,), (3,), (1,))
    store.add_ledger_days([ClosedDay(closed, 3, 0)], 1)
    [row] = ask(path, f"select * from {view} limit 1")
    with closing(sqlite3.connect(path)) as connection:
        unfound = [
            name
            for name, value in row.items()
            if value is not None
            and not connection.execute(f"select count(*) from {view} where {name} = ?", (str(value),)).fetchone()[0]
        ]
    assert unfound == []


@pytest.mark.parametrize("late_ms", [0, 1, 10, 999, 1000, DAY - 1, 55 * 365 * DAY + 7])
def test_times_are_text_as_everywhere_else(store: Store, path: Path, late_ms: int) -> None:
    store_flags(store, [flag(0, NEW_YEAR + late_ms)])
    [row] = ask(path, "select event_time from readable_flags")
    assert row == {"event_time": to_text(NEW_YEAR + late_ms)}


def test_what_is_missing_is_empty(store: Store, path: Path) -> None:
    store_flags(store, [flag(0, amount=None, merchant=None)])
    [row] = ask(path, "select amount, merchant_id, ledger_day, is_fraud from readable_flags")
    assert set(row.values()) == {None}


def test_a_flag_shows_what_was_found_out_of_it(store: Store, path: Path) -> None:
    """Not what was said of an earlier transaction with the same id; of two at one time, what came last."""
    store_flags(store, [flag(0, NEW_YEAR + HOUR, transaction="t")])
    the_day_before, that_morning, after = NEW_YEAR - 1, NEW_YEAR, NEW_YEAR + 9 * DAY
    store_labels(store, [Label("t", "ann", True, the_day_before, "desk")])
    assert ask(path, "select is_fraud from readable_flags") == [{"is_fraud": None}]
    store_labels(store, [Label("t", "ann", False, that_morning, "desk")])
    assert ask(path, "select is_fraud from readable_flags") == [{"is_fraud": 0}]
    store_labels(store, [Label("t", "ann", verdict, after, "desk") for verdict in (False, True)])
    assert ask(path, "select is_fraud from readable_flags") == [{"is_fraud": 1}]
    in_force = ask(path, "select is_in_force from readable_labels order by source_offset")
    assert [row["is_in_force"] for row in in_force] == [0, 0, 0, 1]


def test_both_scores_of_a_transaction_stand_beside_what_was_found_out_of_it(store: Store, path: Path) -> None:
    score_in_the_shadow(store, store_flags(store, [flag(0, NEW_YEAR, transaction="t", amount=8151)]))
    asked = (
        "select transaction_id, amount, bundle_version, score, level, challenger_version, challenger_score, "
        "challenger_level, is_fraud, labelled_at from readable_shadow_scores"
    )
    expected: dict[str, object] = {
        "transaction_id": "t",
        "amount": 81.51,
        "bundle_version": "v1",
        "score": 0.25,
        "level": "low",
        "challenger_version": "v2",
        "challenger_score": 0.75,
        "challenger_level": "high",
        "is_fraud": None,
        "labelled_at": None,
    }
    assert ask(path, asked) == [expected]
    store_labels(store, [Label("t", "ann", True, NEW_YEAR - 1, "desk"), Label("t", "ann", True, NEW_YEAR + 7, "desk")])
    assert ask(path, asked) == [{**expected, "is_fraud": 1, "labelled_at": to_text(NEW_YEAR + 7)}]


def test_where_a_challenger_scored_and_from_when_it_was_to_can_be_read(store: Store, path: Path) -> None:
    score_in_the_shadow(store, store_flags(store, [flag(0)]))
    assert ask(path, "select * from readable_shadow_spans") == [
        {
            "challenger_version": "v2",
            "source_partition": 0,
            "first_offset": 0,
            "next_offset": 1,
            "transactions": 1,
        }
    ]
    assert ask(path, "select * from readable_challenger_starts") == [
        {
            "partition": 0,
            "first_offset": 1,
            "bundle_version": "v2",
            "event_time": to_text(NEW_YEAR),
            "stored_at": to_text(NEW_YEAR + 7),
        }
    ]


@pytest.mark.parametrize("distance", [1, 8191, 8192, 100_000])
def test_a_customer_is_found_wherever_their_rows_lie(store: Store, path: Path, distance: int) -> None:
    for partition in range(3):
        rows = [flag(7 + n * distance, partition=partition, customer="ann" if n % 2 else "bob") for n in range(20)]
        store_flags(store, rows, partition=partition)
    found = ask(
        path, "select source_partition, source_offset from customer_flags where customer_id = 'ann' order by 1, 2"
    )
    assert [tuple(row.values()) for row in found] == [
        (partition, 7 + n * distance) for partition in range(3) for n in range(1, 20, 2)
    ]
    assert len(ask(path, "select * from customer_flags")) == 60


def test_the_ledger_reads_with_dates(store: Store, path: Path) -> None:
    day = NEW_YEAR // DAY
    closed = LedgerDay(day, 7, HOUR, ("mill",), (day * DAY + 5 * HOUR,), (3,), (1,))
    store.add_ledger_days([ClosedDay(closed, 3, 0)], 1)
    [row] = ask(path, "select * from readable_ledger")
    date = to_text(NEW_YEAR)[:10]
    assert row == {
        "day": date,
        "merchant_id": "mill",
        "bucket_start": f"{date}T05:00:00Z",
        "transactions": 3,
        "frauds": 1,
        "label_delay_days": 7,
        "bucket_ms": HOUR,
    }


def test_a_partition_shows_since_when_it_waits_only_while_it_does(store: Store, path: Path) -> None:
    owner = store.take_over(TRANSACTIONS, 0, first_offset=3).owner
    store.publish_heads([(owner, 3, NEW_YEAR)])
    assert [row["waiting_since"] for row in ask(path, "select * from readable_partitions")] == [to_text(NEW_YEAR)]
    store.skip_to(owner, expected=3, next_offset=4)
    assert [row["waiting_since"] for row in ask(path, "select * from readable_partitions")] == [None]
