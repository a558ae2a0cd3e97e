"""What is counted of all flags: by month, level and currency, by day, category, channel and bundle, by score."""

from collections import Counter, defaultdict
from typing import NamedTuple

import numpy as np

from kpi_reporter.kpis.names import Names, largest
from kpi_reporter.kpis.pieces import ALERT, HIGH, REVIEW, Piece, Vocabulary
from kpi_reporter.kpis.values import SCORE_STEPS, Amounts, Day, Month
from risk.clock import DAY
from risk.codes import Array
from risk.events import LEVELS
from risk.money import to_major
from risk.store.rows import UNKNOWN_AMOUNT

DAYS_SHOWN = 38
MONTHS_SHOWN = 60


class Totals:
    def __init__(self, vocabulary: Vocabulary) -> None:
        self._names = vocabulary
        # transactions, those with an amount, sum of minor units; by month since 1970, level and currency
        self._cells: defaultdict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0, 0])
        # transactions, alerts, reviews
        self._days: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
        self._categories, self._channels = _Groups(vocabulary.categories), _Groups(vocabulary.channels)
        self._bundles = Counter[int]()
        self._bars = np.zeros(SCORE_STEPS, np.int64)

    def add(self, piece: Piece) -> None:
        high, alerts = piece.levels == HIGH, piece.decisions == ALERT
        self._add_cells(piece)
        days = piece.event_times // DAY
        for place, some in enumerate((days, days[alerts], days[piece.decisions == REVIEW])):
            for day, count in _counted(some):
                self._days[day][place] += count
        self._categories.add(piece.categories, high, alerts)
        self._channels.add(piece.channels, high, alerts)
        self._bundles.update(dict(_counted(piece.bundles)))
        self._bars += np.bincount(piece.bars, minlength=SCORE_STEPS)

    def _add_cells(self, piece: Piece) -> None:
        months = piece.event_times.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
        first, width = int(months.min()), int(piece.currencies.max()) + 1
        cells = ((months - first) * len(LEVELS) + piece.levels) * width + piece.currencies
        known = piece.amounts != UNKNOWN_AMOUNT
        counts = np.bincount(cells)
        with_amount = np.bincount(cells[known], minlength=len(counts))
        sums = np.zeros(len(counts), np.int64)  # exact, which float64 would not be
        np.add.at(sums, cells[known], piece.amounts[known])
        for cell in np.flatnonzero(counts).tolist():
            rest, currency = divmod(cell, width)
            month, level = divmod(rest, len(LEVELS))
            total = self._cells[first + month, level, currency]
            for place, column in enumerate((counts, with_amount, sums)):
                total[place] += int(column[cell])

    def by_level(self) -> dict[str, int]:
        found = Counter[int]()
        for (_, level, _), (count, _, _) in self._cells.items():
            found[level] += count
        return {name: found[level] for level, name in enumerate(LEVELS)}

    def by_decision(self) -> dict[str, int]:
        transactions, alerts, reviews = (sum(column) for column in zip((0, 0, 0), *self._days.values(), strict=True))
        return {"none": transactions - alerts - reviews, "review": reviews, "alert": alerts}

    def amounts(self) -> tuple[Amounts, ...]:
        found: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for (_, _, currency), cell in self._cells.items():
            total = found[self._names.currencies.text(currency)]
            for place, number in enumerate(cell):
                total[place] += number
        return tuple(_amounts(currency, *found[currency]) for currency in sorted(found))

    def months(self) -> tuple[Month, ...]:
        newest = sorted({month for month, _, _ in self._cells}, reverse=True)[:MONTHS_SHOWN]
        shown = sorted((cell for cell in self._cells if cell[0] in newest), key=lambda cell: (-cell[0], *cell[1:]))
        return tuple(self._month(*cell) for cell in shown)

    def _month(self, month: int, level: int, currency: int) -> Month:
        count, _, minor = self._cells[month, level, currency]
        code = self._names.currencies.text(currency)
        return Month(str(np.datetime64(month, "M")), LEVELS[level], code, count, to_major(minor, code))

    def days(self) -> tuple[Day, ...]:
        """Up to the newest one. A day without a transaction is there with 0, so that an outage is seen."""
        if not self._days:
            return ()
        last = max(self._days)
        first = max(min(self._days), last - DAYS_SHOWN + 1)
        return tuple(Day(day, *self._days.get(day, (0, 0, 0))) for day in range(first, last + 1))

    def by_category(self) -> "Grouped":
        return self._categories.counts()

    def by_channel(self) -> "Grouped":
        return self._channels.counts()

    def by_bundle(self) -> dict[str, int]:
        return largest(_named(self._names.bundles, self._bundles))

    def scores(self) -> tuple[int, ...]:
        return tuple(self._bars.tolist())


class Grouped(NamedTuple):
    """By name, the largest first, with the same names in the same order."""

    all: dict[str, int]
    high: dict[str, int]
    alerts: dict[str, int]


class _Groups:
    def __init__(self, names: Names) -> None:
        self._names = names
        self._all, self._high, self._alerts = (Counter[int]() for _ in range(3))

    def add(self, numbers: Array, high: Array, alerts: Array) -> None:
        for counter, some in ((self._all, numbers), (self._high, numbers[high]), (self._alerts, numbers[alerts])):
            counter.update(dict(_counted(some)))

    def counts(self) -> Grouped:
        shown = largest(_named(self._names, self._all))
        return Grouped(shown, *(_among(shown, _named(self._names, some)) for some in (self._high, self._alerts)))


def _counted(numbers: Array) -> list[tuple[int, int]]:
    """Each number that occurs, and how often. They lie close together: days of a piece, places in a vocabulary."""
    if not len(numbers):
        return []
    first = int(numbers.min())
    counts = np.bincount(numbers - first)
    found = np.flatnonzero(counts)
    return list(zip((found + first).tolist(), counts[found].tolist(), strict=True))


def _named(names: Names, counts: Counter[int]) -> dict[str, int]:
    named = Counter[str]()
    for number, count in counts.items():
        named[names.text(number)] += count
    return named


def _among(shown: dict[str, int], some: dict[str, int]) -> dict[str, int]:
    """What is not shown by its name belongs to the last, which is the rest."""
    found = {name: some.get(name, 0) for name in shown}
    rest = sum(some.values()) - sum(found.values())
    if rest:
        *_, last = shown
        found[last] += rest
    return found


def _amounts(currency: str, transactions: int, known: int, minor: int) -> Amounts:
    total = to_major(minor, currency)
    return Amounts(currency, transactions, known, total, total / known if known else None)
