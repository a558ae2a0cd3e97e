"""The fifth kind of fraud, which happens to a merchant: for weeks, its customers' cards are charged again."""

import numpy as np

from risk.clock import DAY, HOUR
from worlds.cards.fraud import wanted
from worlds.cards.payment import LARGEST_CENTS, SMALLEST_CENTS
from worlds.cards.rows import Kind, Rows
from worlds.streams import Ints

CHARGED_AGAIN = 0.45  # of the payments in those weeks; a quarter of what the merchant then books is fraud
SHORTEST_DAYS, LONGEST_DAYS = 28, 56


def rows(random: np.random.Generator, genuine: Rows, merchants: int, days: int) -> Rows:
    """Copies of genuine payments 2 to 72 hours later, at about one and a half times the price."""
    victims = _victims(random, genuine, merchants, days)
    again = genuine.chosen(victims)
    later = random.integers(2 * HOUR, 72 * HOUR, len(victims))
    dearer = again.amount * np.exp(random.normal(0.35, 0.45, len(victims)))
    frauds = Rows(
        again.time + later,
        again.customer,
        again.merchant,
        np.clip(np.rint(dearer).astype(np.int64), SMALLEST_CENTS, LARGEST_CENTS),
        again.channel,
        again.device,
        again.country,
        np.full(len(victims), int(Kind.COMPROMISED_MERCHANT)),
        np.ones(len(victims), dtype=np.bool_),
    )
    return frauds.chosen(frauds.time < days * DAY)


def _victims(random: np.random.Generator, genuine: Rows, merchants: int, days: int) -> Ints:
    """Payments at one merchant after the other, neither the busiest nor the quietest, until there are enough."""
    order = np.argsort(genuine.merchant, kind="stable")
    firsts = np.searchsorted(genuine.merchant[order], np.arange(merchants + 1))
    traffic = np.diff(firsts)
    low, high = np.quantile(traffic, [0.3, 0.75])
    candidates = random.permutation(np.flatnonzero((traffic >= low) & (traffic <= high) & (traffic > 0)))
    enough = wanted(Kind.COMPROMISED_MERCHANT, len(genuine.time))
    parts = [np.empty(0, dtype=np.int64)]
    for merchant in candidates:
        mine = order[firsts[merchant] : firsts[merchant + 1]]
        lasting = int(random.integers(SHORTEST_DAYS, LONGEST_DAYS + 1)) * DAY
        start = random.integers(-lasting // 2, days * DAY - lasting // 2)
        within = (genuine.time[mine] >= start) & (genuine.time[mine] < start + lasting)
        parts.append(mine[within & (random.random(len(mine)) < CHARGED_AGAIN)])
        if sum(len(part) for part in parts) >= enough:
            break
    return np.concatenate(parts)[:enough]
