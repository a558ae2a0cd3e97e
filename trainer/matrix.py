"""A file through the engine into arrays, in one pass: everything that learning and judging look at afterwards."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from console.terminal import progress
from risk.catalogue import EngineTerms, FeatureSet
from risk.clock import DAY
from risk.codes import Array
from risk.dataset.column_map import CATEGORY_FIELDS
from risk.engine import FeatureBlock, Verdict
from risk.ledger import NO_DAY
from risk.ledger_day import LedgerTerms
from risk.scorer import Preparation
from risk.words import number_text
from trainer.replay import Passed, Replay

NO_WORD = -1
PREPARED_AT_ONCE = 65_536


class Words(NamedTuple):
    """A text column: for each row the place of its word, NO_WORD where it is missing."""

    words: tuple[str, ...]
    codes: Array  # int32


class Matrix(NamedTuple):
    """The scored transactions of a file in event-time order, before anything is learned from them."""

    feature_set: FeatureSet
    values: Array  # float64, a column for each of feature_set.numbers
    categories: dict[str, Words]
    event_times: Array  # int64 ms
    customers: Array  # int64 codes
    merchants: Array  # int64 codes, NO_WORD where there is none
    is_fraud: Array  # int8: 1, 0, -1 not known
    labelled_at: Array  # int64 ms, -1 never
    kinds: Words | None
    ids: tuple[str, ...]  # transaction ids; none unless they were asked for
    sensitive: Mapping[str, Words] = MappingProxyType({})  # what rates are measured by; numbers as text
    ledger_terms: LedgerTerms = EngineTerms("").ledger_terms  # of the ledger that its values were read from

    @property
    def row_count(self) -> int:
        return len(self.event_times)

    @property
    def days(self) -> tuple[int, int]:
        """The first and the last day with a transaction."""
        return int(self.event_times[0]) // DAY, int(self.event_times.max()) // DAY

    def number(self, name: str) -> Array:
        names = [feature.name for feature in self.feature_set.numbers]
        return self.values[:, names.index(name)]

    def prepared(self, preparation: Preparation, rows: Array) -> Array:
        """These rows as a model wants them, by the same code that serves."""
        parts = [preparation.prepare(batch).values for batch in self._batches(rows)]
        return np.concatenate(parts)

    def _batches(self, rows: Array) -> Iterator[FeatureBlock]:
        places = {feature.name: place for place, feature in enumerate(self.feature_set.numbers)}
        words = {name: np.array([*column.words, None], object) for name, column in self.categories.items()}
        for first in range(0, max(len(rows), 1), PREPARED_AT_ONCE):
            part = rows[first : first + PREPARED_AT_ONCE]
            categories = {name: words[name][column.codes[part]].tolist() for name, column in self.categories.items()}
            verdicts = np.full(len(part), Verdict.SCORED, np.uint8)
            yield FeatureBlock(self.values[part], places, categories, verdicts, np.full(len(part), NO_DAY, np.int64))


class _Coder:
    """Gives each word a number as it comes by."""

    def __init__(self) -> None:
        self._codes: dict[str | None, int] = {None: NO_WORD}

    def codes(self, words: Iterable[str | None]) -> list[int]:
        known = self._codes
        return [known.setdefault(word, len(known) - 1) for word in words]

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(word for word in self._codes if word is not None)


class _Column:
    """Grows by pieces; one array in the end."""

    def __init__(self, dtype: type) -> None:
        self._dtype = dtype
        self._pieces: list[Array] = []

    def add(self, piece: Any) -> None:
        self._pieces.append(np.asarray(piece, self._dtype))

    def whole(self) -> Array:
        array = np.concatenate([np.empty(0, self._dtype), *self._pieces])
        self._pieces.clear()
        return array


def read_matrix(replay: Replay, *, keep_ids: bool = False) -> Matrix:
    """Sends the replay's dataset through its engine. What is a duplicate or late is not part of it."""
    dataset, feature_set = replay.dataset, replay.feature_set
    values = np.empty((dataset.row_count, len(feature_set.numbers)))
    coders = {name: _Coder() for name in ("customer", "merchant", "kind", *(f.name for f in feature_set.categories))}
    codes = {name: _Column(np.int32) for name in coders}
    columns = {"event_times": _Column(np.int64), "is_fraud": _Column(np.int8), "labelled_at": _Column(np.int64)}
    sensitive = {name: _Coder() for name in dataset.column_map.sensitive}
    groups = {name: _Column(np.int32) for name in sensitive}
    ids: list[str] = []
    count = 0
    with progress("features", dataset.row_count) as advance:
        for passed in replay.chunks():
            scored = np.flatnonzero(passed.batch.verdicts == Verdict.SCORED)
            values[count : count + len(scored)] = passed.batch.values[scored]
            count += len(scored)
            for name, words in _texts(passed).items():
                codes[name].add(np.array(coders[name].codes(words), np.int32)[scored])
            for name, column in _arrays(passed).items():
                columns[name].add(column[scored])
            for name, coder in sensitive.items():
                groups[name].add(np.array(coder.codes(_of_each(passed, name)), np.int32)[scored])
            if keep_ids:
                ids += [passed.rows.block.transaction_id[row] for row in scored.tolist()]
            advance(len(passed.rows.block))
    whole = {name: column.whole() for name, column in codes.items()}
    kinds = None if dataset.column_map.fraud_kind is None else Words(coders["kind"].words, whole["kind"])
    return Matrix(
        feature_set,
        values[:count],
        {f.name: Words(coders[f.name].words, whole[f.name]) for f in feature_set.categories},
        customers=whole["customer"].astype(np.int64),
        merchants=whole["merchant"].astype(np.int64),
        kinds=kinds,
        ids=tuple(ids),
        sensitive={name: Words(coder.words, groups[name].whole()) for name, coder in sensitive.items()},
        **{name: column.whole() for name, column in columns.items()},
        ledger_terms=replay.terms.ledger_terms,
    )


def _texts(passed: Passed) -> dict[str, Iterable[str | None]]:
    block = passed.rows.block
    own: dict[str, Iterable[str | None]] = {
        "customer": block.customer_id,
        "merchant": block.merchant_id,
        "kind": passed.rows.fraud_kind,
    }
    return {**own, **passed.batch.categories}


def _of_each(passed: Passed, name: str) -> Iterable[str | None]:
    """An attribute or a field, as text."""
    block = passed.rows.block
    if name in CATEGORY_FIELDS:
        return list(getattr(block, name))
    values = (attributes.get(name) for attributes in block.attributes)
    return [value if value is None or isinstance(value, str) else number_text(value) for value in values]


def _arrays(passed: Passed) -> dict[str, Array]:
    rows = passed.rows
    return {
        "event_times": rows.block.event_time,
        "is_fraud": rows.is_fraud,
        "labelled_at": rows.labelled_at,
    }
