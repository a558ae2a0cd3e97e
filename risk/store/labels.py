"""Labels: every version is kept. The newest counts; of those with one time, the one that came last."""

from collections.abc import Sequence

from risk.events import Label
from risk.store.partitions import Partitions
from risk.store.rows import Owner

# A label that comes again is the same version, but came last now.
_INSERT = """
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


class Labels(Partitions):
    def newest_label(self) -> int | None:
        """The latest labelled_at among those that came last, a thousand of each partition."""
        newest: list[int] = []
        number = -1
        with self._file.reading() as connection:
            while number is not None:
                [number] = connection.execute(
                    "select min(source_partition) from labels indexed by labels_by_offset where source_partition > ?",
                    (number,),
                ).fetchone()
                if number is not None:
                    newest += connection.execute(_NEWEST, (number,)).fetchone()
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
        """Labels with their offsets and the offset after them, in one transaction: both or nothing."""
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
            connection.executemany(_INSERT, values)
