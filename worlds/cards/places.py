"""Merchants and the countries they are in."""

import numpy as np
from msgspec import Struct

from worlds.streams import Bools, Floats, Ints, cumulated, drawn

# country: weight as a home of customers, weight as a place of merchants, weight as a destination of trips
COUNTRIES = {
    "DE": (0.44, 0.34, 0.08),
    "FR": (0.14, 0.12, 0.12),
    "NL": (0.10, 0.09, 0.08),
    "AT": (0.08, 0.07, 0.10),
    "BE": (0.07, 0.06, 0.05),
    "IT": (0.06, 0.07, 0.14),
    "ES": (0.05, 0.07, 0.16),
    "PL": (0.03, 0.04, 0.05),
    "GB": (0.02, 0.05, 0.08),
    "US": (0.01, 0.05, 0.06),
    "TR": (0.00, 0.02, 0.05),
    "TH": (0.00, 0.02, 0.03),
}
HOMES, PLACES, DESTINATIONS = (cumulated(np.array(weights)) for weights in zip(*COUNTRIES.values(), strict=True))
ANYWHERE_ONLINE = len(COUNTRIES)  # the row of the distribution that holds online merchants only

# category: (weight, usual amount, share of its merchants that sell online)
CATEGORIES = {
    "grocery": (0.20, 26.0, 0.06),
    "restaurant": (0.16, 24.0, 0.08),
    "fuel": (0.07, 48.0, 0.00),
    "transport": (0.08, 9.0, 0.30),
    "clothing": (0.10, 48.0, 0.40),
    "electronics": (0.07, 95.0, 0.55),
    "household": (0.08, 42.0, 0.35),
    "health": (0.06, 24.0, 0.15),
    "digital": (0.07, 9.0, 1.00),
    "entertainment": (0.05, 22.0, 0.45),
    "travel": (0.03, 150.0, 0.70),
    "cash": (0.03, 80.0, 0.00),
}
CASH, DIGITAL = list(CATEGORIES).index("cash"), list(CATEGORIES).index("digital")

_BASE = np.array([amount for _, amount, _ in CATEGORIES.values()])
_ELSEWHERE = 0.0004  # how likely a shop across the border is, beside one at home


class Merchants(Struct, frozen=True):
    """One entry per merchant. `distributions` has a row per country, and one for online merchants anywhere."""

    category: Ints
    country: Ints
    online: Bools
    usual: Floats
    distributions: Floats

    def drawn_at(self, random: np.random.Generator, place: Ints) -> Ints:
        """Merchants where customers at these places pay, by popularity."""
        count = len(self.category)
        found: Ints = np.searchsorted(self.distributions.ravel(), place + random.random(len(place)), side="right")
        merchant: Ints = np.minimum(found - place * count, count - 1)
        return merchant


def merchants(random: np.random.Generator, count: int) -> Merchants:
    category = drawn(random, cumulated(np.array([weight for weight, _, _ in CATEGORIES.values()])), count)
    country = drawn(random, PLACES, count)
    online = random.random(count) < np.array([share for _, _, share in CATEGORIES.values()])[category]
    usual = _BASE[category] * np.exp(random.normal(0.0, 0.35, count))
    popularity = np.exp(random.normal(0.0, 1.1, count))
    near = np.where(online[None, :] | (country[None, :] == np.arange(len(COUNTRIES))[:, None]), 1.0, _ELSEWHERE)
    nowhere_but_online = np.where(online, 1.0, 1e-9)[None, :]
    distributions = cumulated(popularity * np.vstack([near, nowhere_but_online]))
    return Merchants(category, country, online, usual, distributions + np.arange(len(COUNTRIES) + 1)[:, None])
