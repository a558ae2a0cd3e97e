"""The store's protocol over one SQLite file. Each method is one transaction; the SQL of the ledger's days, of removing
and of copies is in files of their own."""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from risk.block import Block
from risk.clock import DAY
from risk.errors import StaleOwnerError, StoreError
from risk.events import Label
from risk.ledger_day import LedgerDay, LedgerTerms
from risk.ledger_log import ClosedDay
from risk.share import Share
from risk.store.rows import (
    FlagRow,
    KnownLedger,
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
    SampleValues,
    ShadowPair,
    ShadowPiece,
    ShadowSpan,
    SharedFlag,
    ShareStart,
    StoredBundle,
    TakenOver,
    VersionStart,
)
from risk.store.sqlite import bundles, copies, flags, ledger, removing, retraining, roles, shadow
from risk.store.sqlite.failures import with_times
from risk.store.sqlite.file import StoreFile, insert_all
from risk.topics import Identity

_POSITION = f"select {', '.join(Position._fields)} from partitions"
_GUARD = "topic = ? and partition = ? and owner_epoch = ? and next_offset = ?"

_EVENT_TIME = FlagRow._fields.index("event_time")
# By default SQLite copies each page before it changes it, to undo a statement of many rows alone. Here whatever fails
# undoes the whole transaction, so that nothing is copied.
_INSERT_FLAG = f"insert or fail into risk_flags ({flags.COLUMNS})"
_INSERT_SAMPLE = "insert or fail into feature_samples"
# A label that comes again is the same version, but came last now.
_INSERT_LABEL = """
insert into labels
    (customer_id, transaction_id, labelled_at, is_fraud, source, source_partition, source_offset)
values (?, ?, ?, ?, ?, ?, ?)
on conflict do update set source_partition = excluded.source_partition, source_offset = excluded.source_offset
where (excluded.source_partition, excluded.source_offset) > (source_partition, source_offset)
"""

# Labels come in about the order in which they were found out, and there is no index by that.
_NEWEST = """
select max(labelled_at) from (
    select labelled_at from labels where source_partition = ? order by source_offset desc limit 1000
)
"""


class SqliteStore:
    def __init__(self, file: StoreFile) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    # Partitions

    def take_over(self, topic: str, partition: int, *, first_offset: int, owner: str | None = None) -> TakenOver:
        with self._file.writing() as connection:
            connection.execute(
                "insert into partitions (topic, partition, next_offset) values (?, ?, ?) on conflict do nothing",
                (topic, partition, first_offset),
            )
            [row] = connection.execute(
                "update partitions set owner_epoch = owner_epoch + 1, owner = ?, waiting_head = null, "
                "waiting_epoch = null, waiting_offset = null where topic = ? and partition = ? "
                "returning owner_epoch, next_offset, newest_event_time, flags_offset, alerts_offset, rejected_offset, "
                "first_event_time",
                (owner, topic, partition),
            ).fetchall()
        epoch, *rest = row
        return TakenOver(Owner(topic, partition, epoch), *rest)

    def position(self, topic: str, partition: int) -> Position | None:
        with self._file.reading() as connection:
            row = connection.execute(f"{_POSITION} where topic = ? and partition = ?", (topic, partition)).fetchone()
        return None if row is None else Position(*row)

    def positions(self) -> list[Position]:
        with self._file.reading() as connection:
            return with_times("partitions", Position, connection.execute(f"{_POSITION} order by topic, partition"))

    def check_file(self) -> None:
        self._file.check_file()

    def check(self, owner: Owner, next_offset: int) -> None:
        self.check_file()
        position = self.position(owner.topic, owner.partition)
        if position is None or (position.owner_epoch, position.next_offset) != (owner.epoch, next_offset):
            raise _stale(owner, next_offset, position)

    def skip_to(self, owner: Owner, *, expected: int, next_offset: int) -> None:
        if next_offset <= expected:
            raise StoreError(
                f"skip_to: got offset {next_offset}, expected one after {expected}; a store never goes back"
            )
        with self._file.writing() as connection:
            self._move(connection, owner, expected, next_offset, {})

    def publish_heads(self, heads: Sequence[tuple[Owner, int, int | None]]) -> None:
        values = [(head, *owner, next_offset) for owner, next_offset, head in heads]
        with self._file.writing() as connection:
            connection.executemany(
                "update partitions set waiting_head = ?, waiting_epoch = owner_epoch, waiting_offset = next_offset "
                f"where {_GUARD}",
                values,
            )

    def _move(
        self,
        connection: sqlite3.Connection,
        owner: Owner,
        expected: int,
        next_offset: int,
        also: dict[str, int | None],
        first_event_time: int | None = None,
    ) -> None:
        """Moves the partition on, with the transaction that is open; StaleOwnerError where it is not where it was.
        `first_event_time`: of what is scored with this move; it counts where nothing was scored before."""
        columns = {
            "next_offset": next_offset,
            "waiting_head": None,
            "waiting_epoch": None,
            "waiting_offset": None,
            **also,
        }
        moved = connection.execute(
            f"update partitions set {', '.join(f'{name} = ?' for name in columns)}, first_event_time = "
            f"case when newest_event_time is null then ? else first_event_time end where {_GUARD}",
            (*columns.values(), first_event_time, *owner, expected),
        )
        if moved.rowcount != 1:
            raise _stale(owner, expected, self.position(owner.topic, owner.partition))

    # Flags

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
        also = {**outputs._asdict(), "newest_event_time": newest_event_time}
        with self._file.writing() as connection:
            self._move(connection, owner, expected, next_offset, also, rows[0][_EVENT_TIME] if rows else None)
            insert_all(connection, _INSERT_FLAG, rows)
            insert_all(connection, _INSERT_SAMPLE, samples)
            roles.start_with(connection, rows, challenger, stored_at)

    def history(self, partition: int, since: int) -> Iterator[Block]:
        return flags.history(self._file, partition, since)

    def flags(
        self,
        partition: int | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        first_offset: int = 0,
    ) -> Iterator[FlagRow]:
        return flags.flags(self._file, partition, since, until, first_offset)

    def labelled_flags(self, partition: int, since: int, until: int) -> Iterator[LabelledFlag]:
        return flags.labelled_flags(self._file, partition, since, until)

    def first_event_day(self) -> int | None:
        with self._file.reading() as connection:
            [day] = connection.execute(f"select min(event_time) / {DAY} from risk_flags").fetchone()
        return None if day is None else int(day)

    # Challengers

    def remember_challenger(self, version: str, manifest: str) -> None:
        with self._file.writing() as connection:
            shadow.remember(connection, version, manifest)
            bundles.check_same_manifest(connection, "challengers", version, manifest)

    def commit_shadow(self, owner: Owner, version: str, pieces: Sequence[ShadowPiece]) -> None:
        with self._file.writing() as connection:
            position = self.position(owner.topic, owner.partition)
            if position is None or position.owner_epoch != owner.epoch:
                raise _stale(owner, None, position)
            shadow.commit(connection, owner.partition, position.next_offset, version, pieces)

    def challengers(self) -> list[StoredBundle]:
        with self._file.reading() as connection:
            rows = connection.execute("select version, manifest from challengers order by version")
            return [StoredBundle(*row) for row in rows]

    def shadow_spans(self, version: str) -> list[ShadowSpan]:
        with self._file.reading() as connection:
            return shadow.spans(connection, version)

    def shadow_pairs(self, version: str, partition: int, first: int = 0) -> Iterator[list[ShadowPair]]:
        return shadow.pairs(self._file, version, partition, first)

    def shared_flags(self, share: Share, partition: int, first: int = 0) -> Iterator[list[SharedFlag]]:
        return shadow.shared(self._file, share, partition, first)

    # Labels

    def newest_label(self) -> int | None:
        partitions = flags.partitions_of(self._file, "labels indexed by labels_by_offset")
        with self._file.reading() as connection:
            newest = [connection.execute(_NEWEST, (number,)).fetchone()[0] for number in partitions]
        return max(newest, default=None)

    def commit_labels(
        self,
        owner: Owner,
        *,
        expected: int,
        next_offset: int,
        rejected_offset: int,
        labels: Sequence[tuple[int, Label]],
    ) -> None:
        values = [
            (
                label.customer_id,
                label.transaction_id,
                label.labelled_at,
                label.is_fraud,
                label.source,
                owner.partition,
                offset,
            )
            for offset, label in labels
        ]
        with self._file.writing() as connection:
            self._move(connection, owner, expected, next_offset, {"rejected_offset": rejected_offset})
            # One by one: many in a statement took longer, as an upsert may fail and is then undone alone.
            connection.executemany(_INSERT_LABEL, values)

    # The ledger

    def closed_day(self, day: int, terms: LedgerTerms) -> tuple[int, LedgerDay]:
        with self._file.reading() as connection:
            return ledger.close(connection, day, terms)

    def add_ledger_days(self, days: Sequence[ClosedDay], next_offset: int) -> None:
        with self._file.writing() as connection:
            ledger.add(connection, days, next_offset)

    def ledger_offset(self) -> int:
        with self._file.reading() as connection:
            [offset] = connection.execute("select next_offset from ledger_progress").fetchone()
        return int(offset)

    def ledger_days(self, terms: LedgerTerms, since_day: int) -> Iterator[ClosedDay]:
        return ledger.days(self._file, terms, since_day)

    def ledgers(self) -> list[KnownLedger]:
        with self._file.reading() as connection:
            return ledger.known(connection)

    def ledger_bounds(self, terms: LedgerTerms) -> tuple[int | None, int | None, int | None]:
        with self._file.reading() as connection:
            return ledger.bounds(connection, terms)

    # Origin

    def identity(self) -> Identity | None:
        with self._file.reading() as connection:
            row = connection.execute("select cluster_id, topic_ids, partitions, prefix from identity").fetchone()
        if row is None:
            return None
        cluster_id, topic_ids, partitions, prefix = row
        return Identity(cluster_id, json.loads(topic_ids), partitions, prefix)

    def remember_identity(self, identity: Identity) -> None:
        with self._file.writing() as connection:
            known = self.identity()
            whole = identity if known is None else self._joined(known, identity)
            connection.execute("delete from identity")
            connection.execute(
                "insert into identity (cluster_id, topic_ids, partitions, prefix) values (?, ?, ?, ?)",
                (whole.cluster_id, json.dumps(whole.topic_ids, sort_keys=True), whole.partitions, whole.prefix),
            )

    def _joined(self, known: Identity, given: Identity) -> Identity:
        for what, got, expected in given.differences(known):
            raise StoreError(
                f"{self._file.path}: {what}: got {got!r}, expected {expected!r} as the store remembers it; the log "
                "is another one than this store was made from. Go back to that one, or begin with a new store: set "
                "TRUSTLENS_DB to another file, or move this one away, with its -wal and -shm."
            )
        cluster_id = known.cluster_id if known.cluster_id is not None else given.cluster_id
        return known._replace(cluster_id=cluster_id, topic_ids={**given.topic_ids, **known.topic_ids})

    def remember_bundle(self, version: str, manifest: str) -> None:
        with self._file.writing() as connection:
            connection.execute("insert into bundles values (?, ?) on conflict do nothing", (version, manifest))
            bundles.check_same_manifest(connection, "bundles", version, manifest)

    def newest_bundles(self) -> dict[int, str]:
        with self._file.reading() as connection:
            return bundles.newest(connection)

    def bundles(self, beyond: Collection[str] = ()) -> list[StoredBundle]:
        with self._file.reading() as connection:
            return bundles.stored(connection, beyond)

    # What workers go on with

    def starts(self, role: Role) -> list[VersionStart]:
        with self._file.reading() as connection:
            return roles.starts(connection, role)

    def share_starts(self) -> list[ShareStart]:
        with self._file.reading() as connection:
            return roles.share_starts(connection)

    def refuse(self, role: Role, refusal: Refusal) -> None:
        with self._file.writing() as connection:
            roles.refuse(connection, role, refusal)

    def refuse_nothing(self, role: Role, owner: str) -> None:
        with self._file.writing() as connection:
            roles.refuse_nothing(connection, role, owner)

    def refusals(self, role: Role) -> list[Refusal]:
        with self._file.reading() as connection:
            return roles.refusals(connection, role)

    # Retraining

    def begin_retraining(
        self, owner: str, process: str, at: int, is_gone: Callable[[Retraining], bool], every_ms: int | None = None
    ) -> int:
        with self._file.writing() as connection:
            return retraining.begin(connection, owner, process, at, is_gone, every_ms)

    def keep_retraining(self, number: int, at: int, stage: str) -> None:
        with self._file.writing() as connection:
            retraining.keep(connection, number, at, stage)

    def end_retraining(self, number: int, at: int, how: RetrainingEnd) -> None:
        with self._file.writing() as connection:
            retraining.end(connection, number, at, how)

    def retrainings(self) -> list[Retraining]:
        with self._file.reading() as connection:
            return retraining.runs(connection)

    # Room

    def count_flags(self, partition: int, since: int, until: int, *, given_to: str | None = None) -> int:
        with self._file.reading() as connection:
            return flags.count(connection, partition, since, until, given_to)

    def remove(self, flags: Mapping[int, int], labels_before: int, ledger_days: Mapping[LedgerTerms, int]) -> Removed:
        return removing.remove(self._file, flags, labels_before, ledger_days)

    def backup(self, target: Path) -> None:
        """One whole file, as the store was at one moment. Workers go on writing meanwhile."""
        copies.backup(self._file, target)


def _stale(owner: Owner, expected: int | None, position: Position | None) -> StaleOwnerError:
    """`expected`: the offset; None where any will do."""
    found = "no such partition" if position is None else f"epoch {position.owner_epoch}, offset {position.next_offset}"
    return StaleOwnerError(
        f"{owner.topic} partition {owner.partition}: the store has {found}, expected epoch {owner.epoch}, "
        f"{'any offset' if expected is None else f'offset {expected}'}; another worker took it over, or the store is "
        "another one. Nothing was written. Start again."
    )
