"""What goes into the store and comes out of it. Times are integer milliseconds UTC, amounts integer minor units."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from risk.codes import Array
from risk.events import OF_LEVEL
from risk.ledger_day import LedgerTerms

# What to do about values that no worker writes.
IF_DAMAGED = "keep the file for inspection and restore a backup, or make the store again from the log"


class Owner(NamedTuple):
    """Who may write for a partition of an input topic: whoever took it over last."""

    topic: str
    partition: int
    epoch: int


class Outputs(NamedTuple):
    """Of each output partition, the offset after what is known to have been sent."""

    flags_offset: int
    alerts_offset: int
    rejected_offset: int


class TakenOver(NamedTuple):
    """A partition as its new owner finds it."""

    owner: Owner
    next_offset: int
    newest_event_time: int | None
    flags_offset: int
    alerts_offset: int
    rejected_offset: int
    first_event_time: int | None


class Position(NamedTuple):
    """How far a partition of an input topic is. The waiting head is the event time of its first unprocessed record; it
    holds only while the epoch and the offset that stand with it are still those of the partition. The first event time
    is that of the first scored transaction in the order of the log; None where there is none yet or it is unknown."""

    topic: str
    partition: int
    owner_epoch: int
    next_offset: int
    newest_event_time: int | None
    waiting_head: int | None
    waiting_epoch: int | None
    waiting_offset: int | None
    flags_offset: int
    alerts_offset: int
    rejected_offset: int
    owner: str | None = None
    first_event_time: int | None = None


class FlagRow(NamedTuple):
    """A transaction and what was made of it. Lists and objects are JSON, None where empty."""

    source_partition: int
    source_offset: int
    transaction_id: str
    customer_id: str
    event_time: int
    currency: str
    amount: int | None
    merchant_id: str | None
    merchant_category: str | None
    channel: str | None
    device_id: str | None
    country: str | None
    attributes: str | None
    score: float
    level: str
    reasons: str | None
    imputed: str | None
    ledger_day: int | None
    bundle_version: str
    decision: str | None = None  # of model and rules together; None, as the rest, where no rule set was in force
    rules_version: str | None = None
    rules: str | None = None  # those that fired
    share: str | None = None  # while a challenger had one: of which bundles, JSON

    @property
    def decided(self) -> str:
        """Of model and rules together; of the level alone where no rule set was in force. What is not none goes to
        people."""
        return self.decision or OF_LEVEL[self.level]


class LabelVersion(NamedTuple):
    labelled_at: int
    is_fraud: bool


class LabelledFlag(NamedTuple):
    """A scored transaction as a FlagRow has it, without its score, and every label since its day began, in the order in
    which they came into force."""

    source_partition: int
    source_offset: int
    transaction_id: str
    customer_id: str
    event_time: int
    currency: str
    amount: int | None
    merchant_id: str | None
    merchant_category: str | None
    channel: str | None
    device_id: str | None
    country: str | None
    attributes: str | None
    labels: tuple[LabelVersion, ...]


# The values of a FlagRow in their order; a batch has them out of columns, without a FlagRow for each.
RowValues = tuple[Any, ...]


# Partition and offset of a transaction, and its features as a model gets them: float32, little-endian, in the order of
# the bundle that scored it, NaN where a number was missing.
SampleValues = tuple[int, int, bytes]


class StoredBundle(NamedTuple):
    version: str
    manifest: str


class Role(StrEnum):
    """What workers go on with while they run: the bundle in use, the rules beside it, and the challenger."""

    BUNDLE = "bundle"
    RULES = "rules"
    CHALLENGER = "challenger"


class VersionStart(NamedTuple):
    """From which transaction of a partition on a version has its role, since another one had it, or none. None: none
    has it any more; of bundles there always is one. The wall clock's time of the commit is None where nobody told
    it, as before stores knew of this. A challenger scores as far as there is time for it."""

    partition: int
    first_offset: int
    version: str | None
    event_time: int
    stored_at: int | None


class ShareStart(NamedTuple):
    """From which transaction of a partition on a challenger decides for a share of the customers; None: from where on
    none does any more."""

    partition: int
    first_offset: int
    challenger: str | None
    percent: float | None
    event_time: int
    stored_at: int | None


# In place of a version: that nothing scores beside the bundle in use.
NO_CHALLENGER = ""


class ShadowPiece(NamedTuple):
    """What a challenger made of a stretch of a partition, of which it scored every transaction: first <= offset < next,
    and of each transaction the offset, the score and the level as its place in LEVELS."""

    first_offset: int
    next_offset: int
    scores: Sequence[tuple[int, float, int]]


class ShadowSpan(NamedTuple):
    """first <= offset < next: a challenger scored every transaction in it that the bundle in use decided. What lies
    between two spans it did not."""

    partition: int
    first_offset: int
    next_offset: int
    transactions: int  # how many it scored


class ShadowPair(NamedTuple):
    """A transaction that both scored, the bundle in use and a challenger, and the label in force with the time when it
    was found out; None where there is none."""

    partition: int
    offset: int
    event_time: int
    customer_id: str
    transaction_id: str
    currency: str
    amount: int | None
    merchant_id: str | None
    bundle_version: str  # in use then
    score: float
    level: str
    challenger_score: float
    challenger_level: str
    is_fraud: bool | None
    labelled_at: int | None


class SharedFlag(NamedTuple):
    """A transaction that was decided while a challenger had a share of the customers, and the label in force; None
    where there is none."""

    offset: int
    event_time: int
    customer_id: str
    currency: str
    amount: int | None
    bundle_version: str  # that decided
    decision: str
    is_fraud: bool | None


class Refusal(NamedTuple):
    """What a worker was told to go on with and did not, and why; it goes on with what it had. In place of a challenger
    that it does not take, it has none."""

    owner: str
    refused: str  # the version, or what stood in its place
    reason: str
    refused_at: int


# waits: for people to decide about the challenger that is in the shadow. stopped: by whoever told the process to end.
DID_NOTHING = ("waits", "stopped")
OUTCOMES = ("shadow", "promoted", "left", *DID_NOTHING, "failed", "killed")
# For which a retraining says nothing: far longer than the store is ever locked, or a process gets no processor.
GONE_AFTER_SECONDS = 300.0


class RetrainingEnd(NamedTuple):
    outcome: str  # one of OUTCOMES
    version: str | None  # the bundle that came of it
    why: str | None
    details: str | None  # JSON


class Retraining(NamedTuple):
    """A run of `trainer retrain`. While it goes on it says again and again that it does; one that has not ended and no
    longer says so was killed. Times are the wall clock's."""

    number: int
    owner: str  # for people: host and process
    process: str  # the same for programs, so that none of another start is taken for it
    begun_at: int
    alive_at: int
    stage: str
    ended_at: int | None
    outcome: str | None
    version: str | None
    why: str | None
    details: str | None
    every_ms: int | None  # how often one is to begin; None where nobody said so, as by hand


class KnownLedger(NamedTuple):
    terms: LedgerTerms
    begun: int | None  # the first day with transactions
    newest: int
    offset: int  # of the newest day's end mark in the topic


class Removed(NamedTuple):
    flags: int
    labels: int
    ledger_rows: int


NO_LEVEL = 9  # in place of a place in LEVELS, of a text that is none of them
NO_DECISION = 9  # likewise, in DECISIONS
UNKNOWN_AMOUNT = -1


class FlagColumns(NamedTuple):
    """Flags of one partition in the order of the log, an entry of each column for each: what is counted of them. Texts
    are UTF-8; most are never shown."""

    offsets: Array
    event_times: Array
    amounts: Array  # UNKNOWN_AMOUNT where missing
    levels: Array
    decisions: Array  # of the level alone where no rule set was in force
    are_shared: Array  # bool: decided while a challenger had a share
    scores: Array  # in whole steps, rounded down
    customer_ids: list[bytes]
    transaction_ids: list[bytes]
    currencies: list[bytes]
    categories: list[bytes]
    channels: list[bytes]
    bundle_versions: list[bytes]


class Samples(NamedTuple):
    """Sampled features of one partition in the order of the log, with what their flags say. Texts are UTF-8."""

    offsets: Array
    event_times: Array
    scores: Array
    bundle_versions: list[bytes]
    features: list[bytes]


class ShadowColumns(NamedTuple):
    """Transactions of one partition that both scored, in the order of the log, an entry of each column for each."""

    offsets: Array
    event_times: Array
    levels: Array  # of the bundle in use
    challenger_levels: Array
    bundle_versions: list[bytes]  # in use then, UTF-8


class JudgedFlag(NamedTuple):
    """A flag with the label in force; None where there is none. Texts are UTF-8."""

    offset: int
    event_time: int
    customer_id: bytes
    currency: bytes
    amount: int | None
    bundle_version: bytes
    decision: int  # its place in DECISIONS
    is_fraud: int | None
    labelled_at: int | None


class LabelCount(NamedTuple):
    is_fraud: int
    labels: int
    newest: int  # labelled_at


class LabelKey(NamedTuple):
    """Which transaction a label is about, and what it says. Texts are UTF-8."""

    customer_id: bytes
    transaction_id: bytes
    is_fraud: int
