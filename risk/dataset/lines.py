"""Text files in blocks that end where a record ends, with the line on which each record begins."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np

from risk.dataset.quotes import LONGEST_ROW_BYTES, LONGEST_ROW_LINES, NO_ROW, UNDECIDED, Quoting
from risk.dataset.source import LONGEST_TEXT_BYTES, MOST_TIMES_UNPACKED
from risk.errors import DatasetError

BLOCK_BYTES = 8 * 1024 * 1024
BOM = b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")
# A file of lines of one byte has eight million in a block, and each row costs a hundred times what it is long.
BLOCK_RECORDS = 131_072
FREELY_UNPACKED = 64 * 1024 * 1024  # bytes; a small file may pack as well as it can

_NEWLINE, _RETURN, _QUOTE = 10, 13, 34


class RecordBlock(NamedTuple):
    """Whole records: record i is data[starts[i]:ends[i]], without its line end. Blank lines are not records."""

    data: bytes
    starts: np.ndarray
    ends: np.ndarray
    lines: np.ndarray  # 1-based
    unclosed: np.ndarray  # bool: a quote is open at the record's end
    spans_lines: bool  # some record has more than one line

    def record(self, index: int) -> bytes:
        return self.data[self.starts[index] : self.ends[index]]


def read_blocks(path: Path, quoting: Quoting | None, block_bytes: int = BLOCK_BYTES) -> Iterator[RecordBlock]:
    """With quoting, a record may go over several lines (CSV); without, it is a line (NDJSON)."""
    carry, line, unpacked = b"", 1, 0
    with opened(path, unpack=is_packed(path)) as stream:
        first = True
        most = _most_unpacked(path)
        while True:
            data = read(stream, max(block_bytes, len(BOM)) if first else block_bytes, path)
            last = not data
            unpacked += len(data)
            if most is not None and unpacked > most:
                raise DatasetError(
                    f"{path}: unpacks to more than {most:,} bytes, {MOST_TIMES_UNPACKED} times its size: expected text"
                    " of a history. If it is one, unpack it and name the unpacked file."
                )
            if first:
                if data.startswith(UTF16):
                    raise DatasetError(f"{path}: is UTF-16: expected UTF-8. Save it again as UTF-8.")
                data, first = data.removeprefix(BOM), False
            data = carry + data
            if len(carry) > LONGEST_TEXT_BYTES:
                raise _too_long(path, line)
            if data:
                block, used, lines = _split(path, data, line, quoting, last)
                carry, line = data[used:], line + lines
                yield from _in_parts(block)
            if last:
                return


def has_byte_order_mark(path: Path) -> bool:
    with opened(path, unpack=is_packed(path)) as stream:
        return read(stream, len(BOM), path) == BOM


def _in_parts(block: RecordBlock) -> Iterator[RecordBlock]:
    for start in range(0, len(block.starts), BLOCK_RECORDS):
        end = start + BLOCK_RECORDS
        if start == 0 and end >= len(block.starts):
            yield block
            return
        low, high = int(block.starts[start]), int(block.starts[end]) if end < len(block.starts) else len(block.data)
        yield RecordBlock(
            block.data[low:high],
            block.starts[start:end] - low,
            block.ends[start:end] - low,
            block.lines[start:end],
            block.unclosed[start:end],
            block.spans_lines,
        )


def _most_unpacked(path: Path) -> int | None:
    """How much a packed file may unpack to; None where it is not packed."""
    return max(FREELY_UNPACKED, MOST_TIMES_UNPACKED * path.stat().st_size) if is_packed(path) else None


def is_packed(path: Path) -> bool:
    """By its name."""
    return path.suffix.lower() == ".gz"


def opened(path: Path, *, unpack: bool) -> BinaryIO:
    try:
        return cast(BinaryIO, gzip.open(path)) if unpack else path.open("rb")
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be opened ({error.strerror}): expected a file that may be read. Check path and rights."
        ) from error


def read(stream: BinaryIO, size: int, path: Path) -> bytes:
    try:
        return stream.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"{path}: cannot be read to its end ({error}): expected a whole file. Get it again."
        ) from error


def _too_long(path: Path, line: int) -> DatasetError:
    return DatasetError(f"{path}: line {line} is longer than 1 MiB: expected text with line ends.")


def _split(path: Path, data: bytes, line: int, quoting: Quoting | None, last: bool) -> tuple[RecordBlock, int, int]:
    """The records of `data`, how many bytes they take, how many lines they are."""
    octets = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(octets == _NEWLINE)
    if last and data[-1] != _NEWLINE:
        ends = np.append(ends, len(data))
    starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    lengths = ends - starts
    if len(lengths) and lengths.max() > LONGEST_TEXT_BYTES:
        raise _too_long(path, line + int(np.argmax(lengths > LONGEST_TEXT_BYTES)))
    first = np.arange(len(ends))
    unclosed = np.zeros(len(ends), bool)
    counted = len(ends)
    spans = False
    if quoting is not None and len(ends) and b'"' in data:
        joined, counted, broken = _quoted_lines(data, octets, starts, ends, quoting, last)
        unclosed[broken] = True
        keep = np.ones(len(ends), bool)
        keep[counted:] = False
        for opening, closing in joined:
            keep[opening + 1 : closing + 1] = False
            ends[opening] = ends[closing]
            spans = True
        starts, ends, first, unclosed = starts[keep], ends[keep], first[keep], unclosed[keep]
    used = min(int(ends[-1]) + 1, len(data)) if len(ends) else 0
    ends = ends - ((ends > starts) & (octets[ends - 1] == _RETURN)) if len(ends) else ends
    full = ends > starts
    block = RecordBlock(data, starts[full], ends[full], first[full] + line, unclosed[full], spans)
    return block, used, counted


def _quoted_lines(
    data: bytes, octets: np.ndarray, starts: np.ndarray, ends: np.ndarray, quoting: Quoting, last: bool
) -> tuple[list[tuple[int, int]], int, list[int]]:
    """Which lines belong together, how many lines are decided, which of them never close a quote."""
    joined: list[tuple[int, int]] = []
    broken: list[int] = []
    after = 0  # the line after the newest row
    for line in _doubtful(octets, ends, quoting.delimiter):
        start = int(starts[line])
        if line < after or not quoting.stays_open(data, start, int(ends[line])):
            continue
        limit, last_line = start + LONGEST_ROW_BYTES, line + LONGEST_ROW_LINES - 1
        if last_line < len(ends):
            limit = min(limit, int(ends[last_line]))
        end = quoting.row_end(data, start, limit, last)
        if end == UNDECIDED:
            return joined, line, broken
        if end == NO_ROW:
            broken.append(line)
        else:
            after = line + data.count(b"\n", start, end) + 1
            joined.append((line, after - 1))
    return joined, len(ends), broken


def _doubtful(octets: np.ndarray, ends: np.ndarray, delimiter: str) -> list[int]:
    """The lines that may end inside of quotes, found at a glance over all of them.

    The others have an even number of quotes, of which each odd one opens, because it begins a value or doubles the
    one before it; so each even one closes, the last one too.
    """
    quotes = np.flatnonzero(octets == _QUOTE)
    until = np.searchsorted(quotes, ends)
    quotes = quotes[: until[-1]]
    counts = np.diff(until, prepend=0)
    is_doubtful = (counts & 1).astype(bool)
    if is_doubtful.any():
        is_odd = np.repeat(((until - counts) & 1).astype(bool), counts)
        is_odd[::2] ^= True
        odd = quotes[is_odd]
    else:
        odd = quotes[::2]
    opens = np.zeros(256, bool)
    opens[[ord(delimiter), _NEWLINE, _QUOTE]] = True
    # Before the first byte a line begins too; clipped, a quote there is its own neighbour, which is as good.
    is_opening = opens.take(octets.take(odd - 1, mode="clip"))
    is_doubtful[np.searchsorted(ends, odd[~is_opening])] = True
    return np.flatnonzero(is_doubtful).tolist()
