"""What customer, moment and merchant make of a payment: price, channel, device, country. Same for genuine and fraud."""

import numpy as np

from worlds.cards.people import Customers
from worlds.cards.places import CASH, COUNTRIES, Merchants
from worlds.cards.rows import NO_DEVICE, Channel
from worlds.streams import Floats, Ints, to_cents

DETOUR_SHARE = 0.002  # of online payments that seem to come from some other country
APP_SHARE = 0.4  # of online payments

SMALLEST_CENTS, LARGEST_CENTS = 10, 2_000_000


def price(
    random: np.random.Generator, people: Customers, shops: Merchants, customer: Ints, merchant: Ints, times: Floats
) -> Ints:
    """Cents: what this customer usually pays at this merchant, times a factor, and with the spread of life."""
    spread = np.exp(random.normal(0.0, 0.5, len(customer)))
    return bounded(shops.usual[merchant] * people.factor[customer] * spread * times)


def bounded(amount: Floats) -> Ints:
    return np.clip(to_cents(amount), SMALLEST_CENTS, LARGEST_CENTS)


def channel(random: np.random.Generator, shops: Merchants, merchant: Ints) -> Ints:
    app = random.random(len(merchant)) < APP_SHARE
    online = np.where(app, int(Channel.APP), int(Channel.ONLINE))
    there = np.where(shops.category[merchant] == CASH, int(Channel.ATM), int(Channel.POS))
    return np.where(shops.online[merchant], online, there)


def device(random: np.random.Generator, people: Customers, customer: Ints, channels: Ints, in_hand: Ints) -> Ints:
    """A device is seen online and in an app, and at a till where the customer pays with the phone."""
    wallet = (channels == Channel.POS) & (random.random(len(customer)) < people.wallet[customer])
    seen = (channels == Channel.ONLINE) | (channels == Channel.APP) | wallet
    return np.where(seen, in_hand, NO_DEVICE)


def country(random: np.random.Generator, shops: Merchants, merchant: Ints, channels: Ints, place: Ints) -> Ints:
    """At a till the merchant's country; online the country the connection seems to come from."""
    detour = random.random(len(merchant)) < DETOUR_SHARE
    seeming = np.where(detour, random.integers(0, len(COUNTRIES), len(merchant)), place)
    online = (channels == Channel.ONLINE) | (channels == Channel.APP)
    return np.where(online, seeming, shops.country[merchant])
