"""What is counted of all flags: by month, level and currency, by day, category, channel and bundle, by score."""

from collections import Counter, defaultdict

import numpy as np

from kpi_reporter.kpis.names import Names, largest
from kpi_reporter.kpis.pieces import HIGH, Piece, Vocabulary
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
        self._days: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
        self._categories, self._channels, self._bundles = (Counter[int]() for _ in range(3))
        self._high_categories, self._high_channels = Counter[int](), Counter[int]()
        self._bars = np.zeros(SCORE_STEPS, np.int64)

    def add(self, piece: Piece) -> None:
        high = piece.levels == HIGH
        self._add_cells(piece)
        days = piece.event_times // DAY
        for day, count in _counted(days):
            self._days[day][0] += count
        for day, count in _counted(days[high]):
            self._days[day][1] += count
        for counter, numbers in (
            (self._categories, piece.categories),
            (self._high_categories, piece.categories[high]),
            (self._channels, piece.channels),
            (self._high_channels, piece.channels[high]),
            (self._bundles, piece.bundles),
        ):
            counter.update(dict(_counted(numbers)))
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
        return tuple(Day(day, *self._days.get(day, (0, 0))) for day in range(first, last + 1))

    def by_category(self) -> tuple[dict[str, int], dict[str, int]]:
        """All, and the high ones."""
        return _with_high(self._names.categories, self._categories, self._high_categories)

    def by_channel(self) -> tuple[dict[str, int], dict[str, int]]:
        return _with_high(self._names.channels, self._channels, self._high_channels)

    def by_bundle(self) -> dict[str, int]:
        return largest(_named(self._names.bundles, self._bundles))

    def scores(self) -> tuple[int, ...]:
        return tuple(self._bars.tolist())


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


def _with_high(names: Names, counts: Counter[int], high: Counter[int]) -> tuple[dict[str, int], dict[str, int]]:
    shown, all_high = largest(_named(names, counts)), _named(names, high)
    shown_high = {name: all_high.get(name, 0) for name in shown}
    rest = sum(all_high.values()) - sum(shown_high.values())
    if rest:
        *_, last = shown
        shown_high[last] += rest
    return shown, shown_high


def _amounts(currency: str, transactions: int, known: int, minor: int) -> Amounts:
    total = to_major(minor, currency)
    return Amounts(currency, transactions, known, total, total / known if known else None)
