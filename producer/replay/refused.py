"""Rows of a file that are no transactions: sent as the messages they are, or counted where they cannot be."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from risk.dataset import BadRow, Dataset, Rows, message_of

SHOWN = 10


class Refused(NamedTuple):
    """A row that a worker will reject, in the file's own words."""

    key: bytes
    value: bytes


class RefusedRows:
    """Holds what a dataset notes while it is read, until it is known where it belongs."""

    def __init__(self) -> None:
        self.unsent = 0
        self.first_unsent: list[BadRow] = []
        self._waiting: list[BadRow] = []

    def note(self, bad: BadRow) -> None:
        """For the dataset's `on_bad`."""
        self._waiting.append(bad)

    def clear(self) -> None:
        self._waiting.clear()

    def before(self, rows: Rows, dataset: Dataset) -> dict[int, list[BadRow]]:
        """By the place in the chunk that they stand before: their own place in a sorted file, else the first."""
        found: dict[int, list[BadRow]] = {}
        waiting, self._waiting = self._waiting, []
        for bad in waiting:
            place = bisect_left(rows.row_numbers, bad.row) if dataset.is_sorted else 0
            if place == len(rows.row_numbers):
                self._waiting.append(bad)
            else:
                found.setdefault(place, []).append(bad)
        return found

    def left(self) -> list[BadRow]:
        """Those behind the last good row."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def messages(self, bad_rows: Iterable[BadRow], dataset: Dataset, shift_ms: int) -> Iterator[Refused]:
        for bad in bad_rows:
            made = message_of(bad, dataset.column_map, shift_ms)
            if made is None:
                self.unsent += 1
                if len(self.first_unsent) < SHOWN:
                    self.first_unsent.append(bad)
            else:
                yield Refused(*made)
