"""Scored transactions with what was found out about them: what a history is made from."""

from collections.abc import Iterator

from risk.clock import DAY
from risk.store.rows import FlagRow, LabelledFlag, LabelVersion
from risk.store.sqlite.file import StoreFile

ROWS_AT_ONCE = 4_000
FIELDS = FlagRow._fields[: FlagRow._fields.index("score")]
# The newest comes last, and of those with one time the one that came last, as the view `readable_flags` has it. A label
# from before the transaction's day is about another one, whose id was the same.
_LABELLED = f"""
select {", ".join(FIELDS)}, (
    select group_concat(labelled_at || ' ' || is_fraud) from (
        select labelled_at, is_fraud from labels
        where labels.customer_id = flag.customer_id and labels.transaction_id = flag.transaction_id
            and labelled_at >= flag.event_time / {DAY} * {DAY}
        order by labelled_at, labels.source_partition, labels.source_offset
    )
)
from risk_flags as flag
where source_partition = ? and source_offset >= ? and +event_time >= ? and +event_time < ?
order by source_offset limit {ROWS_AT_ONCE}
"""


def labelled_flags(file: StoreFile, partition: int, since: int, until: int) -> Iterator[LabelledFlag]:
    place = 0
    while True:
        with file.reading() as connection:
            rows = connection.execute(_LABELLED, (partition, place, since, until)).fetchall()
        if not rows:
            return
        for *fields, labels in rows:
            versions = () if labels is None else tuple(map(_version, labels.split(",")))
            yield LabelledFlag._make((*fields, versions))
        place = rows[-1][1] + 1


def _version(text: str) -> LabelVersion:
    labelled_at, is_fraud = text.split()
    return LabelVersion(int(labelled_at), is_fraud == "1")
