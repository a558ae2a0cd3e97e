"""What each column of a file holds, over all of its rows, and a sample to look at more closely."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from risk.dataset.names import are_numbers, is_nested_name, present_texts
from risk.dataset.source import Source, check_length
from risk.dataset.values import as_texts, is_text
from risk.events import RejectReason

SAMPLE_ROWS = 1_000_000
SAMPLE_BYTES = 256 * 1024 * 1024
MOST_DISTINCT = 10_000
EXAMPLES = 3
EXAMPLE_CHARACTERS = 24
# Whatever Arrow takes for one, and a little more.
_LIKE_A_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$|inf|nan"


class ColumnFacts:
    """One column, counted piece by piece."""

    def __init__(self, name: str, type_: str) -> None:
        self.name, self.type = name, type_
        self.rows = self.missing = self.not_numbers = 0
        self._distinct: set[int] = set()
        self.examples: list[str] = []
        self._numeric: bool | None = None  # decided by the first piece that has a value

    def add(self, array: pa.Array) -> None:
        self.rows += len(array)
        present = array.filter(pc.not_equal(array, "")) if is_text(array) else array.drop_null()
        self.missing += len(array) - len(present)
        if not len(present):
            return
        if len(self.examples) < EXAMPLES or len(self._distinct) <= MOST_DISTINCT:
            values = present.unique()
            if len(self.examples) < EXAMPLES:
                fresh = [text or "" for text in as_texts(values.slice(0, EXAMPLES + 1))]
                self.examples += [text for text in fresh if text not in self.examples][: EXAMPLES - len(self.examples)]
            # By their hashes: ten thousand long texts of each column would be gigabytes.
            self._distinct.update(map(hash, as_texts(values.slice(0, MOST_DISTINCT + 1))))
        if is_text(present):
            self._count_not_numbers(present)

    def _count_not_numbers(self, present: pa.Array) -> None:
        """A text column is taken for numbers if most of its first values are some; then the others are counted."""
        if self._numeric is None:
            head = present_texts(present.slice(0, 1_000))
            wrong = 0 if not len(head) or are_numbers(head) else _not_numbers(head)
            self._numeric = bool(len(head)) and wrong * 2 < len(head)
        if self._numeric:
            values = present_texts(present)
            self.not_numbers += 0 if are_numbers(values) else _not_numbers(values)

    @property
    def distinct(self) -> str:
        count = len(self._distinct)
        return f"over {MOST_DISTINCT:,}" if count > MOST_DISTINCT else f"{count:,}"

    @property
    def kind(self) -> str:
        """The type as a person would say it."""
        if self.type not in ("text", "JSON"):
            return self.type
        return "number" if self._numeric else "text"

    @property
    def shown_examples(self) -> str:
        cut = (
            text if len(text) <= EXAMPLE_CHARACTERS else text[: EXAMPLE_CHARACTERS - 1] + "…" for text in self.examples
        )
        return ", ".join(cut)


class Survey(NamedTuple):
    """A file as it was found."""

    rows: int  # bad rows too
    unreadable: int  # rows that do not even have columns
    not_utf8: int  # of these
    twice: list[str]  # names that several columns have
    nested: list[str]  # columns whose values hold values
    columns: list[ColumnFacts]
    sample: pa.Table  # the first rows


def survey(source: Source, advance: Callable[[int], None] = lambda _rows: None) -> Survey:
    """One pass over all rows and columns."""
    twice = [name for name, count in Counter(source.columns).items() if count > 1]
    once = [name for name in source.columns if name not in twice]
    nested = [name for name in once if is_nested_name(source.types[name])]
    names = [name for name in once if name not in nested]
    facts = [ColumnFacts(name, source.types[name]) for name in names]
    kept: list[pa.RecordBatch] = []
    rows = unreadable = not_utf8 = sampled = sampled_bytes = 0
    for piece in source.pieces(names):
        rows += piece.table.num_rows + len(piece.bad)
        check_length(rows)
        unreadable += len(piece.bad)
        not_utf8 += sum(1 for bad in piece.bad if bad.reason is RejectReason.NOT_UTF8)
        advance(piece.table.num_rows + len(piece.bad))
        for one, array in zip(facts, piece.table.columns, strict=True):
            one.add(array)
        if sampled < SAMPLE_ROWS and sampled_bytes < SAMPLE_BYTES:
            kept.append(piece.table)
            sampled += piece.table.num_rows
            sampled_bytes += piece.table.nbytes
    if kept:
        sample = pa.Table.from_batches(kept).slice(0, SAMPLE_ROWS)
    else:
        sample = pa.table([pa.array([], pa.string()) for _ in names], names=names)
    return Survey(rows, unreadable, not_utf8, twice, nested, facts, sample.combine_chunks())


def column_of(sample: pa.Table, name: str) -> pa.Array:
    return pa.concat_arrays(sample.column(name).chunks or [pa.array([], sample.schema.field(name).type)])


def _not_numbers(values: pa.Array) -> int:
    """Only what looks like a number is tried one by one, and only if not all of it is some."""
    plain = pc.utf8_trim_whitespace(values)
    alike = values.filter(pc.match_substring_regex(plain, _LIKE_A_NUMBER, ignore_case=True))
    failed = 0 if are_numbers(alike) else sum(1 for value in alike if not are_numbers(pa.array([value.as_py()])))
    return len(values) - len(alike) + failed
