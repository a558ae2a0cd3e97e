"""The history's truth: what was a fraud, and of which kind. No program of the stream ever sees the kinds."""

from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq

from risk.codes import Array


class History(NamedTuple):
    """Columns of the transactions, in the order of event time."""

    event_times: Array  # ms
    customers: list[str]
    transactions: list[str]
    amounts: Array  # NaN where missing
    is_fraud: Array
    kinds: list[str | None]


def history_of(path: Path, since_ms: int) -> History:
    """The file from a moment on."""
    names = ["event_time", "customer_id", "transaction_id", "amount", "is_fraud", "fraud_kind"]
    table = pq.read_table(path, columns=names)
    times = table["event_time"].cast("int64")
    kept = pc.greater_equal(times, since_ms)
    table, times = table.filter(kept), times.filter(kept)
    return History(
        times.to_numpy(),
        table["customer_id"].to_pylist(),
        table["transaction_id"].to_pylist(),
        table["amount"].to_numpy(),
        table["is_fraud"].to_numpy() == 1,
        table["fraud_kind"].to_pylist(),
    )
