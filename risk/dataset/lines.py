"""Text files in blocks that end where a record ends, with the line on which each record begins."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np

from risk.errors import DatasetError

BLOCK_BYTES = 8 * 1024 * 1024
BOM = b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")
# A quoted value may hold line breaks, but a quote that is still open after so many lines was never meant as one.
LONGEST_RECORD_LINES = 1_000
LONGEST_RECORD_BYTES = 1024 * 1024
LONGEST_LINE_BYTES = 64 * 1024 * 1024

_NEWLINE, _RETURN, _QUOTE = 10, 13, 34


class Block(NamedTuple):
    """Whole records: record i is data[starts[i]:ends[i]], without its line end. Blank lines are not records."""

    data: bytes
    starts: np.ndarray
    ends: np.ndarray
    lines: np.ndarray  # 1-based
    unclosed: np.ndarray  # bool: the record has a quote that never closes
    spans_lines: bool  # some record has more than one line

    def record(self, index: int) -> bytes:
        return self.data[self.starts[index] : self.ends[index]]


def read_blocks(path: Path, delimiter: bytes | None, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """With a delimiter, quotes may hold line breaks (CSV); without, a record is a line (NDJSON)."""
    carry, line = b"", 1
    with _opened(path) as stream:
        first = True
        while True:
            data = _read(stream, block_bytes, path)
            last = not data
            if first:
                if data.startswith(UTF16):
                    raise DatasetError(f"{path}: is UTF-16: expected UTF-8. Save it again as UTF-8.")
                data, first = data.removeprefix(BOM), False
            data = carry + data
            if len(carry) > LONGEST_LINE_BYTES:
                raise DatasetError(f"{path}: line {line} is longer than 64 MiB: expected text with line ends.")
            if data:
                block, used, lines = _split(data, line, delimiter, last)
                carry, line = data[used:], line + lines
                if len(block.starts):
                    yield block
            if last:
                return


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")


def _read(stream: BinaryIO, size: int, path: Path) -> bytes:
    try:
        return stream.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"{path}: cannot be read to its end ({error}): expected a whole file. Get it again."
        ) from error


def _split(data: bytes, line: int, delimiter: bytes | None, last: bool) -> tuple[Block, int, int]:
    """The records of `data`, how many bytes they take, how many lines they are."""
    octets = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(octets == _NEWLINE)
    if last and data[-1] != _NEWLINE:
        ends = np.append(ends, len(data))
    starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    first = np.arange(len(ends))
    unclosed = np.zeros(len(ends), bool)
    counted = len(ends)
    spans = False
    if delimiter is not None and b'"' in data:
        joined, open_from, broken = _quoted_lines(data, octets, starts, ends, delimiter, last)
        unclosed[broken] = True
        if open_from is not None:
            counted = open_from
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
    block = Block(data, starts[full], ends[full], first[full] + line, unclosed[full], spans)
    return block, used, counted


def _quoted_lines(
    data: bytes, octets: np.ndarray, starts: np.ndarray, ends: np.ndarray, delimiter: bytes, last: bool
) -> tuple[list[tuple[int, int]], int | None, list[int]]:
    """Which lines belong together, from which line on the next bytes are needed, which lines never close a quote.

    Only a line with an odd number of quotes can open or close a quoted value that goes on, so only those are looked at.
    """
    quotes = np.flatnonzero(octets == _QUOTE)
    odd = np.flatnonzero((np.searchsorted(quotes, ends) - np.searchsorted(quotes, starts)) & 1).tolist()
    joined: list[tuple[int, int]] = []
    broken: list[int] = []
    position = 0
    while position < len(odd):
        opening = odd[position]
        position += 1
        if not _stays_open(data[starts[opening] : ends[opening]], delimiter):
            continue
        closing = odd[position] if position < len(odd) else None
        reach = closing if closing is not None else len(ends)
        too_long = (
            reach - opening > LONGEST_RECORD_LINES
            or (int(ends[closing]) if closing is not None else len(data)) - int(starts[opening]) > LONGEST_RECORD_BYTES
        )
        if too_long or (closing is None and last):
            broken.append(opening)
        elif closing is None:
            return joined, opening, broken
        else:
            joined.append((opening, closing))
            position += 1
    return joined, None, broken


def _stays_open(line: bytes, delimiter: bytes) -> bool:
    """Whether a line that begins outside of quotes ends inside. A quote opens only where a value begins."""
    separator = delimiter[0]
    state = "start"
    for byte in line:
        if byte == _QUOTE:
            # A doubled quote closes and opens again at once, which comes to the same as one that is meant.
            state = {"start": "quoted", "plain": "plain", "quoted": "closed", "closed": "quoted"}[state]
        elif state != "quoted":
            state = "start" if byte == separator else "plain"
    return state == "quoted"
