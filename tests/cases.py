"""A case: rules, labels and transactions in the order they arrive. And a seeded generator that looks for edges.

Random times almost never hit an edge, so the generator aims: at ties, at bucket and day starts, at exactly one window,
one label delay or one duplicate window after an earlier row, and one millisecond to either side of each.
"""

import random
from typing import TypeVar

from msgspec import Struct

from risk.catalogue import ALL_FIELDS, FeatureSet
from risk.clock import DAY, HOUR, MINUTE, SECOND
from risk.events import Label, Transaction
from risk.ledger_day import LedgerTerms
from testing.stores import NEW_YEAR

T = TypeVar("T")

EVERYTHING = FeatureSet(fields=ALL_FIELDS, number_attributes=("credit_score",), category_attributes=("segment",))

# Names that run into each other when joined or cut, and that are the same for a customer, a merchant and a device.
NAMES = ("a", "b", "ab", "a|b", "1", "11", "1 ", "A", "é", "US", "a" * 60, "a" * 60 + "b")


class Rules(Struct, frozen=True):
    """What an engine is built with."""

    feature_set: FeatureSet = EVERYTHING
    currency: str = "EUR"
    label_delay_days: int = 7
    bucket_ms: int = HOUR
    max_lateness_ms: int = DAY

    @property
    def ledger_terms(self) -> LedgerTerms:
        return LedgerTerms(self.label_delay_days, self.bucket_ms)


class Arrival(Struct, frozen=True):
    partition: int
    transaction: Transaction


class Case(Struct, frozen=True):
    rules: Rules
    labels: tuple[Label, ...]
    arrivals: tuple[Arrival, ...]


class Knobs(Struct, frozen=True):
    """What a generated stream is like. Shares are of rows."""

    rows: int = 400
    customers: int = 10
    merchants: int = 7
    partitions: int = 1
    step_ms: int = 4 * HOUR
    aimed: float = 0.35
    ties: float = 0.15
    late: float = 0.12
    repeated_ids: float = 0.1
    missing: float = 0.12
    labelled: float = 0.5
    gaps: float = 0.01
    busy: float = 0.0  # rows of the first customer, over and above its part
    new_devices: bool = False
    huge: float = 0.2  # amounts; where there are none, the largest of many is often another one


def name(index: int) -> str:
    return NAMES[index] if index < len(NAMES) else f"n{index}"


def cutoff_of(event_time: int, label_delay_days: int) -> int:
    """Labels from here on do not count for a transaction: the start of day k + D - 1."""
    return (event_time // DAY + label_delay_days - 1) * DAY


def generate(seed: int, knobs: Knobs = Knobs(), rules: Rules = Rules()) -> Case:  # noqa: B008  both are frozen
    """The same case for the same arguments."""
    rng = random.Random(seed)
    stream = _Stream(rng, knobs, rules)
    arrivals = tuple(stream.next_arrival() for _ in range(knobs.rows))
    labels = [label for a in arrivals if rng.random() < knobs.labelled for label in _labels(rng, a.transaction, rules)]
    rng.shuffle(labels)
    return Case(rules, tuple(labels), arrivals)


STREAMS = {
    "plain": (Knobs(rows=900), Rules()),
    "seconds": (
        Knobs(rows=900, customers=4, partitions=2),
        Rules(bucket_ms=SECOND, label_delay_days=2, max_lateness_ms=HOUR),
    ),
    "days": (Knobs(rows=900, customers=30, partitions=3, late=0.3), Rules(bucket_ms=DAY, label_delay_days=10)),
    "punctual": (Knobs(rows=900, repeated_ids=0.4), Rules(max_lateness_ms=0)),
    "busy": (Knobs(rows=1500, customers=3, busy=0.8, new_devices=True, step_ms=HOUR, gaps=0.002), Rules()),
}


def stream(kind: str) -> Case:
    """One of a few streams that between them have everything; the properties are held to each."""
    knobs, rules = STREAMS[kind]
    return generate(31, knobs, rules)


class _Stream:
    """Walks the clock forward and remembers what it made, to aim at it."""

    def __init__(self, rng: random.Random, knobs: Knobs, rules: Rules) -> None:
        self.rng, self.knobs, self.rules = rng, knobs, rules
        self.clock = NEW_YEAR + rng.randrange(DAY)
        self.made: list[Transaction] = []
        delay, lateness = rules.label_delay_days * DAY, rules.max_lateness_ms
        self.distances = (HOUR, DAY, 7 * DAY, 30 * DAY, 30 * DAY + lateness, 30 * DAY + lateness, delay, delay + DAY,
                          delay + 7 * DAY, delay + 30 * DAY)  # fmt: skip

    def next_arrival(self) -> Arrival:
        earlier = self._move_clock()
        time, earlier = self._event_time(earlier)
        transaction = self._transaction(time, earlier)
        self.made.append(transaction)
        # A customer lives in one partition.
        partition = sum(transaction.customer_id.encode()) % self.knobs.partitions
        return Arrival(partition, transaction)

    def _move_clock(self) -> Transaction | None:
        """Forward, perhaps to an edge; gives the earlier row that was aimed at."""
        rng, knobs = self.rng, self.knobs
        dice = rng.random()
        if dice < knobs.ties:
            return None
        if rng.random() < knobs.gaps:
            self.clock += rng.randint(2 * DAY, 40 * DAY)
            return None
        if rng.random() >= knobs.aimed:
            self.clock += int(rng.expovariate(1 / knobs.step_ms)) if knobs.step_ms else 0
            if rng.random() < 0.3:
                self.clock -= self.clock % SECOND
                self.clock = max(self.clock, max((t.event_time for t in self.made[-5:]), default=0))
            return None
        return self._aim()

    def _aim(self) -> Transaction | None:
        rng = self.rng
        nudge = rng.choice((-1, 0, 0, 1))
        if self.made and rng.random() < 0.7:
            distance = rng.choice(self.distances)
            for earlier in rng.sample(self.made, min(40, len(self.made))):
                target = earlier.event_time + distance + nudge
                if self.clock <= target <= self.clock + 3 * self.knobs.step_ms:
                    self.clock = target
                    return earlier
        unit = rng.choice((self.rules.bucket_ms, self.rules.bucket_ms, DAY))
        if unit <= 3 * self.knobs.step_ms + DAY // 24:
            self.clock = max(self.clock, (self.clock // unit + 1) * unit + nudge)
        return None

    def _event_time(self, earlier: Transaction | None) -> tuple[int, Transaction | None]:
        rng, lateness = self.rng, self.rules.max_lateness_ms
        if rng.random() >= self.knobs.late:
            return self.clock, earlier
        if self.made and rng.random() < 0.3:
            repeated = rng.choice(self.made[-20:])
            return self._not_too_far(repeated.event_time - lateness + rng.choice((-1, 0, 0, 1))), repeated
        back = rng.choice((1, MINUTE, lateness // 2, lateness, lateness, lateness + 1, 3 * lateness + HOUR,
                           rng.randint(0, lateness), rng.randint(0, lateness)))  # fmt: skip
        return self._not_too_far(self.clock - back), None

    def _not_too_far(self, time: int) -> int:
        """Another partition's row further back could lie on a day that is closed; that has a test of its own."""
        return max(time, self.clock - (self.rules.label_delay_days - 1) * DAY)

    def _transaction(self, time: int, earlier: Transaction | None) -> Transaction:
        rng, knobs = self.rng, self.knobs
        identity, customer = f"t{len(self.made)}", name(rng.randrange(knobs.customers))
        merchant: str | None = name(rng.randrange(knobs.merchants))
        if rng.random() < knobs.busy:
            customer = name(0)
        if earlier is not None and rng.random() < 0.8:
            customer, merchant = earlier.customer_id, earlier.merchant_id
            identity = earlier.transaction_id if rng.random() < 0.6 else identity
        elif self.made and rng.random() < knobs.repeated_ids:
            repeated = rng.choice(self.made[-30:] if rng.random() < 0.7 else self.made)
            identity = repeated.transaction_id
            customer = repeated.customer_id if rng.random() < 0.7 else customer
        device = f"d{len(self.made)}" if knobs.new_devices else name(rng.randrange(4))
        return Transaction(
            transaction_id=identity, event_time=time, customer_id=customer,
            currency=self.rules.currency if rng.random() > knobs.missing / 2 else "USD",
            merchant_id=self._perhaps(merchant), merchant_category=self._perhaps(rng.choice(("Travel", "Grocery"))),
            amount=self._perhaps(self._amount()), channel=self._perhaps(rng.choice(("web", "pos"))),
            device_id=self._perhaps(device), country=self._perhaps(rng.choice(("US", "DE", "a"))),
            attributes=self._attributes(),
        )  # fmt: skip

    def _perhaps(self, value: T | None) -> T | None:
        return None if self.rng.random() < self.knobs.missing else value

    def _amount(self) -> int:
        rng = self.rng
        if rng.random() < self.knobs.huge:
            return rng.choice((10**14, 10**14 - 1, rng.randrange(10**14)))
        return rng.choice((0, 1, *(rng.randrange(1, 50_000) for _ in range(8))))

    def _attributes(self) -> dict[str, float | str]:
        attributes: dict[str, float | str] = {"undeclared": 1.0}
        if self.rng.random() < 0.8:
            attributes["credit_score"] = self.rng.uniform(-300.0, 850.0)
        if self.rng.random() < 0.8:
            attributes["segment"] = self.rng.choice(("retail", "private"))
        return attributes


def _labels(rng: random.Random, transaction: Transaction, rules: Rules) -> list[Label]:
    """One to three labels around the cutoff; the later ones often correct the first, at times in the same moment."""
    cutoff = cutoff_of(transaction.event_time, rules.label_delay_days)
    opening = transaction.event_time // DAY * DAY
    labels: list[Label] = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.choice((cutoff - 1, cutoff, cutoff + 1, transaction.event_time + rng.randrange(5 * DAY),
                         opening - 1, opening, labels[-1].labelled_at if labels else cutoff - 1))  # fmt: skip
        customer = transaction.customer_id if rng.random() < 0.95 else name(rng.randrange(4))
        labels.append(Label(transaction.transaction_id, customer, rng.random() < 0.6, at, "test"))
    return labels
