"""What programs ask of a store, and what whoever implements it promises. `sqlite/` is one implementation; every one has
to pass `tests/store_conformance/`.

A store is used by one thread at a time. Each method is one transaction: all of it, or nothing and an error of
`risk.errors`. Another process may write between two calls, and between two steps of an iterator; nothing that was read
stays locked.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Protocol, Self

from risk.block import Block
from risk.events import Label
from risk.ledger_day import LedgerDay, LedgerTerms
from risk.ledger_log import ClosedDay
from risk.share import Share
from risk.store.rows import (
    FlagColumns,
    FlagRow,
    JudgedFlag,
    KnownLedger,
    LabelCount,
    LabelKey,
    LabelledFlag,
    Outputs,
    Owner,
    Position,
    Refusal,
    Removed,
    Retraining,
    RetrainingEnd,
    Role,
    RowValues,
    Samples,
    SampleValues,
    ShadowColumns,
    ShadowPair,
    ShadowPiece,
    ShadowSpan,
    SharedFlag,
    ShareStart,
    StoredBundle,
    TakenOver,
    VersionStart,
)
from risk.topics import Identity


class CommitStore(Protocol):
    """What moves a partition of an input topic on: asked by its owner alone.

    The guard: what writes for a partition names its owner and the offset that it expects. Where the store has another
    epoch or offset, that is a StaleOwnerError and nothing is written, however many processes try at once.
    """

    def check(self, owner: Owner, next_offset: int) -> None:
        """The guard alone: StaleOwnerError where a write would be refused, or the store is not the one that was
        opened."""

    def commit_flags(
        self,
        owner: Owner,
        *,
        expected: int,
        next_offset: int,
        newest_event_time: int | None,
        outputs: Outputs,
        rows: Sequence[RowValues],
        samples: Sequence[SampleValues] = (),
        challenger: str | None = None,
        stored_at: int | None = None,
    ) -> None:
        """Guarded: the rows of a batch and the features of some of them, the offset after it, and what is known of the
        outputs. A row that is there already is a StoreError. The first row that a partition ever has gives its first
        event time, which then stays. Where a row names another bundle in use than the one before it, that is where its
        bundle starts, and likewise its rule set, or none, and a challenger's share, or none; `stored_at`, the wall
        clock's time, is remembered with that.
        `challenger`: the version that is to score these rows beside, or NO_CHALLENGER; where the batch before had
        another one, it starts with the first row. None: nothing is known of it, and what started before stays."""

    def commit_labels(
        self,
        owner: Owner,
        *,
        expected: int,
        next_offset: int,
        rejected_offset: int,
        labels: Sequence[tuple[int, Label]],
    ) -> None:
        """Guarded: labels with their offsets, and the offset after them. A label that comes again is the same version,
        and has the larger of its places from then on."""

    def skip_to(self, owner: Owner, *, expected: int, next_offset: int) -> None:
        """Guarded. Over offsets that hold no record: transaction markers, or what retention took. Times and outputs
        stay. StoreError where that is not forward."""


class ShadowStore(Protocol):
    """What challengers made of transactions that a bundle in use had scored: written by the worker, read by whoever
    compares the two."""

    def remember_challenger(self, version: str, manifest: str) -> None:
        """Before its first score is stored; otherwise as `remember_bundle`."""

    def commit_shadow(self, owner: Owner, version: str, pieces: Sequence[ShadowPiece]) -> None:
        """Guarded by the owner's epoch alone: the rows are stored already, and whoever has the partition next scores
        them no more. Pieces in their order; one that follows on the last span, with no transaction between them,
        extends it. StoreError where a piece lies beyond what is stored or within a span, or the version is unknown."""

    def challengers(self) -> list[StoredBundle]:
        """In the order of versions."""

    def shadow_spans(self, version: str) -> list[ShadowSpan]:
        """In the order of partitions and offsets. One goes when all flags in it are removed."""

    def shadow_pairs(self, version: str, partition: int, first: int = 0) -> Iterator[list[ShadowPair]]:
        """From that offset on, in the order of the log, many at once. Of what was removed there is none."""

    def shared_flags(self, share: Share, partition: int, first: int = 0) -> Iterator[list[SharedFlag]]:
        """What either of the two decided while this share stood; likewise."""


class PartitionStore(Protocol):
    """Who owns a partition of an input topic, and how far it is: asked by the worker, by `status` and `verify`."""

    def take_over(self, topic: str, partition: int, *, first_offset: int, owner: str | None = None) -> TakenOver:
        """Raises the epoch, so that nobody else can write for this partition any more. A new one begins at
        `first_offset`, an old one where it was; its waiting head is gone. `owner` is a name for people to read."""

    def position(self, topic: str, partition: int) -> Position | None: ...

    def positions(self) -> list[Position]:
        """In the order of topic and partition."""

    def check_file(self) -> None:
        """StaleOwnerError where the store is no longer the one that was opened."""

    def publish_heads(self, heads: Sequence[tuple[Owner, int, int | None]]) -> None:
        """Of partitions that wait: owner, next offset, and the event time of the first unprocessed record (None where
        all is read). Where the guard refuses one, nothing happens to that one."""


class FlagStore(Protocol):
    """Scored transactions: read back by the worker, read by `verify`."""

    def history(self, partition: int, since: int) -> Iterator[Block]:
        """The scored transactions of a partition with a later event time than that, in the order of the log. Only what
        histories are made from: categories, channels and attributes are left out."""

    def flags(
        self,
        partition: int | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        first_offset: int = 0,
    ) -> Iterator[FlagRow]:
        """In the order of partition and offset; since <= event time < until. Every value as it was committed, scores to
        the last bit."""

    def labelled_flags(self, partition: int, since: int, until: int) -> Iterator[LabelledFlag]:
        """The scored transactions of a partition with since <= event time < until, in the order of the log, with what
        was found out about each."""

    def first_event_day(self) -> int | None:
        """The day of the oldest flag there is."""


class LabelStore(Protocol):
    """Every version of every label: counted by `status`."""

    def newest_label(self) -> int | None:
        """The latest `labelled_at` among those that came last, about a thousand of each partition."""


class LedgerStore(Protocol):
    """The merchant ledger: what the ledger closer closes days from, and the closed days as their topic has them."""

    def closed_day(self, day: int, terms: LedgerTerms) -> tuple[int, LedgerDay]:
        """How many transactions of the UTC day were scored; and the day, as `risk.ledger_day.close_day` would close it
        from all flags and labels there are, in the order of code points and buckets."""

    def add_ledger_days(self, days: Sequence[ClosedDay], next_offset: int) -> None:
        """Days out of their topic, and where it is read on, which never goes back. The first one of a day and its
        terms counts for ever. One from a later offset is a repeat and changes nothing; other contents where the
        topic was read already are a StoreError."""

    def ledger_offset(self) -> int:
        """Where the ledger's topic is read on."""

    def ledger_days(self, terms: LedgerTerms, since_day: int) -> Iterator[ClosedDay]:
        """The closed days from that one on, in order. StoreError at a day whose rows were removed."""

    def ledgers(self) -> list[KnownLedger]:
        """Of all terms there are, in their order."""

    def ledger_bounds(self, terms: LedgerTerms) -> tuple[int | None, int | None, int | None]:
        """The first day, the first day with transactions, and the newest day; days without their rows count."""


class OriginStore(Protocol):
    """What the store was made from: the log, which the worker and `verify` compare, and the bundles."""

    def identity(self) -> Identity | None: ...

    def remember_identity(self, identity: Identity) -> None:
        """The first one counts for ever, and another one is a StoreError; what a broker did not tell then is learned
        later."""

    def remember_bundle(self, version: str, manifest: str) -> None:
        """Before its first flag is stored. Of manifests the first stays; StoreError where another one of the same
        version would score otherwise (`risk.bundle.what_decides`)."""

    def bundles(self, beyond: Collection[str] = ()) -> list[StoredBundle]:
        """In the order of versions; without those that are known already."""

    def newest_bundles(self) -> dict[int, str]:
        """The version that was in use for the newest flag of each partition: what scores now."""

    def starts(self, role: Role) -> list[VersionStart]:
        """In the order of partitions and offsets; of rules and challengers nothing while there was none. They stay when
        flags are removed."""

    def refuse(self, role: Role, refusal: Refusal) -> None:
        """In place of what this owner refused before in this role. What others refused stays for as long as they have
        a partition."""

    def refuse_nothing(self, role: Role, owner: str) -> None:
        """It goes on with what it is told."""

    def refusals(self, role: Role) -> list[Refusal]:
        """Of those that have a partition, in the order of owners."""

    def share_starts(self) -> list[ShareStart]:
        """Likewise, of the shares of the customers for whom challengers decide."""


class RetrainingStore(Protocol):
    """At most one retraining goes on at a time, whoever has the store. Of what has ended nothing changes any more:
    StaleOwnerError."""

    def begin_retraining(
        self, owner: str, process: str, at: int, is_gone: Callable[[Retraining], bool], every_ms: int | None = None
    ) -> int:
        """Its number. StoreError while another one goes on; what is gone is ended as killed, in the same step.
        `every_ms`: how often one is to begin, where somebody said so."""

    def keep_retraining(self, number: int, at: int, stage: str) -> None:
        """It goes on, and is at this stage."""

    def end_retraining(self, number: int, at: int, how: RetrainingEnd) -> None: ...

    def retrainings(self) -> list[Retraining]:
        """In their order."""


class RoomStore(Protocol):
    """Removes what is old. What may go is decided by `risk.store.pruning`, for every store alike."""

    def count_flags(self, partition: int, since: int, until: int, *, given_to: str | None = None) -> int:
        """since <= event time < until. `given_to`: only what this challenger decided, while it had a share."""

    def remove(self, flags: Mapping[int, int], labels_before: int, ledger_days: Mapping[LedgerTerms, int]) -> Removed:
        """Flags by partition, with an earlier event time than that, their sampled features and what challengers made of
        them; labels found out before that; the rows of ledger days before that day, by label delay and bucket. In many
        transactions, so that workers hardly wait; where it was interrupted, it can be repeated. A ledger day without
        its rows stays known. Offsets are not touched. Where there is too little room to begin, that is a StoreError."""


class Store(
    CommitStore,
    ShadowStore,
    PartitionStore,
    FlagStore,
    LabelStore,
    LedgerStore,
    OriginStore,
    RetrainingStore,
    RoomStore,
    Protocol,
):
    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class StoreToReport(Protocol):
    """What the KPI reporter asks, every few seconds, of what is new: so each question names where to begin, and its
    answer takes time with what is new and not with what is stored. It has no way to write and never locks, and another
    thread may break it off, which is a StoreError. What a `Store` answers as well means the same here."""

    def close(self) -> None: ...

    def positions(self) -> list[Position]: ...

    def ledger_bounds(self, terms: LedgerTerms) -> tuple[int | None, int | None, int | None]: ...

    def bundles(self, beyond: Collection[str] = ()) -> list[StoredBundle]: ...

    def newest_bundles(self) -> dict[int, str]: ...

    def challengers(self) -> list[StoredBundle]: ...

    def starts(self, role: Role) -> list[VersionStart]: ...

    def share_starts(self) -> list[ShareStart]: ...

    def shadow_spans(self, version: str) -> list[ShadowSpan]: ...

    def retrainings(self) -> list[Retraining]: ...

    @property
    def place(self) -> object:
        """Which store was opened: another value where another one has its name by now, such as a backup."""

    def last_written(self) -> int:
        """When anything was written last, ms, by the clock of who wrote."""

    def flag_times(self) -> tuple[int | None, int | None]:
        """The oldest and the newest event time."""

    def flagged_partitions(self) -> list[int]: ...

    def flag_columns(self, partition: int, first: int, *, score_steps: int, missing: str) -> FlagColumns | None:
        """The next flags from that offset on, as many as are read at once, at least one; None where there are none.
        `missing` stands for a category or channel that a transaction does not have."""

    def flag(self, partition: int, offset: int) -> FlagRow | None: ...

    def judged_flags(self, partition: int, offsets: Sequence[int]) -> list[JudgedFlag]:
        """Those that are there, with the label in force: of the versions since the start of the transaction's day the
        newest, and of these the one that came last."""

    def samples(self, partition: int, first: int) -> Samples | None:
        """The next sampled features from that offset on, as many as are read at once; None where there are none."""

    def shadow_columns(self, version: str, partition: int, first: int) -> ShadowColumns | None:
        """What this challenger scored from that offset on, as many as are read at once; None where there is nothing."""

    def labelled_partitions(self) -> list[int]: ...

    def last_label(self, partition: int) -> int:
        """The largest offset of a label."""

    def label_counts(self, partition: int, after: int, last: int) -> list[LabelCount]:
        """Of labels with after < offset <= last."""

    def label_keys(self, partition: int, after: int, last: int, *, only_frauds: bool) -> Iterator[list[LabelKey]]:
        """The same labels, many at once."""
