"""Flags as columns, a piece of the log at a time: what is counted of them, numbers for names and hashes for ids."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from kpi_reporter.kpis.damage import check_within
from kpi_reporter.kpis.names import Names, hashes, keys
from kpi_reporter.kpis.values import MISSING, SCORE_STEPS
from risk.clock import EARLIEST, LATEST
from risk.codes import Array
from risk.events import DECISIONS, LEVELS
from risk.money import LARGEST_MINOR
from risk.store import FlagColumns, StoreToReport
from risk.store.rows import UNKNOWN_AMOUNT

LOW, MEDIUM, HIGH = range(len(LEVELS))
NONE, REVIEW, ALERT = range(len(DECISIONS))


class Vocabulary(NamedTuple):
    """The names of what flags name."""

    currencies: Names
    categories: Names
    channels: Names
    bundles: Names


def new_vocabulary() -> Vocabulary:
    return Vocabulary(Names(), Names(), Names(), Names())


class Piece(NamedTuple):
    """Flags of one partition in the order of the log; an entry of each array for each."""

    partition: int
    offsets: Array
    event_times: Array
    amounts: Array  # minor units; -1 where missing
    levels: Array
    decisions: Array
    are_shared: Array  # bool: decided while a challenger had a share
    bars: Array  # of the score distribution
    customers: Array  # hashes
    customer_ids: list[bytes]
    keys: Array  # hashes of customer and transaction id
    currencies: Array  # and the rest by their number in the vocabulary
    categories: Array
    channels: Array
    bundles: Array


def pieces_from(store: StoreToReport, partition: int, first: int, vocabulary: Vocabulary) -> Iterator[Piece]:
    """All that the partition holds from that offset on."""

    def next_from(offset: int) -> FlagColumns | None:
        return store.flag_columns(partition, offset, score_steps=SCORE_STEPS, missing=MISSING)

    columns = next_from(first)
    if columns is None:
        return
    with ThreadPoolExecutor(max_workers=1) as ahead:
        while columns is not None:
            # The store and we work at once: each takes about half of the time.
            following = ahead.submit(next_from, int(columns.offsets[-1]) + 1)
            yield _piece(partition, columns, vocabulary)
            columns = following.result()


def _piece(partition: int, columns: FlagColumns, vocabulary: Vocabulary) -> Piece:
    offsets, event_times, amounts, levels, decisions, are_shared, bars, customer_ids, transaction_ids, *_ = columns
    named = columns.currencies, columns.categories, columns.channels, columns.bundle_versions
    for column, numbers, lowest, highest in (
        ("event_time", event_times, EARLIEST, LATEST),
        ("level", levels, LOW, HIGH),
        ("decision", decisions, NONE, ALERT),
        (f"score in {SCORE_STEPS}ths", bars, 0, SCORE_STEPS),
        ("amount", amounts, UNKNOWN_AMOUNT, LARGEST_MINOR),
    ):
        check_within(lowest, highest, numbers, column, offsets)
    customers = hashes(customer_ids)
    return Piece(
        partition,
        offsets,
        event_times,
        amounts,
        levels,
        decisions,
        are_shared,
        np.minimum(bars, SCORE_STEPS - 1),
        customers,
        customer_ids,
        keys(customers, hashes(transaction_ids)),
        *(names.numbers(texts) for names, texts in zip(vocabulary, named, strict=True)),
    )
