"""Partitions of the input topics: who owns them, and how far they are. The guard that nothing is written twice."""

import sqlite3
from collections.abc import Sequence

from risk.errors import StaleOwnerError, StoreError
from risk.store.part import Part
from risk.store.rows import Owner, Position, Taken

_POSITION = f"select {', '.join(Position._fields)} from partitions"
_HELD = "topic = ? and partition = ? and owner_epoch = ? and next_offset = ?"


class Partitions(Part):
    def take_over(self, topic: str, partition: int, *, first_offset: int, owner: str | None = None) -> Taken:
        """From now on nobody else can write for this partition. A new one begins at `first_offset`. `owner` is a name
        for people to read."""
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
        return Taken(Owner(topic, partition, epoch), *rest)

    def position(self, topic: str, partition: int) -> Position | None:
        with self._file.reading() as connection:
            row = connection.execute(f"{_POSITION} where topic = ? and partition = ?", (topic, partition)).fetchone()
        return None if row is None else Position(*row)

    def positions(self) -> list[Position]:
        with self._file.reading() as connection:
            rows = connection.execute(f"{_POSITION} order by topic, partition").fetchall()
        return [Position(*row) for row in rows]

    def check(self, owner: Owner, next_offset: int) -> None:
        """StaleOwnerError where the partition belongs to somebody else or is elsewhere, or the file is another one."""
        self.check_file()
        position = self.position(owner.topic, owner.partition)
        if position is None or (position.owner_epoch, position.next_offset) != (owner.epoch, next_offset):
            raise _stale(owner, next_offset, position)

    def skip_to(self, owner: Owner, *, expected: int, next_offset: int) -> None:
        """Over offsets that hold no record: transaction markers, or what retention took."""
        if next_offset <= expected:
            raise StoreError(
                f"skip_to: got offset {next_offset}, expected one after {expected}; a store never goes back"
            )
        with self._file.writing() as connection:
            self._move(connection, owner, expected, next_offset, {})

    def publish_heads(self, heads: Sequence[tuple[Owner, int, int | None]]) -> None:
        """Of partitions that wait: owner, next offset, and the event time of the first unprocessed record (None where
        all is read). Where the partition has moved on or belongs to somebody else, nothing happens."""
        values = [(head, *owner, next_offset) for owner, next_offset, head in heads]
        with self._file.writing() as connection:
            connection.executemany(
                "update partitions set waiting_head = ?, waiting_epoch = owner_epoch, waiting_offset = next_offset "
                f"where {_HELD}",
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
            f"case when newest_event_time is null then ? else first_event_time end where {_HELD}",
            (*columns.values(), first_event_time, *owner, expected),
        )
        if moved.rowcount != 1:
            raise _stale(owner, expected, self.position(owner.topic, owner.partition))


def _stale(owner: Owner, expected: int, position: Position | None) -> StaleOwnerError:
    found = "no such partition" if position is None else f"epoch {position.owner_epoch}, offset {position.next_offset}"
    return StaleOwnerError(
        f"{owner.topic} partition {owner.partition}: the store has {found}, expected epoch {owner.epoch}, offset "
        f"{expected}; another worker took it over, or the store is another one. Nothing was written. Start again."
    )
