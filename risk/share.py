"""A share: a challenger decides the transactions of some customers, in place of the bundle in use.

Which customers, a hash of the customer says, and of the challenger, so that each challenger has others. All of a
customer's transactions go the same way for as long as the share stands, and whoever had a smaller one keeps its
customers in a larger one.
"""

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

import msgspec
import numpy as np
from msgspec import Struct

from risk.codes import Array

MOST_PERCENT = 50.0  # beyond it, the other one would be the experiment
PERCENT = f"more than 0 and at most {MOST_PERCENT:g}, with one decimal at most"
PARTS = 10_000  # customers are told apart by so many
_REMEMBERED = 1 << 16  # customers; a hash takes a microsecond


class Share(Struct, frozen=True):
    """As flags and alerts name it."""

    in_use: str
    challenger: str
    percent: float

    def __post_init__(self) -> None:
        """Whoever reads one, whether from a topic or a store, gets what can be one: to msgspec, it is an error of the
        bytes."""
        if not is_percent(self.percent):
            raise ValueError(f"got {self.percent:g} percent, expected {PERCENT}")

    def given(self, customers: Iterable[str]) -> Array:
        """For each of them whether the challenger decides its transactions."""
        below = round(self.percent * PARTS / 100)
        places = (_place(self.challenger, customer) for customer in customers)
        return np.fromiter((place < below for place in places), bool)

    def decides(self, customer: str) -> str:
        """The version of the bundle that decides this customer's transactions."""
        return self.challenger if self.given((customer,))[0] else self.in_use


_decoder = msgspec.json.Decoder(Share)


def text_of(share: Share) -> str:
    """As the store has it."""
    return msgspec.json.encode(share).decode()


@lru_cache(16)  # a stretch of the log has one
def share_of(text: str) -> Share:
    """msgspec.DecodeError where it is none."""
    return _decoder.decode(text)


@lru_cache(_REMEMBERED)
def _place(challenger: str, customer: str) -> int:
    """The same in every process, for ever: flags are checked by it."""
    digest = blake2b(f"{challenger}\0{customer}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % PARTS


def of_the_customers(percent: float | None) -> str:
    """Behind the challenger's name."""
    return "" if percent is None else f" for {percent:g} % of the customers"


def is_percent(percent: float) -> bool:
    """Whether it can be a share: whole, or with one decimal."""
    return 0 < percent <= MOST_PERCENT and round(percent, 1) == percent
