"""A row of a file and the same row as a message are the same transaction, or are refused for the same reason."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from risk.clock import EARLIEST, LATEST, to_text
from risk.codec import MOST_CHARACTERS, decode_transaction
from risk.dataset.map_file import parse_map
from risk.dataset.rows import read_rows
from risk.dataset.source import Piece
from risk.events import Rejected

FIELDS = (
    "transaction_id",
    "customer_id",
    "currency",
    "merchant_id",
    "merchant_category",
    "channel",
    "device_id",
    "country",
)
MAP = parse_map(
    "".join(f'{name} = "{name}"\n' for name in (*FIELDS, "event_time", "amount"))
    + '[attributes]\nage = "number"\nsegment = "category"\n'
)
LONG = "x" * MOST_CHARACTERS
TEXTS = st.sampled_from([None, "", "a", "é", LONG, LONG + "x", "a\0b"])
ODD = {
    **dict.fromkeys((*FIELDS, "segment"), TEXTS),
    "currency": st.sampled_from(["JPY", "KWD", "XXX", "", None]),
    "event_time": st.sampled_from([EARLIEST, EARLIEST - 1, LATEST - 1, LATEST]),
    "amount": st.sampled_from([None, 0.0, -0.0, 0.005, 0.29, 2.675, -1.0, 1e11, 1e12, 1e12 + 1, 1e14, 1e14 + 1, 1e15]),
    "age": st.none() | st.floats(allow_nan=False, allow_infinity=False),
}
USUAL = {
    **dict.fromkeys((*FIELDS, "segment"), "usual"),
    "currency": "EUR", "event_time": 1_714_564_800_250, "amount": 12.34, "age": 44.0,
}  # fmt: skip


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """A good row with at most two odd values: more of them would hide each other."""
    names = draw(st.lists(st.sampled_from(sorted(ODD)), max_size=2))
    return {**USUAL, **{name: draw(ODD[name]) for name in names}}


def as_a_message(row: dict[str, Any]) -> bytes:
    fields = {name: row[name] for name in (*FIELDS, "amount")}
    attributes = {name: row[name] for name in ("age", "segment")}
    return json.dumps({**fields, "event_time": to_text(row["event_time"]), "attributes": attributes}).encode()


@given(st.lists(rows(), min_size=1, max_size=6))
@example([{**USUAL, "amount": amount} for amount in (0.29, 0.005, 2.675, 1e12, 1e12 + 1)])
def test_a_row_of_a_file_is_what_its_message_would_be(rows: list[dict[str, Any]]) -> None:
    types = {"event_time": pa.timestamp("ms", "UTC"), "amount": pa.float64(), "age": pa.float64()}
    names = [*FIELDS, "event_time", "amount", "age", "segment"]
    columns = [pa.array([row[name] for row in rows], types.get(name, pa.string())) for name in names]
    piece = Piece(pa.RecordBatch.from_arrays(columns, names), np.arange(1, len(rows) + 1), None, [])
    made, bad = read_rows(piece, MAP)
    found: dict[int, Any] = dict(zip(made.row_numbers.tolist(), made.block, strict=True))
    found |= {one.row: one.reason for one in bad}
    expected = [decode_transaction(as_a_message(row)) for row in rows]
    assert [found[row + 1] for row in range(len(rows))] == [
        one.reason if isinstance(one, Rejected) else one for one in expected
    ]
