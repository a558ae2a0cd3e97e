"""What happened, as messages in the order in which a replay sends them, and what every transaction has to come to."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import msgspec

from producer.replay.sequence import Entry
from risk.block import block_of
from risk.bundle import read_bundle
from risk.clock import DAY
from risk.codec import decode_label, decode_transaction, encode_label, encode_transaction
from risk.decision import Scored
from risk.digest import Digest, canonical, with_decisions
from risk.events import Decision, Label, Level, Rejected, RejectReason, Transaction
from risk.kafka.partitions import partition_of
from risk.kafka.sending import Message
from risk.ledger import DaySource, SeenDays
from risk.pipeline import Pipeline
from risk.rules.compiled import compiled_for
from risk.rules.rule_set import RuleSet
from risk.topics import Topics
from testing.replays import entries

BATCH = 500


class Item(NamedTuple):
    """A message to be sent. `day`: of a good transaction, for the producer's promise. `is_bad`: it is to be rejected,
    for this `reason` if it can be told beforehand. `timestamp`: when its sender says that it was sent, if not now."""

    topic: str
    partition: int
    message: Message
    day: int | None = None
    is_bad: bool = False
    reason: RejectReason | None = None
    timestamp: int | None = None


class History:
    """Transactions and labels, in order."""

    def __init__(self, events: Iterable[Transaction | Label]) -> None:
        self.events = list(events)

    @classmethod
    def of(cls, file: Path) -> "History":
        return cls(event for event in _events(entries(file)) if not isinstance(event, Rejected))

    @property
    def transactions(self) -> list[Transaction]:
        return [event for event in self.events if isinstance(event, Transaction)]

    @property
    def labels(self) -> list[Label]:
        return [event for event in self.events if isinstance(event, Label)]

    def customers_moved(self, name_of: Callable[[str], str]) -> "History":
        """The same, of customers with other names."""
        return History(msgspec.structs.replace(event, customer_id=name_of(event.customer_id)) for event in self.events)

    def without(self, is_out: Callable[[str], bool]) -> "History":
        """The same, without the transactions of these customers and what was found out about them."""
        return History(event for event in self.events if not is_out(event.customer_id))

    def together_with(self, transaction: Transaction) -> "History":
        """The same, and this transaction where its time puts it."""
        place = next(n for n, event in enumerate(self.transactions) if event.event_time > transaction.event_time)
        at = self.events.index(self.transactions[place])
        return History([*self.events[:at], transaction, *self.events[at:]])

    def until(self, share: float) -> tuple["History", "History"]:
        """Its first part, and the rest."""
        place = round(len(self.events) * share)
        return History(self.events[:place]), History(self.events[place:])

    def items(self, topics: Topics, partitions: int) -> list[Item]:
        return [item_of(event, topics, partitions) for event in self.events]


def _events(found: Sequence[Entry]) -> Iterator[Transaction | Label]:
    for entry in found:
        assert isinstance(entry.event, (Transaction, Label)), entry
        yield entry.event


def item_of(event: Transaction | Label, topics: Topics, partitions: int) -> Item:
    key = event.customer_id.encode()
    if isinstance(event, Transaction):
        message = Message(key, encode_transaction(event))
        return Item(topics.transactions, partition_of(key, partitions), message, event.event_time // DAY)
    return Item(topics.labels, partition_of(key, partitions), Message(key, encode_label(event)))


def otherwise(item: Item) -> Item:
    """The same transaction of another amount, or the opposite label, dated later, so that it would be the one that
    counts."""
    if item.day is None:
        label = decode_label(item.message.value)
        assert isinstance(label, Label), label
        contrary = msgspec.structs.replace(label, is_fraud=not label.is_fraud, labelled_at=label.labelled_at + 1)
        value = encode_label(contrary)
    else:
        transaction = decode_transaction(item.message.value)
        assert isinstance(transaction, Transaction), transaction
        value = encode_transaction(msgspec.structs.replace(transaction, amount=432_100))
    return item._replace(message=item.message._replace(value=value))


def steps(items: Iterable[Item]) -> Iterator[list[Item]]:
    """What may be on its way together: a new day begins a step, so that all before it is there first."""
    newest, number = -1, 0

    def step_of(item: Item) -> int:
        nonlocal newest, number
        if item.day is not None and item.day > newest:
            newest, number = item.day, number + 1
        return number

    for _, step in groupby(items, step_of):
        yield list(step)


def parts_of(history: History, count: int) -> Iterator[History]:
    """As many, of about one length."""
    rest = history
    for left in range(count, 0, -1):
        part, rest = rest.until(1 / left)
        yield part


class Due(NamedTuple):
    """What a transaction has to come to."""

    row: bytes  # as the digest has it
    is_high: bool  # or decided, where there are rules: whether it has an alert


Truth = Mapping[str, Mapping[str, Due]]
"""By what decides (`str` of `Versions`, which is the bundle's version where no rules do), then by transaction."""


def truth_of(history: History, models: Path) -> Truth:
    """Everything in one process, in event-time order: what the backtest does; that it is the same, a test shows."""
    folders = [manifest.parent for manifest in sorted(models.glob("*/manifest.json"))]
    return {folder.name: due_by(history, folder) for folder in folders}


def due_by(
    history: History, bundle: Path, days: DaySource | None = None, rules: RuleSet | None = None
) -> dict[str, Due]:
    """`days`: the closed days to go by, instead of those that this history closes itself. `rules`: in force."""
    due: dict[str, Due] = {}
    for names, scored in _scored(history, bundle, days, rules):
        columns = scored.scores, scored.levels, scored.reasons, scored.imputed, scored.ledger_days
        lines = with_decisions([canonical(*row) for row in zip(names, *columns, strict=True)], scored.decided)
        are_alerts = [level is Level.HIGH for level in scored.levels]
        if scored.decided is not None:
            are_alerts = [decision is not Decision.NONE for decision in scored.decided.decisions]
        due.update(zip(names, map(Due, lines, are_alerts), strict=True))
    return due


def scores_by(history: History, bundle: Path) -> dict[str, tuple[float, str]]:
    """Score and level of each transaction, where only this bundle scores."""
    return {
        identity: (score, str(level))
        for identities, scored in _scored(history, bundle)
        for identity, score, level in zip(identities, scored.scores, scored.levels, strict=True)
    }


def _scored(
    history: History, bundle: Path, days: DaySource | None = None, rules: RuleSet | None = None
) -> Iterator[tuple[list[str], Scored]]:
    """With the ids of what was scored."""
    read = read_bundle(bundle)
    if days is None:
        seen = SeenDays(read.manifest.terms.ledger_terms)
        seen.learn(history.labels)
        days = seen
    pipeline = Pipeline(read, days, rules=None if rules is None else compiled_for(rules, read.manifest))
    transactions = history.transactions
    for first in range(0, len(transactions), BATCH):
        arrived = [decode_transaction(encode_transaction(t)) for t in transactions[first : first + BATCH]]
        scored = pipeline.score(block_of([t for t in arrived if isinstance(t, Transaction)]))
        yield [transactions[first + row].transaction_id for row in scored.rows], scored


def digest_of(due: Mapping[str, Due]) -> str:
    digest = Digest()
    for one in due.values():
        digest.add(one.row)
    return str(digest)
