"""Four of the five kinds of fraud: those that happen to a customer. Each function makes the episodes of one kind."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from risk.clock import DAY, HOUR, MINUTE
from worlds.cards import payment
from worlds.cards.people import FAVOURITE_WEIGHTS, Customers, key_of, once
from worlds.cards.places import ANYWHERE_ONLINE, DESTINATIONS, Merchants
from worlds.cards.rows import Kind, Rows, together
from worlds.streams import Bools, Floats, Ints, drawn, stream

Value = TypeVar("Value", bound=np.generic)

FRAUD_RATE = 0.008
SHARES = {
    Kind.CARD_TESTING: 0.20,
    Kind.STOLEN_CARD_BURST: 0.28,
    Kind.ACCOUNT_TAKEOVER: 0.26,
    Kind.COMPROMISED_MERCHANT: 0.16,
    Kind.SLOW_BLEED: 0.10,
}

# Thieves start afresh: how often a payment comes from yet another device.
ANOTHER_DEVICE = 0.6


class Scene(Struct, frozen=True):
    """Where frauds happen."""

    people: Customers
    shops: Merchants
    days: int


class Episodes(Struct, frozen=True):
    """One entry per payment: which episode it belongs to, the how-manyeth in it, whom it hits, when that began."""

    episode: Ints
    nth: Ints
    customer: Ints
    start: Ints
    count: int

    @property
    def size(self) -> int:
        return len(self.episode)

    def each(self, values: npt.NDArray[Value]) -> npt.NDArray[Value]:
        """A value of each episode, for each of its payments."""
        return values[self.episode]

    def after(self, ms: Floats) -> Ints:
        return self.start + np.rint(ms).astype(np.int64)


Maker = Callable[[np.random.Generator, Scene, int], Rows]


def wanted(kind: Kind, genuine: int) -> int:
    """How many frauds of a kind belong beside so many genuine transactions."""
    return max(1, round(SHARES[kind] * genuine * FRAUD_RATE / (1.0 - FRAUD_RATE)))


def rows(seed: int, place: int, scene: Scene, genuine: int) -> Rows:
    makers: dict[Kind, Maker] = {
        Kind.CARD_TESTING: card_testing,
        Kind.STOLEN_CARD_BURST: stolen_card_burst,
        Kind.ACCOUNT_TAKEOVER: account_takeover,
        Kind.SLOW_BLEED: slow_bleed,
    }
    parts: list[Rows] = []
    for kind, make in makers.items():
        frauds = wanted(kind, genuine)
        made = make(stream(seed, place, kind), scene, frauds)
        parts.append(made.chosen((made.time >= 0) & (made.time < scene.days * DAY)).chosen(slice(0, frauds)))
    return together(parts)


def card_testing(random: np.random.Generator, scene: Scene, frauds: int) -> Rows:
    """3 to 7 tiny amounts online within minutes; 1 to 4 large ones follow within half a day."""
    candidates = _candidates(scene, frauds, 4, DAY)
    tests = random.integers(3, 8, candidates)
    cards = _episodes(random, scene, tests + random.integers(1, 5, candidates), span=DAY)
    is_test = cards.nth < cards.each(tests)
    minutes = np.where(is_test, 12.0 * random.random(cards.size), 15.0 + 600.0 * random.random(cards.size))
    test_shop = cards.each(scene.shops.drawn_at(random, np.full(cards.count, ANYWHERE_ONLINE)))
    target = _pricey(random, scene, np.full(cards.size, ANYWHERE_ONLINE))
    merchant = np.where(is_test, test_shop, target)
    tiny = payment.bounded(0.2 + 3.0 * random.random(cards.size))
    large = payment.price(random, scene.people, scene.shops, cards.customer, merchant, _times(random, cards, 1.5, 5.0))
    place = _place(random, scene, cards, abroad=0.35)
    amount = np.where(is_test, tiny, large)
    return _stolen(random, scene, cards, cards.after(minutes * MINUTE), merchant, amount, place, Kind.CARD_TESTING)


def stolen_card_burst(random: np.random.Generator, scene: Scene, frauds: int) -> Rows:
    """6 to 14 payments at many merchants, most of them new to the customer, within half an hour to 4 hours."""
    lengths = random.integers(6, 15, _candidates(scene, frauds, 6, DAY))
    cards = _episodes(random, scene, lengths, span=DAY)
    hours = cards.each(0.5 + 3.5 * random.random(cards.count)) * random.random(cards.size)
    place = _place(random, scene, cards, abroad=0.4)
    merchant = _pricey(random, scene, place)
    amount = payment.price(random, scene.people, scene.shops, cards.customer, merchant, _times(random, cards, 1.0, 3.0))
    return _stolen(random, scene, cards, cards.after(hours * HOUR), merchant, amount, place, Kind.STOLEN_CARD_BURST)


def account_takeover(random: np.random.Generator, scene: Scene, frauds: int) -> Rows:
    """4 to 10 payments online over 1 to 5 days: new devices, mostly another country, at several times the usual."""
    lengths = random.integers(4, 11, _candidates(scene, frauds, 4, 5 * DAY))
    cards = _episodes(random, scene, lengths, span=5 * DAY)
    days = cards.each(1.0 + 4.0 * random.random(cards.count)) * random.random(cards.size)
    merchant = _pricey(random, scene, np.full(cards.size, ANYWHERE_ONLINE))
    amount = payment.price(random, scene.people, scene.shops, cards.customer, merchant, _times(random, cards, 3.0, 8.0))
    place = _place(random, scene, cards, abroad=0.8)
    return _stolen(random, scene, cards, cards.after(days * DAY), merchant, amount, place, Kind.ACCOUNT_TAKEOVER)


def slow_bleed(random: np.random.Generator, scene: Scene, frauds: int) -> Rows:
    """4 to 12 payments over 10 to 40 days at the customer's merchants and prices; half the cases use the own device."""
    lengths = random.integers(4, 13, _candidates(scene, frauds, 4, 40 * DAY))
    cards = _episodes(random, scene, lengths, span=40 * DAY)
    days = cards.each(10.0 + 30.0 * random.random(cards.count)) * random.random(cards.size)
    favourite = scene.people.favourites[cards.customer, drawn(random, FAVOURITE_WEIGHTS, cards.size)]
    place = scene.people.home[cards.customer]
    merchant = np.where(random.random(cards.size) < 0.7, favourite, scene.shops.drawn_at(random, place))
    amount = payment.price(random, scene.people, scene.shops, cards.customer, merchant, _times(random, cards, 1.0, 1.4))
    time = cards.after(days * DAY)
    own = cards.each(random.random(cards.count) < 0.5)
    return _stolen(random, scene, cards, time, merchant, amount, place, Kind.SLOW_BLEED, own)


def _candidates(scene: Scene, frauds: int, shortest: int, span: int) -> int:
    """Episodes enough, even where they are short and many of them lie beyond the ends of the world."""
    beyond = (scene.days * DAY + span) / (scene.days * DAY)
    return 10 + int(beyond * frauds / shortest)


def _episodes(random: np.random.Generator, scene: Scene, lengths: Ints, span: int) -> Episodes:
    """Episodes of these lengths, each at a random customer and time; they may have begun before the world did."""
    episode = np.repeat(np.arange(len(lengths)), lengths)
    nth = np.arange(len(episode)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    victim = random.integers(0, len(scene.people.home), len(lengths))
    start = random.integers(-span, scene.days * DAY, len(lengths))
    return Episodes(episode, nth, victim[episode], start[episode], len(lengths))


def _times(random: np.random.Generator, cards: Episodes, least: float, most: float) -> Floats:
    return least + (most - least) * random.random(cards.size)


def _pricey(random: np.random.Generator, scene: Scene, place: Ints) -> Ints:
    """Where thieves go: of two merchants, the dearer one."""
    one, other = scene.shops.drawn_at(random, place), scene.shops.drawn_at(random, place)
    return np.where(scene.shops.usual[one] >= scene.shops.usual[other], one, other)


def _place(random: np.random.Generator, scene: Scene, cards: Episodes, abroad: float) -> Ints:
    """Where each episode's payments come from: the victim's home, or some other country."""
    other = drawn(random, DESTINATIONS, cards.count)
    is_abroad = random.random(cards.count) < abroad
    return np.where(cards.each(is_abroad), cards.each(other), scene.people.home[cards.customer])


def _stolen(
    random: np.random.Generator, scene: Scene, cards: Episodes, time: Ints, merchant: Ints, amount: Ints,
    place: Ints, kind: Kind, own_device: Bools | None = None,
) -> Rows:  # fmt: skip
    customer = cards.customer
    another = random.random(cards.size) < ANOTHER_DEVICE
    number = np.where(another, once(random, cards.size), cards.each(once(random, cards.count)))
    strange = key_of(customer, number)
    own = np.zeros(cards.size, dtype=np.bool_) if own_device is None else own_device
    in_hand = np.where(own, scene.people.device_at(random, customer, time), strange)
    channel = payment.channel(random, scene.shops, merchant)
    return Rows(
        time=time,
        customer=customer,
        merchant=merchant,
        amount=amount,
        channel=channel,
        device=payment.device(random, scene.people, customer, channel, in_hand),
        country=payment.country(random, scene.shops, merchant, channel, place),
        kind=np.full(cards.size, int(kind)),
        odd=np.ones(cards.size, dtype=np.bool_),
    )
