"""Rows that were refused, as messages that are refused."""

from pathlib import Path

import msgspec
import pytest

from risk.codec import decode_transaction
from risk.dataset import message_of, open_dataset
from risk.dataset.map_file import parse_map
from risk.events import Rejected, RejectReason
from tests.datasets import HEADER, least_map, own_rows, written


def only_message(tmp_path: Path, row: str, header: str = HEADER, shift_ms: int = 0) -> tuple[bytes, bytes] | None:
    dataset = open_dataset(written(tmp_path, f"{header}\n{row}\n"))
    list(dataset.rows())
    (bad,) = dataset.bad.first
    return message_of(bad, dataset.column_map, shift_ms)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("T1,2024-01-01T12:00:00Z,C1,-5.00,EUR,0", RejectReason.REFUND),
        ("T1,2024-01-01T12:00:00Z,C1,5.00,XXQ,0", RejectReason.UNKNOWN_CURRENCY),
        ("T1,2024-01-01T12:00:00Z,C1,5.00,,0", RejectReason.MISSING_FIELD),
        (",2024-01-01T12:00:00Z,C1,5.00,EUR,0", RejectReason.MISSING_FIELD),
        ("T1,2024-01-01T12:00:00Z,,5.00,EUR,0", RejectReason.MISSING_FIELD),
        ("T1,yesterday,C1,5.00,EUR,0", RejectReason.BAD_TIME),
        ("T1,,C1,5.00,EUR,0", RejectReason.MISSING_FIELD),
        ("T1,1970-01-01T12:00:00Z,C1,5.00,EUR,0", RejectReason.TIME_OUT_OF_RANGE),
        ("T1,2024-01-01T12:00:00Z,C1,much,EUR,0", RejectReason.WRONG_TYPE),
        ("T1,2024-01-01T12:00:00Z,C1,1e300,EUR,0", RejectReason.AMOUNT_TOO_LARGE),
    ],
)
def test_a_refused_row_becomes_a_message_that_is_refused_for_the_same_reason(
    tmp_path: Path, row: str, reason: RejectReason
) -> None:
    made = only_message(tmp_path, row)
    assert made is not None
    answer = decode_transaction(made[1])
    assert isinstance(answer, Rejected)
    assert answer.reason is reason


def test_the_values_are_the_files_own_and_the_key_is_the_customer(tmp_path: Path) -> None:
    made = only_message(tmp_path, "T1,2024-01-01 12:00:00,C1,-5.00,EUR,0")
    assert made is not None
    assert made[0] == b"C1"
    assert msgspec.json.decode(made[1]) == {
        "transaction_id": "T1",
        "event_time": "2024-01-01T12:00:00Z",
        "customer_id": "C1",
        "amount": -5.0,
        "currency": "EUR",
    }


def test_a_missing_customer_gives_an_empty_key(tmp_path: Path) -> None:
    made = only_message(tmp_path, "T1,2024-01-01T12:00:00Z,,5.00,EUR,0")
    assert made is not None
    assert made[0] == b""


@pytest.mark.parametrize("amount", ["nan", "-inf", "infinity"])
def test_what_json_cannot_say_as_a_number_stays_text(tmp_path: Path, amount: str) -> None:
    made = only_message(tmp_path, f"T1,2024-01-01T12:00:00Z,C1,{amount},EUR,0")
    assert made is not None
    assert msgspec.json.decode(made[1])["amount"] == amount


@pytest.mark.parametrize(
    "row",
    [
        "T1,2024-01-01T12:00:00Z,C1,5.00",
        "T1,2024-01-01T12:00:00Z,C1,5.00,EUR,0,more",
        'T1,2024-01-01T12:00:00Z,C1,5.00,EUR,"0',
    ],
)
def test_what_is_no_row_at_all_is_no_message(tmp_path: Path, row: str) -> None:
    assert only_message(tmp_path, row) is None


def test_a_row_with_a_bad_label_is_no_message_because_it_would_be_scored(tmp_path: Path) -> None:
    assert only_message(tmp_path, "T1,2024-01-01T12:00:00Z,C1,5.00,EUR,perhaps") is None


def test_the_time_is_shifted_like_that_of_the_good_rows(tmp_path: Path) -> None:
    made = only_message(tmp_path, "T1,2024-01-02T12:00:00Z,C1,-5,EUR,0", shift_ms=-86_400_000)
    assert made is not None
    assert msgspec.json.decode(made[1])["event_time"] == "2024-01-01T12:00:00Z"


def test_a_map_gives_names_constants_times_and_attributes_their_meaning(tmp_path: Path) -> None:
    path = written(tmp_path, "t;paid;score;shop\n1714521600;1.234,50-;7,5;North\n")
    column_map = parse_map(
        'transaction_id = { row = true }\ncurrency = { constant = "EUR" }\n'
        'event_time = { column = "t", unit = "seconds" }\n'
        'amount = { column = "paid", decimal = "," }\n'
        '[attributes]\nscore = { column = "score", kind = "number", decimal = "," }\n'
        'shop = { column = "shop", kind = "category" }\n'
    )
    dataset = open_dataset(path, column_map)
    list(dataset.rows())
    made = message_of(dataset.bad.first[0], column_map)
    assert made is not None
    assert made[0] == b"1"
    assert msgspec.json.decode(made[1]) == {
        "transaction_id": "1",
        "customer_id": "1",
        "currency": "EUR",
        "event_time": "2024-05-01T00:00:00Z",
        "amount": "1.234,50-",
        "attributes": {"score": 7.5, "shop": "North"},
    }


def test_the_first_and_the_last_time_are_those_of_rows_whose_time_can_be_read(tmp_path: Path) -> None:
    rows = [f"T{i},{time},C1,5.00,EUR,0" for i, time in enumerate(["2024-01-03", "1970-01-01", "2024-01-01", "soon"])]
    dataset = open_dataset(written(tmp_path, own_rows(*rows)))
    assert dataset.ends == (1_704_067_200_000, 1_704_240_000_000)


def test_a_file_without_any_time_has_no_ends(tmp_path: Path) -> None:
    dataset = open_dataset(written(tmp_path, "id,t\n1,\n2,never\n"), least_map())
    assert dataset.ends is None
