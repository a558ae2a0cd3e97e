"""Small files for the tests of datasets, and their rows as one."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from risk.block import block_of, joined
from risk.clock import to_ms, to_text
from risk.dataset import Dataset, Rows, open_dataset
from risk.dataset.column_map import ColumnMap
from risk.dataset.map_file import parse_map
from risk.events import RejectReason

HEADER = "transaction_id,event_time,customer_id,amount,currency,is_fraud"
NOON = to_ms(datetime(2024, 1, 1, 12, tzinfo=UTC))


def written(tmp_path: Path, text: str | bytes, name: str = "file.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def own_rows(*rows: str) -> str:
    return "\n".join([HEADER, *rows]) + "\n"


def whole(dataset: Dataset) -> Rows:
    """All chunks as one."""
    chunks = list(dataset.rows())
    return Rows(
        joined([chunk.block for chunk in chunks]) if chunks else block_of([]),
        np.concatenate([chunk.is_fraud for chunk in chunks]) if chunks else np.empty(0, np.int8),
        np.concatenate([chunk.labelled_at for chunk in chunks]) if chunks else np.empty(0, np.int64),
        [kind for chunk in chunks for kind in chunk.fraud_kind],
        np.concatenate([chunk.row_numbers for chunk in chunks]) if chunks else np.empty(0, np.int64),
    )


def ids(dataset: Dataset) -> list[str]:
    return [one.transaction_id for one in whole(dataset).block]


def least_map(event_time: str = '"t"', more: str = "") -> ColumnMap:
    return parse_map(f'transaction_id = "id"\nevent_time = {event_time}\ncurrency = {{ constant = "EUR" }}\n{more}')


def times_of(tmp_path: Path, event_time: str, *values: str) -> tuple[list[str], list[tuple[RejectReason, str]]]:
    """What the values of a time column become, and what they are refused for."""
    path = written(tmp_path, "id|t\n" + "".join(f"{i}|{value}\n" for i, value in enumerate(values)))
    dataset = open_dataset(path, least_map(event_time))
    made = sorted(whole(dataset).block, key=lambda one: int(one.transaction_id))
    return [to_text(one.event_time) for one in made], [(bad.reason, bad.detail) for bad in dataset.bad.first]
