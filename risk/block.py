"""A batch of one partition as columns. Worker, files and audit score blocks; a single `Transaction` is made of a row
only where one is wanted: for alerts, rejects, generators and tests. Labels of a file are a block, too.

A column is called as the field of a `Transaction`, or of a `Label`, that it holds.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import compress
from typing import Any

import numpy as np

from risk.codes import Array
from risk.events import Label, Transaction

NO_AMOUNT = -1
NO_ATTRIBUTES: dict[str, float | str] = {}  # one for all rows: columns are never changed


@dataclass(frozen=True, eq=False, slots=True)
class Block:
    """Valid transactions in their order. Columns are shared and never changed."""

    transaction_id: list[str]
    event_time: Array  # int64, ms
    customer_id: list[str]
    currency: list[str]
    merchant_id: list[str | None]
    merchant_category: list[str | None]
    amount: Array  # int64, minor units; NO_AMOUNT where missing
    channel: list[str | None]
    device_id: list[str | None]
    country: list[str | None]
    attributes: list[dict[str, float | str]]

    def __len__(self) -> int:
        return len(self.transaction_id)

    def __getitem__(self, row: int) -> Transaction:
        amount = int(self.amount[row])
        return Transaction(
            self.transaction_id[row],
            int(self.event_time[row]),
            self.customer_id[row],
            self.currency[row],
            self.merchant_id[row],
            self.merchant_category[row],
            None if amount == NO_AMOUNT else amount,
            self.channel[row],
            self.device_id[row],
            self.country[row],
            self.attributes[row],
        )

    def __iter__(self) -> Iterator[Transaction]:
        return map(self.__getitem__, range(len(self)))

    def cut(self, first: int, last: int) -> "Block":
        """The rows in [first, last)."""
        if first == 0 and last >= len(self):
            return self
        return of_columns(column[first:last] for column in self.columns())

    def select(self, rows: Array) -> "Block":
        """Some of the rows, in their order: where `rows`, a mask, is true."""
        if rows.all():
            return self
        chosen = rows.tolist()
        return of_columns(
            column[rows] if isinstance(column, np.ndarray) else list(compress(column, chosen))
            for column in self.columns()
        )

    def missing(self, name: str) -> int:
        """How many rows have no value in this column."""
        if name == "amount":
            return int(np.count_nonzero(self.amount == NO_AMOUNT))
        return sum(1 for value in getattr(self, name) if value is None)

    def columns(self) -> list[Any]:
        return [getattr(self, name) for name in NAMES]


NAMES = tuple(field.name for field in fields(Block))


def of_columns(columns: Iterable[Any]) -> Block:
    """In the order of NAMES."""
    return Block(*columns)


def block_of(transactions: Sequence[Transaction]) -> Block:
    """Single transactions as a block."""
    columns: dict[str, Any] = {name: [getattr(one, name) for one in transactions] for name in NAMES}
    amounts = [NO_AMOUNT if amount is None else amount for amount in columns["amount"]]
    numbers = {"event_time": np.array(columns["event_time"], np.int64), "amount": np.array(amounts, np.int64)}
    return Block(**{**columns, **numbers})


def joined(blocks: Sequence[Block]) -> Block:
    """One block of several, in their order."""
    return of_columns(
        np.concatenate(parts) if isinstance(parts[0], np.ndarray) else [value for part in parts for value in part]
        for parts in zip(*(block.columns() for block in blocks), strict=True)
    )


@dataclass(frozen=True, eq=False, slots=True)
class LabelBlock:
    """Labels of one source, in the order in which they were learned."""

    transaction_id: list[str]
    customer_id: list[str]
    is_fraud: Array  # bool
    labelled_at: Array  # int64, ms
    source: str

    def __iter__(self) -> Iterator[Label]:
        columns = (self.transaction_id, self.customer_id, self.is_fraud.tolist(), self.labelled_at.tolist())
        return (Label(*one, self.source) for one in zip(*columns, strict=True))


def label_block_of(labels: Iterable[Label], source: str) -> LabelBlock:
    """Single labels as a block; whoever found them out, `source` gives them."""
    every = list(labels)
    return LabelBlock(
        [label.transaction_id for label in every],
        [label.customer_id for label in every],
        np.array([label.is_fraud for label in every], bool),
        np.array([label.labelled_at for label in every], np.int64),
        source,
    )
