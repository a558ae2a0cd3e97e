"""What an audit finds: the sum over all partitions."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from risk.digest import Digest
from risk.kafka.batches import Missing
from scorer.ledger.closed_days import NEVER
from scorer.verify.comparison import SHOWN, Comparison, Difference, Tally


class Span(NamedTuple):
    """Event times that are asked for: since <= time < until."""

    since: int = NEVER
    until: int = -NEVER

    def has(self, moment: int) -> bool:
        return self.since <= moment < self.until

    @property
    def is_whole(self) -> bool:
        return self == Span()


class NotDone(NamedTuple):
    """What lies in a partition beyond where the store stands: no worker has been through it, so nothing is compared."""

    offsets: int
    of: int


class Compacted(NamedTuple):
    """What compaction took out of a partition: so many offsets, the first and the last of them."""

    offsets: int
    first: int
    last: int


@dataclass
class Counted:
    """Transactions of which the same is to be said; the first ones are kept to be shown."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, said: str) -> None:
        self.count += 1
        if len(self.examples) < SHOWN:
            self.examples.append(said)


@dataclass
class Findings:
    span: Span
    partitions: int = 0
    not_done: dict[str, NotDone] = field(default_factory=dict)  # by partition of an input, where there is some
    records: int = 0
    scored: int = 0
    aborted: int = 0  # records of aborted transactions, which version 0.1 took for others
    duplicates: int = 0
    labels: int = 0
    rejects: Counter[str] = field(default_factory=Counter)  # by topic and reason
    without_day: int = 0
    cold: int = 0  # scored while less of the past could be seen than the longest window looks at
    cold_times: tuple[int, int] = (-NEVER, NEVER)  # the first and the last of those
    needed_days: int = 0  # by the longest window
    wrong_starts: list[str] = field(default_factory=list)  # where the past or a version begins, otherwise than stored
    wrong_shares: Counted = field(default_factory=Counted)  # decided by another bundle than a share gives them to
    not_in_force: Counted = field(default_factory=Counted)  # decided by what the store does not say was in force
    not_at_hand: Counter[str] = field(default_factory=Counter)  # by bundle or rule set
    under_way: int = 0  # outputs of what the store has not got yet
    foreign: int = 0  # messages on output topics that no worker wrote
    gone: int = 0  # outputs and rows of what was before the log's first offset
    compacted: dict[str, Compacted] = field(default_factory=dict)  # by partition of an input, where there is some
    digest: Digest = field(default_factory=Digest)
    tallies: dict[str, Tally] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def take(self, place: str, comparison: Comparison[Any]) -> None:
        self.tallies.setdefault(place, Tally()).add(comparison.tally)
        self.differences += comparison.differences

    def lacks(self, name: str, gone: Missing) -> None:
        """In the order of the log."""
        offsets, first, _ = self.compacted.get(name, Compacted(0, gone.offset, 0))
        offsets += gone.next_offset - gone.offset
        self.compacted[name] = Compacted(offsets, first, gone.next_offset - 1)

    def saw_less(self, moment: int, needed_days: int) -> None:
        """A score of that time saw less of the past than its bundle's longest window looks at."""
        first, last = self.cold_times
        self.cold += 1
        self.cold_times = min(first, moment), max(last, moment)
        self.needed_days = max(self.needed_days, needed_days)

    @property
    def is_complete(self) -> bool:
        return not self.not_done

    @property
    def is_identical(self) -> bool:
        """Whether everything that was asked for was recomputed, and is there as it came out."""
        gone = self.gone if self.span.is_whole else 0
        wrong = gone or self.wrong_starts or self.wrong_shares.count or self.not_in_force.count
        return not (self.not_at_hand or wrong) and all(tally.is_clean for tally in self.tallies.values())
