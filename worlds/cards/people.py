"""Customers: home, usual amount, rate, hours, favourite merchants, devices and trips."""

import numpy as np
from msgspec import Struct

from risk.clock import DAY, HOUR
from worlds.cards.places import DESTINATIONS, HOMES, Merchants
from worlds.streams import Floats, Ints, cumulated, drawn

FAVOURITES = 12
FAVOURITE_WEIGHTS = cumulated(np.power(0.82, np.arange(FAVOURITES, dtype=np.float64)))

BASE_RATE = 1.96  # transactions per day before shopping sprees are added

DAYS_PER_TRIP = 150.0
DAYS_PER_NEW_DEVICE = 160.0
ONCE_SHARE = 0.003  # of payments that come from a device used once

# Device keys: the customer, and within the customer main devices, a second one, and ones used once.
_KEYS_PER_CUSTOMER = 4096
_SECOND_DEVICE = 40
_ONCE = 64


class Spans(Struct, frozen=True):
    """Something that lasts, per customer: sorted by (customer, start), so that a moment is found by bisection."""

    key: Ints
    end: Ints
    value: Ints
    length_ms: int

    def at(self, customer: Ints, time: Ints, otherwise: Ints) -> Ints:
        """The value of the span that the moment lies in."""
        if not len(self.key):
            return otherwise
        found = np.maximum(np.searchsorted(self.key, customer * self.length_ms + time, side="right") - 1, 0)
        inside = (self.key[found] // self.length_ms == customer) & (self.key[found] % self.length_ms <= time)
        return np.where(inside & (time < self.end[found]), self.value[found], otherwise)


class Customers(Struct, frozen=True):
    """One entry per customer. Times are milliseconds since the world's start."""

    home: Ints
    factor: Floats
    rate: Floats
    shift: Ints
    favourites: Ints
    spree_rate: Floats
    second_device: Floats
    wallet: Floats
    trips: Spans
    devices: Spans

    def place_at(self, customer: Ints, time: Ints) -> Ints:
        return self.trips.at(customer, time, self.home[customer])

    def device_at(self, random: np.random.Generator, customer: Ints, time: Ints) -> Ints:
        """The device a customer would have in hand: mostly the main one of that time."""
        main = self.devices.at(customer, time, np.zeros(len(customer), dtype=np.int64))
        choice = random.random(len(customer))
        number = np.where(choice > 1.0 - self.second_device[customer], _SECOND_DEVICE, main)
        number = np.where(choice < ONCE_SHARE, once(random, len(customer)), number)
        return key_of(customer, number)


def once(random: np.random.Generator, size: int) -> Ints:
    """Numbers of devices that a customer is seen with once: a friend's, a hotel's, a thief's."""
    return random.integers(_ONCE, _KEYS_PER_CUSTOMER, size)


def key_of(customer: Ints, number: Ints) -> Ints:
    return customer * _KEYS_PER_CUSTOMER + number


def customers(random: np.random.Generator, shops: Merchants, count: int, days: int) -> Customers:
    home = drawn(random, HOMES, count)
    rate = BASE_RATE * np.clip(random.gamma(2.5, 1 / 2.5, count), 0.1, 6.0)
    own_rhythm = random.normal(0.0, 1.3 * HOUR, count) + np.where(random.random(count) < 0.05, 11.0 * HOUR, 0.0)
    favourites = shops.drawn_at(random, np.repeat(home, FAVOURITES)).reshape(count, FAVOURITES)
    return Customers(
        home=home,
        factor=np.exp(random.normal(0.0, 0.45, count)),
        rate=rate,
        shift=np.rint(own_rhythm).astype(np.int64),
        favourites=favourites,
        spree_rate=np.clip(random.gamma(1.5, 1 / 1.5, count), 0.0, 5.0) * rate / BASE_RATE,
        second_device=np.where(random.random(count) < 0.4, 0.3 * random.random(count), 0.0),
        wallet=np.where(random.random(count) < 0.45, 0.8 * random.random(count), 0.0),
        trips=_trips(random, home, days),
        devices=_main_devices(random, count, days),
    )


def _trips(random: np.random.Generator, home: Ints, days: int) -> Spans:
    wanderlust = random.gamma(0.8, 1 / 0.8, len(home))
    customer = np.repeat(np.arange(len(home)), random.poisson(wanderlust * days / DAYS_PER_TRIP))
    start = random.integers(0, days * DAY, len(customer))
    lasting = np.rint(np.exp(random.normal(1.4, 0.7, len(customer))) * DAY).astype(np.int64)
    return _spans(customer, start, start + lasting, drawn(random, DESTINATIONS, len(customer)), days * DAY)


def _main_devices(random: np.random.Generator, count: int, days: int) -> Spans:
    changes = np.minimum(random.poisson(days / DAYS_PER_NEW_DEVICE, count), _SECOND_DEVICE - 1)
    customer = np.repeat(np.arange(count), changes)
    start = random.integers(0, days * DAY, len(customer))
    nth = np.arange(len(customer)) - np.repeat(np.cumsum(changes) - changes, changes) + 1
    return _spans(customer, start, np.full(len(customer), days * DAY), nth, days * DAY)


def _spans(customer: Ints, start: Ints, end: Ints, value: Ints, length_ms: int) -> Spans:
    key = customer * length_ms + start
    order = np.argsort(key, kind="stable")
    return Spans(key[order], end[order], value[order], length_ms)
