"""The door to files: CSV, Parquet and NDJSON become transactions and labels, in event-time order, chunk by chunk.

docs/datasets.md says in plain words what is understood, and what happens to rows that are not.
"""

import bisect
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator
from pathlib import Path

from risk.catalogue import ALL_FIELDS, FeatureSet, Kind
from risk.dataset.column_map import ColumnMap, TextColumn, check_apart
from risk.dataset.encoding import encoding_notice
from risk.dataset.kinds import open_source
from risk.dataset.map_file import parse_map
from risk.dataset.names import own_map
from risk.dataset.order import Order, find_order, sorted_pieces
from risk.dataset.parquet_file import ParquetSource
from risk.dataset.rows import Marks, Rows, read_marks, read_rows
from risk.dataset.source import BadRow, Piece, Source
from risk.dataset.times import check_time_type
from risk.dataset.values import as_texts
from risk.errors import DatasetError
from risk.events import RejectReason

CHUNK_ROWS = 65_536
KEPT_BAD_ROWS = 20
CURRENCY_ROWS = 65_536


class BadRows:
    """How many rows could not be read, why, and the first of them: first in the file, in whatever order they come."""

    def __init__(self) -> None:
        self.by_reason: Counter[RejectReason] = Counter()
        self.first: list[BadRow] = []
        self.first_of: dict[RejectReason, BadRow] = {}

    @property
    def count(self) -> int:
        return self.by_reason.total()

    def add(self, bad: BadRow) -> None:
        self.by_reason[bad.reason] += 1
        if bad.reason not in self.first_of or bad.row < self.first_of[bad.reason].row:
            self.first_of[bad.reason] = bad
        if len(self.first) < KEPT_BAD_ROWS or bad.row < self.first[-1].row:
            bisect.insort(self.first, bad, key=lambda kept: kept.row)
            del self.first[KEPT_BAD_ROWS:]


class Dataset:
    """A file and what its columns mean. `rows` may be called any number of times; `bad` is of the newest call."""

    def __init__(
        self,
        path: Path,
        source: Source,
        column_map: ColumnMap,
        order: Order,
        notices: list[str],
        chunk_rows: int,
        on_bad: Callable[[BadRow], None] | None,
        scratch: Path | None,
        *,
        is_guessed: bool,
    ) -> None:
        """`is_guessed`: nobody said what the columns mean, so it was told from their names and values."""
        self.path, self.column_map, self.notices = path, column_map, notices
        self.is_guessed = is_guessed
        self.columns = source.columns
        self.feature_set = _feature_set(column_map)  # what the file has
        self.learnable = _feature_set(column_map, without=column_map.not_learned)  # what a model may learn from
        self.row_count = order.row_count
        self.bad = BadRows()
        self.source = source  # the file as it is, in its own order
        self._order, self._chunk_rows = order, chunk_rows
        self.on_bad, self._scratch = on_bad, scratch
        self._mapped = list(dict.fromkeys(column for _, column in column_map.columns_by_key()))

    @property
    def is_sorted(self) -> bool:
        """Whether the file itself is in event-time order."""
        return self._order.ranks is None

    @property
    def ends(self) -> tuple[int, int] | None:
        """The first and the last event time; None where no row has one."""
        return self._order.ends

    def currencies(self) -> list[tuple[str, int]]:
        """The texts of the currency column among the file's first rows, the most common first, with their counts."""
        source = self.column_map.texts["currency"]
        if not isinstance(source, TextColumn):
            raise DatasetError(f"{self.path}: got a currency that is no column, expected a column to count")
        counts: Counter[str] = Counter()
        rest = CURRENCY_ROWS
        for piece in self.source.pieces([source.column]):
            values = piece.table.column(0).slice(0, rest)
            counts.update(text for text in as_texts(values) if text is not None)
            rest -= len(values)
            if rest == 0:
                break
        return counts.most_common()

    def rows(self) -> Generator[Rows, None, None]:
        """From the first event to the last; what happened at the same time keeps the file's order."""
        self.bad = bad = BadRows()

        def note(row: BadRow) -> None:
            bad.add(row)
            if self.on_bad is not None:
                self.on_bad(row)

        for piece in self._pieces(note):
            waiting = piece.bad
            for start in range(0, piece.table.num_rows, self._chunk_rows):
                part = piece.slice(start, self._chunk_rows)
                rows, found = read_rows(part, self.column_map)
                # Those that are no rows at all come where they lie in the file, among the others.
                before = [row for row in waiting if row.row < part.rows[-1]]
                waiting = waiting[len(before) :]
                for row in sorted(before + found, key=lambda row: row.row) if before else found:
                    note(row)
                if len(rows.block):
                    yield rows
            for row in waiting:
                note(row)

    def marks(self, *, with_ids: bool) -> Iterator[Marks]:
        """Who has a label, and from when on: quick, because nothing else is read."""
        keys = {"event_time", "is_fraud", "labelled_at", *(("transaction_id", "customer_id") if with_ids else ())}
        columns = dict.fromkeys(column for key, column in self.column_map.columns_by_key() if key in keys)
        for piece in self.source.pieces(list(columns)):
            yield read_marks(piece, self.column_map, with_ids=with_ids)

    def _pieces(self, note: Callable[[BadRow], None]) -> Iterator[Piece]:
        if self._order.ranks is None:
            return self.source.pieces(self._mapped)
        return sorted_pieces(self.source, self._mapped, self._order.ranks, note, self._scratch)


def open_dataset(
    path: Path,
    column_map: ColumnMap | None = None,
    *,
    chunk_rows: int = CHUNK_ROWS,
    on_bad: Callable[[BadRow], None] | None = None,
    scratch: Path | None = None,
) -> Dataset:
    """Look at a file and find the order of its rows; the times are read for it once.

    `on_bad` is handed every bad row of every call of `rows`; `scratch` is where an unsorted file is sorted, else the
    system's folder for temporary files.
    """
    path = Path(path)
    if chunk_rows < 1:
        raise DatasetError(f"chunk_rows = {chunk_rows}: expected 1 or more.")
    source = open_source(path)
    notices: list[str] = []
    if column_map is None and isinstance(source, ParquetSource) and source.column_map is not None:
        column_map = parse_map(source.column_map, f"{path}, its own column map")
    is_guessed = column_map is None
    if column_map is None:
        column_map = own_map(source, str(path))
        if column_map.attributes:
            listed = ", ".join(f"{one.name} ({one.kind.value})" for one in column_map.attributes)
            notices.append(f"{path}: columns that are not TrustLens' own became attributes: {listed}")
    check_apart(column_map)
    column_map.check_columns(source.columns, str(path))
    _check_types(source, column_map)
    order = find_order(source, column_map.event_time)
    notices += _notices(path, column_map, order)
    is_text_file = bool({"text", "JSON"} & set(source.types.values()))
    encoding = encoding_notice(path, order.not_utf8) if is_text_file else None
    if encoding is not None:
        notices.append(encoding)
    return Dataset(path, source, column_map, order, notices, chunk_rows, on_bad, scratch, is_guessed=is_guessed)


def _check_types(source: Source, column_map: ColumnMap) -> None:
    times = {"event_time": column_map.event_time, "labelled_at": column_map.labelled_at}
    for key, time in times.items():
        if time is not None:
            check_time_type(source.types[time.column], time, column_map.path, key)


def _notices(path: Path, column_map: ColumnMap, order: Order) -> list[str]:
    notices = []
    if "customer_id" not in column_map.texts:
        notices.append(f"{path}: there is no customer column, so there are no history features; each row is a customer")
    if column_map.amount is None:
        notices.append(f"{path}: there is no amount column, so every amount is missing")
    if column_map.is_fraud is None:
        notices.append(f"{path}: there is no label column, so which transactions were frauds is not known")
    if order.ranks is not None:
        are = "is" if order.out_of_order == 1 else "are"
        notices.append(
            f"{path}: the file is not sorted by event time ({order.out_of_order:,} of {order.row_count:,} rows {are}"
            " earlier than the row before); it is sorted while it is read"
        )
    return notices


def _feature_set(column_map: ColumnMap, without: Collection[str] = ()) -> FeatureSet:
    attributes = [one for one in column_map.attributes if one.name not in without]
    named = {kind: tuple(one.name for one in attributes if one.kind is kind) for kind in Kind}
    return FeatureSet((ALL_FIELDS & column_map.texts.keys()) - set(without), named[Kind.NUMBER], named[Kind.CATEGORY])
