"""Numbers for texts, and hashes of them. Both mean something in this process only."""

from collections.abc import Sequence

import numpy as np

from kpi_reporter.kpis.values import LARGEST, OTHER
from risk.codes import Array

# No store has so many categories unless somebody means harm; they shall not fill the memory.
MOST = 10_000

_ODD = np.uint64(0x9E3779B97F4A7C15)


class Names(dict[bytes, int]):
    """Numbers the texts of a column in the order in which they come. After so many, the rest share one number."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def __missing__(self, text: bytes) -> int:
        if len(self.texts) == MOST:
            return MOST
        self[text] = len(self.texts)
        self.texts.append(text.decode())
        return self[text]

    def numbers(self, texts: list[bytes]) -> Array:
        if texts.count(texts[0]) == len(texts):  # as currencies and bundles mostly are
            return np.full(len(texts), self[texts[0]])
        return np.fromiter(map(self.__getitem__, texts), np.int64, len(texts))

    def text(self, number: int) -> str:
        return OTHER if number == MOST else self.texts[number]


def hashes(texts: Sequence[bytes]) -> Array:
    """64 bits of each: that two of a million texts share them happens once in 10⁷ stores."""
    return np.fromiter(map(hash, texts), np.int64, len(texts)).view(np.uint64)


def keys(customers: Array, transactions: Array) -> Array:
    """One hash for the customer's hash and the transaction id's."""
    return customers * _ODD + transactions


def largest(counts: dict[str, int]) -> dict[str, int]:
    """The largest fifty, of equal ones those first in the alphabet, then all others together."""
    ordered = sorted((item for item in counts.items() if item[0] != OTHER), key=lambda item: (-item[1], item[0]))
    rest = counts.get(OTHER, 0) + sum(count for _, count in ordered[LARGEST:])
    return dict(ordered[:LARGEST]) | ({OTHER: rest} if rest else {})
