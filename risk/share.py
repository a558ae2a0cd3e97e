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


class Share(Struct, frozen=True):
    """As flags and alerts name it."""

    in_use: str
    challenger: str
    percent: float

    def given(self, customers: Iterable[str]) -> Array:
        """For each of them whether the challenger decides its transactions."""
        below, begun = round(self.percent * PARTS / 100), blake2b(f"{self.challenger}\0".encode(), digest_size=8)
        return np.fromiter((_place(begun, customer) < below for customer in customers), bool)

    def decides(self, customer: str) -> str:
        """The version of the bundle that decides this customer's transactions."""
        return self.challenger if self.given((customer,))[0] else self.in_use


_decoder = msgspec.json.Decoder(Share)


def text_of(share: Share) -> str:
    """As the store has it."""
    return msgspec.json.encode(share).decode()


@lru_cache(16)  # a stretch of the log has one
def share_of(text: str) -> Share:
    """msgspec.DecodeError where it is none that can be."""
    share = _decoder.decode(text)
    if not is_percent(share.percent):
        raise msgspec.ValidationError(f"got {share.percent:g} percent, expected {PERCENT}")
    return share


def _place(begun: blake2b, customer: str) -> int:
    """The same in every process, for ever: flags are checked by it. It takes 0.8 µs. Remembered, it would take 0.2, but
    2.4 where there are more customers than are remembered; and an id may have a thousand characters."""
    hashed = begun.copy()
    hashed.update(customer.encode())
    return int.from_bytes(hashed.digest(), "big") % PARTS


def of_the_customers(percent: float | None) -> str:
    """Behind the challenger's name."""
    return "" if percent is None else f" for {percent:g} % of the customers"


def is_percent(percent: float) -> bool:
    """Whether it can be a share: whole, or with one decimal."""
    return 0 < percent <= MOST_PERCENT and round(percent, 1) == percent
