"""--labels: what was found out, in a file of its own, beside a dataset that does not hold it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from risk.block import LabelBlock, label_block_of
from risk.dataset.column_map import TimeColumn
from risk.dataset.kinds import open_source
from risk.dataset.rows import UNKNOWN, Rows
from risk.dataset.source import Piece, readable
from risk.dataset.times import MISSING, as_times, check_range
from risk.dataset.values import Bad, as_labels, as_texts
from risk.errors import DatasetError
from risk.events import Label

ID, CUSTOMER, FRAUD, TIME = "transaction_id", "customer_id", "is_fraud", "labelled_at"
TIMES = ("text", "JSON", "string", "timestamp", "date")  # the types that need no more to be times
LABELS_FILE = "labels file"
ADVICE = "Correct it: a label that is left out would count as no fraud."

# (when it was known, whether it says fraud); UNKNOWN is never, as in a dataset: it counts in figures and in no ledger.
# Of the same time the later row of the file is the newer.
Known = tuple[int, bool]


class LabelsFile:
    """All labels of a file by customer and transaction, in memory: about 300 bytes each."""

    def __init__(self, path: Path, by_transaction: dict[tuple[str, str], tuple[Known, ...]]) -> None:
        self.path = path
        self._known = by_transaction
        self._found: set[tuple[str, str]] = set()

    def labels(self, rows: Rows) -> LabelBlock:
        """Every label of these transactions, corrected ones too."""
        found = []
        for customer, identity in zip(rows.block.customer_id, rows.block.transaction_id, strict=True):
            known = self._known.get((customer, identity))
            if known is not None:
                self._found.add((customer, identity))
                found += [
                    Label(identity, customer, is_fraud, at, LABELS_FILE) for at, is_fraud in known if at != UNKNOWN
                ]
        return label_block_of(found, LABELS_FILE)

    def newest(
        self, customers: Sequence[str | None], ids: Sequence[str | None], before: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """is_fraud and labelled_at as a dataset has them, from the newest label of each.

        `before`: from the newest known before this moment, if there is one.
        """
        is_fraud, labelled_at = np.full(len(ids), UNKNOWN, np.int8), np.full(len(ids), UNKNOWN, np.int64)
        for place, key in enumerate(zip(customers, ids, strict=True)):
            known = self._known.get(key)  # type: ignore[arg-type]  # what has no id has no label
            if known is not None:
                self._found.add(key)  # type: ignore[arg-type]  # it is among the known
                in_time = [] if before is None else [one for one in known if UNKNOWN != one[0] < before[place]]
                labelled_at[place], is_fraud[place] = (in_time or known)[-1]
        return is_fraud, labelled_at

    def on(self, rows: Rows) -> Rows:
        """The rows with these labels instead of their own."""
        is_fraud, labelled_at = self.newest(rows.block.customer_id, rows.block.transaction_id)
        return rows._replace(is_fraud=is_fraud, labelled_at=labelled_at)

    @property
    def transactions(self) -> int:
        return len(self._known)

    @property
    def first(self) -> str:
        """For people: the first transaction that the file names; where there are no customers, it alone."""
        return " / ".join(dict.fromkeys(next(iter(self._known))))

    @property
    def without_transaction(self) -> int:
        """Transactions that a label names and that were not among those asked for so far."""
        return len(self._known) - len(self._found)


def read_labels_file(path: Path, *, has_customers: bool) -> LabelsFile:
    """`has_customers`: of the dataset; without, a transaction's customer is its id."""
    source = open_source(path)
    columns = [ID, FRAUD, TIME, *([CUSTOMER] if has_customers else [])]
    lacking = [name for name in columns if name not in source.columns]
    if lacking:
        raise DatasetError(
            f"--labels {path}: has no column {', '.join(lacking)}, expected {', '.join(columns)}. The columns are: "
            f"{', '.join(source.columns[:40])}. Name them so."
        )
    if not source.types[TIME].startswith(TIMES):
        raise DatasetError(
            f"--labels {path}: {TIME} is of type {source.types[TIME]}: expected timestamps, or texts such as"
            " 2024-01-31T10:00:00Z: this file has no map, which could say what its numbers count. Write it so."
        )
    by_transaction: dict[tuple[str, str], tuple[Known, ...]] = {}
    for piece in source.pieces(columns):
        for key, known in _read(path, piece, has_customers):
            before = by_transaction.get(key)
            by_transaction[key] = (known,) if before is None else (*before, known)
    if not by_transaction:
        raise DatasetError(f"--labels {path}: got no label, expected some. Check the file, or give --without-labels.")
    for key, labels in by_transaction.items():
        if len(labels) > 1:
            by_transaction[key] = tuple(sorted(labels, key=lambda known: known[0]))
    return LabelsFile(path, by_transaction)


def _read(path: Path, piece: Piece, has_customers: bool) -> Iterator[tuple[tuple[str, str], Known]]:
    bad: Bad = {}
    if piece.bad:
        raise DatasetError(f"--labels {path}: row {piece.bad[0].row}: {piece.bad[0].detail}. {ADVICE}")
    table = piece.table
    is_fraud = as_labels(table.column(FRAUD), bad)
    times = as_times(table.column(TIME), TimeColumn(TIME), TIME, bad)
    check_range(times, TIME, bad)
    for place, why in sorted(bad.items())[:1]:
        raise DatasetError(f"--labels {path}: {_where(piece, place)}: {readable(why.detail)}. {ADVICE}")
    ids = as_texts(table.column(ID))
    customers = as_texts(table.column(CUSTOMER)) if has_customers else ids
    for place, (customer, transaction, label, time) in enumerate(
        zip(customers, ids, is_fraud.tolist(), times.tolist(), strict=True)
    ):
        if label == UNKNOWN:
            continue
        if not customer or not transaction:
            lacking = CUSTOMER if transaction else ID
            raise DatasetError(f"--labels {path}: {_where(piece, place)}: got no {lacking}, expected one. {ADVICE}")
        yield (customer, transaction), (UNKNOWN if time == MISSING else time, label == 1)


def _where(piece: Piece, place: int) -> str:
    return f"row {piece.rows[place]}" if piece.lines is None else f"line {piece.lines[place]}"
