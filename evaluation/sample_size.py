"""How long two models must score the same transactions before a difference between them shows."""

import math
from statistics import NormalDist

import numpy as np

from risk.codes import Array

# Of two models that have nothing in common and catch half of the frauds each, one alone catches half of the frauds.
NOTHING_IN_COMMON = 0.5


def frauds_needed(difference: float, only_one: float, *, power: float, confidence: float) -> int:
    """So many frauds that McNemar's test at this confidence finds the difference with this power (Connor 1987).

    `difference`: the share of frauds by which one model catches more than the other; `only_one`: the share that only
    one of the two catches, which is at least the difference. Both models raise as many cases.
    """
    normal = NormalDist()
    sure, found = normal.inv_cdf((1 + confidence) / 2), normal.inv_cdf(power)
    spread = sure * math.sqrt(only_one) + found * math.sqrt(only_one - difference**2)
    return math.ceil(spread**2 / difference**2)


def days_needed(frauds: int, frauds_per_day: float, per_customer: float = 1.0) -> int:
    """`per_customer`: see `together`."""
    return math.ceil(frauds * per_customer / frauds_per_day)


def together(customers: Array) -> float:
    """How many frauds a fraud's customer has, on average over frauds: so many times the variance is larger than that of
    as many independent ones, if those of a customer are caught or missed together. The mean over customers would be
    too few where a few of them have many. `customers`: of each fraud."""
    counts = np.unique(customers, return_counts=True)[1]
    return float((counts**2).sum() / counts.sum())
