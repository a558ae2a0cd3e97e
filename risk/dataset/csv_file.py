"""CSV: every value as the text it is, so that an id such as 00123 stays one."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv

from risk.dataset.encoding import NO_CHARACTER, not_utf8_header
from risk.dataset.lines import BLOCK_BYTES, RecordBlock, has_byte_order_mark, read_blocks
from risk.dataset.quotes import Quoting
from risk.dataset.source import BadRow, Piece, check_once, check_width
from risk.diagnosis import rejected
from risk.errors import DatasetError
from risk.events import Rejected, RejectReason

DELIMITERS = (",", ";", "\t", "|")
HEAD_BYTES = 256 * 1024
HEAD_RECORDS = 20
FEWEST_BELOW_A_TITLE = 3  # values of a row; R leaves away the name of the first column, and such a header is no title
FEWEST_SPACES = 3  # in a header that could be one name
_EXCELS_OWN = re.compile(r'"?sep=.{1,2}"?', re.IGNORECASE)
_IN_A_NAME = set("_-.'\"()/")
CLOSED = "a quote that is closed again, before a delimiter or a line's end, in a row as wide as the header"


class CsvSource:
    """Comma, semicolon, tab or bar; quotes; a header line; UTF-8, with or without a byte order mark; gzip."""

    def __init__(self, path: Path, block_bytes: int = BLOCK_BYTES, folder: Path | None = None) -> None:
        """`folder`: of which it is a part."""
        self._path, self._block_bytes = path, block_bytes
        self.delimiter, self.columns = _read_head(path, folder)
        check_width(path, len(self.columns))
        self._quoting = Quoting(self.delimiter, len(self.columns))
        self.types = dict.fromkeys(self.columns, "text")
        self.has_byte_order_mark = has_byte_order_mark(path)

    def pieces(self, columns: Sequence[str]) -> Iterator[Piece]:
        check_once(self._path, self.columns, columns)
        wanted = [self.columns.index(name) for name in columns]
        rows = 0
        for number, block in enumerate(read_blocks(self._path, self._quoting, self._block_bytes)):
            body = _without_first(block) if number == 0 else block
            if len(body.starts):
                yield self._piece(body, rows + 1, columns, wanted)
                rows += len(body.starts)

    def _piece(self, block: RecordBlock, first_row: int, columns: Sequence[str], wanted: list[int]) -> Piece:
        why: dict[int, Rejected] = {}
        for index in np.flatnonzero(block.unclosed).tolist():
            why[index] = _not_a_row(block.record(index).decode(errors="replace"), CLOSED)
        if not block.data.isascii():
            why |= _not_utf8(block)
        texts = None
        if not _has_lone_return(block):
            texts = _parsed(block, why, self._quoting, len(self.columns), wanted)
        if texts is None:
            texts = _parsed_one_by_one(block, why, self._quoting, len(self.columns), wanted)
        rows = np.arange(first_row, first_row + len(block.starts), dtype=np.int64)
        bad = [
            BadRow.of(int(rows[index]), int(block.lines[index]), why[index], self._values(block, index, columns))
            for index in sorted(why)
        ]
        good = np.ones(len(rows), bool)
        good[list(why)] = False
        table = pa.RecordBatch.from_arrays(texts, names=list(columns))
        return Piece(table, rows[good], block.lines[good], bad)

    def _values(self, block: RecordBlock, index: int, columns: Sequence[str]) -> dict[str, str]:
        values = self._quoting.values(block.record(index).decode(errors="backslashreplace"))
        there = dict(zip(self.columns, values, strict=False))
        return {name: there[name] for name in columns if name in there}


def _without_first(block: RecordBlock) -> RecordBlock:
    """The block without its first record, the header."""
    cut = int(block.starts[1]) if len(block.starts) > 1 else len(block.data)
    return RecordBlock(
        block.data[cut:],
        block.starts[1:] - cut,
        block.ends[1:] - cut,
        block.lines[1:],
        block.unclosed[1:],
        block.spans_lines,
    )


def _has_lone_return(block: RecordBlock) -> bool:
    """To pyarrow a return alone ends a row; to us it is a part of the value."""
    end = int(block.ends[-1])
    if block.data.find(b"\r", 0, end) < 0:
        return False
    return block.data.count(b"\r", 0, end) != block.data.count(b"\r\n", 0, end)


def _not_a_row(got: str, expected: str) -> Rejected:
    return rejected(RejectReason.NOT_AN_OBJECT, "row", got, expected)


def _not_utf8(block: RecordBlock) -> dict[int, Rejected]:
    """A row is UTF-8 as a whole or it is bad, so that what is said of it does not depend on its neighbours."""
    try:
        block.data.decode()
    except UnicodeDecodeError:
        pass
    else:
        return {}
    found = {}
    for index in range(len(block.starts)):
        try:
            block.record(index).decode()
        except UnicodeDecodeError as error:
            octets = error.object[error.start : error.start + 8].hex(" ")
            found[index] = rejected(RejectReason.NOT_UTF8, f"row at byte {error.start}", octets, "UTF-8")
    return found


def _parsed(
    block: RecordBlock, why: dict[int, Rejected], quoting: Quoting, width: int, wanted: list[int]
) -> list[pa.Array] | None:
    """The wanted columns of the rows that are not bad; adds to `why` those with another number of values.

    None where pyarrow sees other rows than we do, as it may after a stray quote.
    """
    whole = [i for i in range(len(block.starts)) if i not in why] if why else None
    data: bytes | memoryview = memoryview(block.data)[: int(block.ends[-1])]
    if whole is not None:
        data = b"\n".join(block.record(i) for i in whole)
    wrong: dict[int, Rejected] = {}

    def note(row: pa.csv.InvalidRow) -> str:
        index = row.number - 1 if whole is None else whole[row.number - 1]
        wrong[index] = _not_a_row(row.text, f"{width} values, as the header has, not {row.actual_columns}")
        return "skip"

    names = [str(i) for i in range(width)]
    chosen = [names[i] for i in wanted]
    count = len(block.starts) - len(why)
    if not count:
        return [pa.array([], pa.string()) for _ in wanted]
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(data),
            read_options=pa.csv.ReadOptions(use_threads=False, column_names=names, block_size=max(len(data) + 1, 1024)),
            parse_options=pa.csv.ParseOptions(
                delimiter=quoting.delimiter, newlines_in_values=block.spans_lines, invalid_row_handler=note
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(chosen, pa.string()), include_columns=list(dict.fromkeys(chosen))
            ),
        )
    except (pa.ArrowInvalid, IndexError):
        return None
    if table.num_rows + len(wrong) != count:
        return None
    why |= wrong
    table = table.combine_chunks()
    return [_one_array(table.column(name)) for name in chosen]


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], pa.string())])


def _parsed_one_by_one(
    block: RecordBlock, why: dict[int, Rejected], quoting: Quoting, width: int, wanted: list[int]
) -> list[pa.Array]:
    """The same as `_parsed`, slowly: no row can mislead the next."""
    texts: list[list[str]] = [[] for _ in wanted]
    for index in range(len(block.starts)):
        if index in why:
            continue
        text = block.record(index).decode()
        values = quoting.values(text)
        if len(values) != width:
            why[index] = _not_a_row(text, f"{width} values, as the header has, not {len(values)}")
        else:
            for column, position in zip(texts, wanted, strict=True):
                column.append(values[position])
    return [pa.array(column, pa.string()) for column in texts]


def _read_head(path: Path, folder: Path | None) -> tuple[str, list[str]]:
    """The delimiter and the names of the columns."""
    heads = {delimiter: _first_records(path, Quoting(delimiter, None)) for delimiter in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda one: _agreement(heads[one]))
    if not heads[delimiter]:
        raise DatasetError(f"{path}: is empty: expected a header line with the names of the columns.")
    first, names, _ = heads[delimiter][0]
    if "\r" in first and "\n" not in first:
        raise DatasetError(f"{path}: has old line ends (CR): expected LF or CR LF. Save it again.")
    header = _header_further_down(heads, delimiter)
    if header is not None:
        raise DatasetError(
            f"{path}: line 1 is not the header but {first[:80]!r}: expected the names of the columns, which line"
            f" {header} seems to have. Remove what stands above it: tail -n +{header}."
        )
    if len(names) == 1:
        _check_other_delimiter(path, [text for text, _, _ in heads[delimiter]])
    if not names or sum(map(_is_number, names)) * 2 > len(names):
        raise DatasetError(f"{path}: the first line is {first[:80]!r}: expected the names of the columns. Add them.")
    if any(NO_CHARACTER in name for name in names):
        raise not_utf8_header(path, folder)
    return delimiter, [name.strip() or f"column_{place}" for place, name in enumerate(names, 1)]


class _Record(NamedTuple):
    text: str
    values: list[str]  # none where a quote is never closed
    line: int


def _first_records(path: Path, quoting: Quoting) -> list[_Record]:
    head = next(read_blocks(path, quoting, HEAD_BYTES), None)
    if head is None:
        return []
    places = range(min(len(head.starts), HEAD_RECORDS))
    texts = [head.record(place).decode(errors="replace") for place in places]
    return [
        _Record(text, [] if head.unclosed[place] else quoting.values(text), int(head.lines[place]))
        for place, text in zip(places, texts, strict=True)
    ]


def _agreement(records: list[_Record]) -> tuple[bool, bool, int]:
    """It must part the header; then most rows have as many values as the header; then the more the better."""
    if not records:
        return False, False, 0
    width = len(records[0].values)
    return width > 1, sum(len(one.values) == width for one in records) * 2 > len(records), width


def _header_further_down(heads: dict[str, list[_Record]], delimiter: str) -> int | None:
    """The line of the first record that is as wide as most, below a title or what Excel writes for itself."""
    first = heads[delimiter][0]
    if _EXCELS_OWN.fullmatch(first.text):
        return first.line + 1
    if all(_agreement(heads[delimiter])[:2]):
        return None
    found = []
    for records in heads.values():
        width, count = Counter(len(one.values) for one in records).most_common(1)[0]
        if width >= FEWEST_BELOW_A_TITLE and count * 2 > len(records) and len(records[0].values) * 2 <= width:
            found.append((width, next(one.line for one in records if len(one.values) == width)))
    return max(found)[1] if found else None


def _check_other_delimiter(path: Path, texts: list[str]) -> None:
    """One column is a file, too; but not where one sign comes as often in most rows as in the header."""
    header, *rows = texts
    for sign in sorted(set(header) - _IN_A_NAME, key=header.count, reverse=True):
        often = header.count(sign)
        alike = sum(row.count(sign) == often for row in rows)
        if not sign.isalnum() and often >= (FEWEST_SPACES if sign == " " else 1) and alike * 2 > len(rows):
            raise DatasetError(
                f"{path}: has only one column, {header[:80]!r}: expected a comma, semicolon, tab or bar between the"
                f" values, not {sign!r}. Write it with one of these."
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
