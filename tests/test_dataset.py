"""Files to transactions, labels and order: what every kind of file has in common."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from risk.clock import DAY, to_ms, to_text
from risk.codec import decode_transaction, encode_transaction
from risk.dataset import BadRow, open_dataset
from risk.dataset.map_file import parse_map
from risk.events import Label, RejectReason, Transaction
from tests.datasets import HEADER, NOON, ids, least_map, own_rows, whole, written


def test_a_file_with_trustlens_own_names_needs_no_map(tmp_path: Path) -> None:
    """Every field arrives; ids keep their zeros."""
    path = written(
        tmp_path,
        "transaction_id,event_time,customer_id,merchant_id,merchant_category,amount,currency,channel,device_id,country,"
        "is_fraud,labelled_at,fraud_kind\n"
        "00123,2024-01-01T12:00:00.250Z,007,M1,travel,12.34,EUR,online,D1,DE,1,2024-01-05T00:00:00Z,burst\n"
        "00124,2024-01-01T12:00:01Z,007,,,,EUR,,,,0,,\n",
    )
    dataset = open_dataset(path)
    rows = whole(dataset)
    assert list(rows.block) == [
        Transaction("00123", NOON + 250, "007", "EUR", "M1", "travel", 1234, "online", "D1", "DE"),
        Transaction("00124", NOON + 1000, "007", "EUR"),
    ]
    assert rows.is_fraud.tolist() == [1, 0]
    assert [to_text(rows.labelled_at[0].item()), rows.labelled_at[1]] == ["2024-01-05T00:00:00Z", -1]
    assert rows.fraud_kind == ["burst", None]
    assert rows.row_numbers.tolist() == [1, 2]
    assert (rows.is_fraud.dtype, rows.labelled_at.dtype, rows.row_numbers.dtype) == (np.int8, np.int64, np.int64)
    assert dataset.feature_set.fields == {
        "customer_id", "merchant_id", "merchant_category", "channel", "device_id", "country",
    }  # fmt: skip
    assert dataset.notices == []
    assert dataset.bad.count == 0


def test_rows_of_a_file_are_the_messages_of_a_stream(tmp_path: Path) -> None:
    """What a file makes is a transaction that the codec writes and reads back unchanged."""
    path = written(
        tmp_path, "extra,kind," + own_rows("x").replace("\nx\n", "\n1.5,a,T,2024-01-01T12:00:00Z,C,0.1,JPY,0\n")
    )
    (made,) = whole(open_dataset(path)).block
    assert made.attributes == {"extra": 1.5, "kind": "a"}
    assert decode_transaction(encode_transaction(made)) == made


def test_other_columns_become_attributes_and_it_says_so(tmp_path: Path) -> None:
    """Numbers and categories of few values; ids and names of many values are left out."""
    rows = "".join(f"T{i},2024-01-01T12:00:00Z,C,1,EUR,0,{20 + i % 7},{'ab'[i % 2]},name{i},\n" for i in range(100))
    path = written(tmp_path, f"{HEADER},age,segment,name,void\n{rows}")
    dataset = open_dataset(path)
    assert dataset.feature_set.number_attributes == ("age",)
    assert dataset.feature_set.category_attributes == ("segment",)
    assert whole(dataset).block[1].attributes == {"age": 21.0, "segment": "b"}
    assert dataset.notices == [
        f"{path}: columns that are not TrustLens' own became attributes: age (number), segment (category)"
    ]


def test_a_text_of_too_many_values_is_no_category(tmp_path: Path) -> None:
    """Even if each of them comes again."""
    rows = "".join(f"T{i},2024-01-01,C,1,EUR,0,v{i % 501},w{i % 500}\n" for i in range(2_000))
    dataset = open_dataset(written(tmp_path, f"{HEADER},many,enough\n{rows}"))
    assert dataset.feature_set.category_attributes == ("enough",)


def test_missing_attributes_are_left_away(tmp_path: Path) -> None:
    """An empty or NaN value is no attribute of that row; what is no number makes the row bad."""
    path = written(tmp_path, "id,t,n,c\n1,2024-01-01,5,x\n2,2024-01-01,,\n3,2024-01-01,NaN,y\n4,2024-01-01,five,y\n")
    dataset = open_dataset(path, least_map(more='attributes = { n = "number", c = "category" }'))
    assert [one.attributes for one in whole(dataset).block] == [{"n": 5.0, "c": "x"}, {}, {"c": "y"}]
    assert [(bad.row, bad.reason) for bad in dataset.bad.first] == [(4, RejectReason.WRONG_TYPE)]
    assert "attributes.n: got 'five'" in dataset.bad.first[0].detail


def test_without_customers_each_row_is_its_own_and_there_is_no_history(tmp_path: Path) -> None:
    """The features that need a customer are not there, and a notice says why."""
    dataset = open_dataset(written(tmp_path, "id,t\na,2024-01-01\nb,2024-01-02\n"), least_map())
    assert [one.customer_id for one in whole(dataset).block] == ["a", "b"]
    assert "customer_id" not in dataset.feature_set.fields
    assert not [f.name for f in dataset.feature_set.numbers if f.name.startswith("customer_")]
    assert any("no customer column, so there are no history features" in notice for notice in dataset.notices)


def test_the_row_number_and_constants_stand_in_for_columns(tmp_path: Path) -> None:
    """Bad rows count, so that a number always points to the same row of the file."""
    path = written(tmp_path, "t,amt\n2024-01-01,1\nnever,2\n2024-01-02,3\n")
    made = parse_map('transaction_id = {row = true}\nevent_time = "t"\namount = "amt"\ncurrency = {constant = "JPY"}')
    rows = whole(open_dataset(path, made))
    assert [(one.transaction_id, one.amount, one.currency) for one in rows.block] == [
        ("1", 1, "JPY"),
        ("3", 3, "JPY"),
    ]
    assert rows.row_numbers.tolist() == [1, 3]


# labels


def test_labels_follow_the_file(tmp_path: Path) -> None:
    """Set on a fraud: reported; empty on a fraud: never; set on a genuine row: cleared; is_fraud empty: not known."""
    day = "2024-01-01T12:00:00Z"
    path = written(
        tmp_path,
        "id,t,f,k\n" + "".join(f"{row}\n" for row in (f"a,{day},1,2024-01-03", f"b,{day},1,", f"c,{day},0,2024-01-04",
                                                       f"d,{day},0,", f"e,{day},,2024-01-05", f"f,{day},,")),
    )  # fmt: skip
    rows = whole(open_dataset(path, least_map(more='is_fraud = "f"\nlabelled_at = "k"')))
    assert rows.is_fraud.tolist() == [1, 1, 0, 0, -1, -1]
    third, fourth = to_ms(datetime(2024, 1, 3, tzinfo=UTC)), to_ms(datetime(2024, 1, 4, tzinfo=UTC))
    assert rows.labelled_at.tolist() == [third, -1, fourth, -1, -1, -1]
    assert list(rows.labels()) == [Label("a", "a", True, third, "dataset"), Label("c", "c", False, fourth, "dataset")]


def test_without_labelled_at_a_label_is_known_after_three_days(tmp_path: Path) -> None:
    """For every row that has a label."""
    path = written(tmp_path, "id,t,f\na,2024-01-01T12:00:00Z,1\nb,2024-01-01T12:00:00Z,0\nc,2024-01-01T12:00:00Z,\n")
    rows = whole(open_dataset(path, least_map(more='is_fraud = "f"')))
    assert rows.labelled_at.tolist() == [NOON + 3 * DAY, NOON + 3 * DAY, -1]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("1", 1),
        ("0", 0),
        ("true", 1),
        ("False", 0),
        ("YES", 1),
        ("no", 0),
        ("1.0", 1),
        ("0.0", 0),
        (" 1 ", 1),
        ("", -1),
    ],
)
def test_a_label_has_several_spellings(tmp_path: Path, text: str, label: int) -> None:
    """And nothing is no label."""
    path = written(tmp_path, f"id,t,f\na,2024-01-01,{text}\n")
    assert whole(open_dataset(path, least_map(more='is_fraud = "f"'))).is_fraud.tolist() == [label]


@pytest.mark.parametrize("text", ["2", "maybe", "-1", "0.5"])
def test_another_label_makes_the_row_bad(tmp_path: Path, text: str) -> None:
    """Rather than being taken for genuine."""
    dataset = open_dataset(
        written(tmp_path, f"id,t,f\na,2024-01-01,{text}\nb,2024-01-01,0\n"), least_map(more='is_fraud = "f"')
    )
    assert ids(dataset) == ["b"]
    assert dataset.bad.first[0].reason is RejectReason.WRONG_TYPE
    assert f"is_fraud: got '{text}', expected 1, 0, true" in dataset.bad.first[0].detail


# order


def unsorted_file(tmp_path: Path, rows: int = 500) -> Path:
    """Few different times, so that there are ties; some rows are bad."""
    random = np.random.default_rng(5)
    lines = [
        f"T{i},{'soon' if i % 97 == 5 else to_text(NOON + 1000 * int(random.integers(0, 40)))},C{i % 7},1,EUR,0"
        for i in range(rows)
    ]
    lines[11] = "short"
    return written(tmp_path, own_rows(*lines), "unsorted.csv")


def test_an_unsorted_file_is_sorted_and_ties_keep_their_order(tmp_path: Path) -> None:
    """As Python's stable sort has it; the notice says how many rows were out of order."""
    path = unsorted_file(tmp_path)
    dataset = open_dataset(path, scratch=tmp_path)
    rows = whole(dataset)
    expected = [
        (i + 1, line.split(","))
        for i, line in enumerate(path.read_text().splitlines()[1:])
        if "soon" not in line and "," in line
    ]
    expected.sort(key=lambda numbered: numbered[1][1])
    assert [one.transaction_id for one in rows.block] == [fields[0] for _, fields in expected]
    assert rows.row_numbers.tolist() == [row for row, _ in expected]
    assert len(dataset.notices) == 1
    assert "is not sorted by event time" in dataset.notices[0]
    assert dataset.bad.by_reason == {RejectReason.BAD_TIME: 6, RejectReason.NOT_AN_OBJECT: 1}
    assert {bad.line for bad in dataset.bad.first} == {bad.row + 1 for bad in dataset.bad.first}


@pytest.mark.parametrize("chunk_rows", [1, 7, 100, 65_536])
def test_chunk_sizes_change_nothing(tmp_path: Path, chunk_rows: int) -> None:
    """Sorted or not, rows and bad rows are the same; no chunk is larger than asked for."""
    for path in (
        unsorted_file(tmp_path),
        written(tmp_path, own_rows("a,2024-01-01,C,1,EUR,1", "b,2024-01-02,C,$2,EUR,0", "x")),
    ):
        usual, other = open_dataset(path, scratch=tmp_path), open_dataset(path, chunk_rows=chunk_rows, scratch=tmp_path)
        assert max(len(chunk.block) for chunk in other.rows()) <= chunk_rows
        assert list(whole(usual).block) == list(whole(other).block)
        assert usual.bad.first == other.bad.first


def test_sorting_leaves_no_files_behind(tmp_path: Path) -> None:
    """Not when it ends, not when the reader loses interest, not when it fails."""
    path, scratch = unsorted_file(tmp_path), tmp_path / "scratch"
    scratch.mkdir()
    dataset = open_dataset(path, chunk_rows=10, scratch=scratch)
    list(dataset.rows())
    assert list(scratch.iterdir()) == []
    abandoned = dataset.rows()
    next(abandoned)
    assert list(scratch.iterdir())
    abandoned.close()
    assert list(scratch.iterdir()) == []

    def fail(bad: BadRow) -> None:
        raise RuntimeError(bad.detail)

    with pytest.raises(RuntimeError):
        list(open_dataset(path, on_bad=fail, scratch=scratch).rows())
    assert list(scratch.iterdir()) == []


def test_a_bad_time_does_not_make_a_sorted_file_unsorted(tmp_path: Path) -> None:
    """One broken clock is one bad row."""
    path = written(tmp_path, own_rows("a,2024-01-01,C,1,EUR,1", "b,1970-01-01,C,1,EUR,0", "c,2024-01-02,C,1,EUR,0"))
    dataset = open_dataset(path)
    assert ids(dataset) == ["a", "c"]
    assert dataset.notices == []
