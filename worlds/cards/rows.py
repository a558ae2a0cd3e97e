"""Transactions as compact columns of numbers; their names come last."""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from msgspec import Struct
from msgspec.structs import fields

from worlds.streams import Bools, Ints

KINDS = (None, "card_testing", "stolen_card_burst", "account_takeover", "compromised_merchant", "slow_bleed")
CHANNELS = ("pos", "online", "app", "atm")


class Kind(IntEnum):
    GENUINE = 0
    CARD_TESTING = 1
    STOLEN_CARD_BURST = 2
    ACCOUNT_TAKEOVER = 3
    COMPROMISED_MERCHANT = 4
    SLOW_BLEED = 5


class Channel(IntEnum):
    POS = 0
    ONLINE = 1
    APP = 2
    ATM = 3


NO_DEVICE = -1


class Rows(Struct, frozen=True):
    """Times in milliseconds since the world's start, amounts in cents. `odd` would make somebody ask the customer."""

    time: Ints
    customer: Ints
    merchant: Ints
    amount: Ints
    channel: Ints
    device: Ints
    country: Ints
    kind: Ints
    odd: Bools

    def chosen(self, which: Ints | Bools | slice) -> "Rows":
        return Rows(*(getattr(self, field.name)[which] for field in fields(Rows)))

    def compact(self) -> "Rows":
        """The same in the narrowest types that always hold it, for a whole world is in memory."""
        return Rows(
            self.time,
            self.customer.astype(np.int32),
            self.merchant.astype(np.int32),
            self.amount.astype(np.int32),
            self.channel.astype(np.int8),
            self.device,
            self.country.astype(np.int8),
            self.kind.astype(np.int8),
            self.odd,
        )


def together(parts: Sequence[Rows]) -> Rows:
    return Rows(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Rows)))
