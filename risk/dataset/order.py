"""An unsorted file in event-time order, with bounded memory.

First only the times are read: eight bytes a row, whose stable order gives each row its rank. Then the rows go into
temporary files of consecutive ranks, and each of these is sorted by itself.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from risk.clock import EARLIEST, LATEST
from risk.dataset.column_map import TimeColumn
from risk.dataset.source import BadRow, Piece, Source, check_length
from risk.dataset.times import MISSING, as_times, time_values
from risk.errors import DatasetError
from risk.events import RejectReason

# A part of about 50 MB; more rows share a part where there would be more open files than a process may have.
PART_ROWS = 262_144
MOST_PARTS = 200

_ROW, _LINE, _RANK = "row", "line", "rank"


class Order(NamedTuple):
    """How the rows of a file lie in time."""

    row_count: int  # bad rows too
    out_of_order: int  # rows with an earlier time than the row before
    ranks: np.ndarray | None  # of each row that has columns; None where the file is sorted
    ends: tuple[int, int] | None  # the first and the last time; None where no row has one
    not_utf8: int = 0  # rows


def find_order(source: Source, time: TimeColumn) -> Order:
    parts: list[np.ndarray] = []
    row_count = not_utf8 = 0
    newest = np.int64(MISSING)
    first, last = LATEST, EARLIEST - 1
    for piece in source.pieces(time.columns):
        row_count += piece.table.num_rows + len(piece.bad)
        check_length(row_count)
        not_utf8 += sum(1 for bad in piece.bad if bad.reason is RejectReason.NOT_UTF8)
        times = as_times(time_values(piece.table, time), time, "event_time", None)
        times[(times < EARLIEST) | (times >= LATEST)] = MISSING
        there = times[times != MISSING]
        if len(there):
            first, last = min(first, int(there.min())), max(last, int(there.max()))
        if len(times):
            parts.append(_beside_the_row_before(times, newest))
            newest = parts[-1][-1]
    times = np.concatenate(parts) if parts else np.empty(0, np.int64)
    parts.clear()
    ends = (first, last) if first <= last else None
    out_of_order = int((times[1:] < times[:-1]).sum())
    if not out_of_order:
        return Order(row_count, 0, None, ends, not_utf8)
    order = np.argsort(times, kind="stable")
    ranks = np.empty(len(times), np.int64)
    ranks[order] = np.arange(len(times))
    return Order(row_count, out_of_order, ranks, ends, not_utf8)


def _beside_the_row_before(times: np.ndarray, newest: np.int64) -> np.ndarray:
    """A row whose time is no time stays where it is: it gets the time of the good row before it."""
    places = np.where(times == MISSING, -1, np.arange(len(times)))
    last_good = np.maximum.accumulate(places)
    return np.where(last_good < 0, newest, times[last_good])


def sorted_pieces(
    source: Source,
    columns: Sequence[str],
    ranks: np.ndarray,
    note_bad: Callable[[BadRow], None],
    scratch: Path | None,
) -> Iterator[Piece]:
    """All rows by rank. Rows without columns are noted while the file is read. Leaves no files behind."""
    part_rows = max(PART_ROWS, -(-len(ranks) // MOST_PARTS))
    with _work_folder(scratch) as folder:
        with _PartFiles(folder, part_rows) as parts:
            has_lines = parts.fill(source.pieces(columns), ranks, note_bad)
        for path in parts.paths():
            with _named(folder.parent, "reading a temporary file back"):
                piece = _sorted_part(path, columns, has_lines)
                path.unlink()
            yield piece


@contextmanager
def _work_folder(scratch: Path | None) -> Iterator[Path]:
    """A folder of our own that is gone afterwards."""
    with _named(scratch or Path("the system's folder for temporary files"), "making a folder"):
        made = tempfile.TemporaryDirectory(prefix="trustlens-sort-", dir=scratch)
    with made as folder:
        yield Path(folder)


@contextmanager
def _named(folder: Path, doing: str) -> Iterator[None]:
    """An error of the disk names the folder, what was being done, and the way out. Nothing of others runs inside."""
    try:
        yield
    except OSError as error:
        raise DatasetError(
            f"{folder}: {doing} to sort by event time failed ({error.strerror or error}): expected a folder that may be"
            " written, with room for the columns that are read. Free some, or name another folder: set TMPDIR, or"
            " scratch where open_dataset is called; or sort the file beforehand."
        ) from error


class _PartFiles:
    """The temporary files, one for each run of consecutive ranks."""

    def __init__(self, folder: Path, part_rows: int) -> None:
        self._folder, self._part_rows = folder, part_rows
        self._writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Closes every file, also after an error; what closing writes may fail like any writing."""
        with _named(self._folder.parent, "writing temporary files"):
            self._stack.close()

    def fill(self, pieces: Iterator[Piece], ranks: np.ndarray, note_bad: Callable[[BadRow], None]) -> bool:
        taken, has_lines = 0, False
        for piece in pieces:
            for bad in piece.bad:
                note_bad(bad)
            count = piece.table.num_rows
            here = ranks[taken : taken + count]
            taken += count
            has_lines = piece.lines is not None
            lines = piece.lines if piece.lines is not None else np.zeros(count, np.int64)
            extra = {_ROW: piece.rows, _LINE: lines, _RANK: here}
            # Named by place: a column may be read twice, or be called "rank".
            names = [*map(str, range(piece.table.num_columns)), *extra]
            table = pa.RecordBatch.from_arrays([*piece.table.columns, *map(pa.array, extra.values())], names=names)
            numbers = here // self._part_rows
            order = np.argsort(numbers, kind="stable")
            present, starts = np.unique(numbers[order], return_index=True)
            by_part = table.take(pa.array(order))
            for number, start, end in zip(present.tolist(), starts, [*starts[1:], count], strict=True):
                with _named(self._folder.parent, "writing temporary files"):
                    self._writer(number, table.schema).write_batch(by_part.slice(start, end - start))
        return has_lines

    def _writer(self, number: int, schema: pa.Schema) -> pa.ipc.RecordBatchStreamWriter:
        if number not in self._writers:
            writer = pa.ipc.new_stream(self._folder / f"{number}.arrows", schema)
            self._writers[number] = self._stack.enter_context(writer)
        return self._writers[number]

    def paths(self) -> list[Path]:
        return [self._folder / f"{number}.arrows" for number in sorted(self._writers)]


def _sorted_part(path: Path, columns: Sequence[str], has_lines: bool) -> Piece:
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        table = reader.read_all().combine_chunks()
    table = table.take(pa.array(np.argsort(table.column(_RANK).to_numpy(), kind="stable")))
    batch = table.combine_chunks().to_batches()[0]
    rows, lines = batch.column(_ROW).to_numpy(), batch.column(_LINE).to_numpy()
    plain = pa.RecordBatch.from_arrays(batch.columns[: len(columns)], names=list(columns))
    return Piece(plain, rows, lines if has_lines else None, [])
