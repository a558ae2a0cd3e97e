"""What customers do themselves: everyday payments, travel, large purchases, shopping sprees, app-store sprees."""

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from risk.clock import DAY, HOUR
from worlds.cards import payment
from worlds.cards.people import FAVOURITE_WEIGHTS, Customers
from worlds.cards.places import ANYWHERE_ONLINE, Merchants
from worlds.cards.rows import Kind, Rows, together
from worlds.streams import Bools, Floats, Ints, cumulated, drawn

DAYS_PER_SPREE = 110.0
TINY_SPREE_SHARE = 0.16
LARGE_SHARE = 0.012
FAVOURITE_SHARE = 0.92

# Monday to Sunday, and the hours of a day in UTC.
WEEKDAYS = np.array([0.92, 0.92, 0.96, 1.02, 1.18, 1.22, 0.78])
HOURS = cumulated(np.array([
    1.0, 0.6, 0.4, 0.4, 0.6, 1.4, 3.0, 5.0, 6.0, 6.0, 6.5, 8.0,
    8.5, 7.0, 6.5, 7.0, 8.5, 9.5, 9.0, 7.0, 5.5, 4.0, 2.8, 1.8,
]))  # fmt: skip


class Calendar(Struct, frozen=True):
    """How busy each day of the world is."""

    days: int
    distribution: Floats

    def moments(self, random: np.random.Generator, size: int) -> Ints:
        day = drawn(random, self.distribution, size)
        hour = drawn(random, HOURS, size)
        return day * DAY + hour * HOUR + random.integers(0, HOUR, size)


def calendar(first_weekday: int, days: int) -> Calendar:
    return Calendar(days, cumulated(WEEKDAYS[(first_weekday + np.arange(days)) % 7]))


def rows(
    random: np.random.Generator, people: Customers, shops: Merchants, dates: Calendar, first: int, last: int
) -> Rows:
    """The genuine transactions of the customers from `first` to before `last`."""
    whom = np.arange(first, last)
    every = together([_everyday(random, people, shops, dates, whom), _sprees(random, people, shops, dates, whom)])
    return every.chosen(every.time < dates.days * DAY)


def _everyday(random: np.random.Generator, people: Customers, shops: Merchants, dates: Calendar, whom: Ints) -> Rows:
    customer = np.repeat(whom, random.poisson(people.rate[whom] * dates.days))
    size = len(customer)
    time = dates.moments(random, size)
    time = (time + people.shift[customer]) % (dates.days * DAY)
    place = people.place_at(customer, time)
    away = place != people.home[customer]

    favourite = people.favourites[customer, drawn(random, FAVOURITE_WEIGHTS, size)]
    elsewhere = shops.drawn_at(random, place)
    usual = (random.random(size) < FAVOURITE_SHARE) & (~away | shops.online[favourite])
    merchant = np.where(usual, favourite, elsewhere)

    large = random.random(size) < LARGE_SHARE
    times = np.where(large, 2.0 + 8.0 * random.random(size), 1.0) * np.where(away, 1.25, 1.0)
    return _paid(random, people, shops, customer, time, merchant, place, times, odd=large | (away & ~usual))


def _sprees(random: np.random.Generator, people: Customers, shops: Merchants, dates: Calendar, whom: Ints) -> Rows:
    """Many payments within hours, mostly at new merchants; or many tiny ones online, and sometimes a large one."""
    who = np.repeat(whom, random.poisson(people.spree_rate[whom] * dates.days / DAYS_PER_SPREE))
    tiny = random.random(len(who)) < TINY_SPREE_SHARE
    lengths = 2 + random.poisson(2.5, len(who))
    begin = (dates.moments(random, len(who)) + people.shift[who]) % (dates.days * DAY)
    hours = np.where(tiny, 0.1 + random.random(len(who)), 0.5 + 6.0 * random.random(len(who)))
    one_shop = shops.drawn_at(random, np.full(len(who), ANYWHERE_ONLINE))
    where = people.place_at(who, begin)

    spree = np.repeat(np.arange(len(who)), lengths)
    customer, place, is_tiny = who[spree], where[spree], tiny[spree]
    time = begin[spree] + np.rint(random.random(len(spree)) * hours[spree] * HOUR).astype(np.int64)
    merchant = np.where(is_tiny, one_shop[spree], shops.drawn_at(random, place))
    large = random.random(len(spree)) < np.where(is_tiny, 0.12, 0.05)
    times = np.where(large, 2.0 + 6.0 * random.random(len(spree)), 1.0)
    paid = _paid(random, people, shops, customer, time, merchant, place, times, odd=np.ones(len(spree), dtype=np.bool_))
    small = payment.bounded(0.2 + 5.0 * random.random(len(spree)))
    return replace(paid, amount=np.where(is_tiny & ~large, small, paid.amount))


def _paid(
    random: np.random.Generator, people: Customers, shops: Merchants, customer: Ints, time: Ints, merchant: Ints,
    place: Ints, times: Floats, odd: Bools,
) -> Rows:  # fmt: skip
    amount = payment.price(random, people, shops, customer, merchant, times)
    channel = payment.channel(random, shops, merchant)
    in_hand = people.device_at(random, customer, time)
    return Rows(
        time=time,
        customer=customer,
        merchant=merchant,
        amount=amount,
        channel=channel,
        device=payment.device(random, people, customer, channel, in_hand),
        country=payment.country(random, shops, merchant, channel, place),
        kind=np.full(len(customer), int(Kind.GENUINE)),
        odd=odd,
    )
