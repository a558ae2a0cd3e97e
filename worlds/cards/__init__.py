"""The world `cards`: customers, merchants and thieves with habits. docs/worlds.md tells what happens in it."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from risk.clock import DAY, to_ms
from risk.errors import OptionError
from worlds.cards import compromised, fraud, genuine
from worlds.cards.labels import NO_LABEL, labelled_at
from worlds.cards.people import customers
from worlds.cards.places import CATEGORIES, COUNTRIES, Merchants, merchants
from worlds.cards.rows import CHANNELS, KINDS, NO_DEVICE, Kind, Rows, together
from worlds.columns import amounts, blanked, hexadecimal, named, numbered, times
from worlds.streams import Ints, stream
from worlds.world import ROW_GROUP, Option, Progress, Sizes, World, instant

# The last day is fixed and not the first, so that a world of any length lies in the past.
END = to_ms(instant("2025-01-01"))

# Customers that are made at once. Part of what a seed means: another number makes another world.
CUSTOMERS_AT_ONCE = 256

# At about 120 bytes each while they are sorted, 6 GB.
MOST_ROWS = 50_000_000

_MERCHANTS, _CUSTOMERS, _GENUINE, _FRAUD, _COMPROMISED, _LABELS = range(6)


def history(sizes: Sizes, seed: int, progress: Progress, block: int = ROW_GROUP) -> Iterator[pa.RecordBatch]:
    _check_memory(sizes)
    start = END - sizes["days"] * DAY
    shops = merchants(stream(seed, _MERCHANTS), sizes["merchants"])
    rows = _everything(sizes, seed, progress, start, shops)
    known_at = labelled_at(stream(seed, _LABELS), rows)
    order = np.argsort(rows.time, kind="stable")
    with progress("rows", len(order)) as advance:
        for first in range(0, len(order), block):
            part = order[first : first + block]
            yield _batch(rows.chosen(part), known_at[part], shops, start, first + 1, seed)
            advance(len(part))


def _check_memory(sizes: Sizes) -> None:
    expected = sizes["customers"] * sizes["days"] * 2
    if expected > MOST_ROWS:
        raise OptionError(
            f"--customers {sizes['customers']} with --days {sizes['days']} would make about {expected:,} rows; "
            f"expected at most {MOST_ROWS:,}, because the whole world is in memory while it is sorted; make one smaller"
        )


def _everything(sizes: Sizes, seed: int, progress: Progress, start: int, shops: Merchants) -> Rows:
    count, days = sizes["customers"], sizes["days"]
    people = customers(stream(seed, _CUSTOMERS), shops, count, days)
    dates = genuine.calendar(first_weekday=(start // DAY + 3) % 7, days=days)
    parts: list[Rows] = []
    with progress("customers", count) as advance:
        for first in range(0, count, CUSTOMERS_AT_ONCE):
            last = min(first + CUSTOMERS_AT_ONCE, count)
            part = genuine.rows(stream(seed, _GENUINE, first), people, shops, dates, first, last)
            parts.append(part.compact())
            advance(last - first)
    honest = together(parts)
    parts.clear()
    scene = fraud.Scene(people, shops, days)
    stolen = fraud.rows(seed, _FRAUD, scene, len(honest.time))
    again = compromised.rows(stream(seed, _COMPROMISED), honest, sizes["merchants"], days)
    return together([honest, stolen.compact(), again.compact()])


def _batch(rows: Rows, known_at: Ints, shops: Merchants, start: int, number: int, seed: int) -> pa.RecordBatch:
    size = len(rows.time)
    return pa.RecordBatch.from_pydict(
        {
            "transaction_id": numbered("CD", np.arange(number, number + size), 9),
            "event_time": times(rows.time + start),
            "customer_id": numbered("C", rows.customer + 1, 6),
            "merchant_id": numbered("M", rows.merchant + 1, 5),
            "merchant_category": named(list(CATEGORIES), shops.category[rows.merchant]),
            "amount": amounts(rows.amount),
            "currency": pa.repeat("EUR", size),
            "channel": named(CHANNELS, rows.channel),
            "device_id": blanked(hexadecimal("D", _mixed(rows.device, seed), 10), rows.device == NO_DEVICE),
            "country": named(list(COUNTRIES), rows.country),
            "is_fraud": pa.array((rows.kind != Kind.GENUINE).astype(np.int64)),
            "labelled_at": blanked(times(known_at + start), known_at == NO_LABEL),
            "fraud_kind": named(KINDS, rows.kind),
        }
    )


def _mixed(device: Ints, seed: int) -> Ints:
    """Device keys in 40 bits, each to another number, without the order that would tell a thief's from an own one.

    Multiplying by an odd number and folding the high bits down can both be undone, so no two keys meet.
    """
    mask = np.uint64((1 << 40) - 1)
    mixed = device.astype(np.uint64) & mask
    for factor in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
        mixed = ((mixed + np.uint64(seed & 0xFFFFFFFF)) * np.uint64(factor)) & mask
        mixed ^= mixed >> np.uint64(20)
    return mixed.astype(np.int64)


CARDS = World(
    name="cards",
    meaning="customers, merchants and thieves with habits; five kinds of fraud, labels that come days later",
    options=(
        Option("customers", 2000, 1_000_000, "number of customers"),
        Option("merchants", 500, 100_000, "number of merchants"),
        Option("days", 120, 3650, "number of days; the last one is 31 December 2024"),
    ),
    history=history,
)
