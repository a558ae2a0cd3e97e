"""The SQL of challengers: what they scored wholly, and their scores beside those of the bundle in use."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from risk.errors import StoreError
from risk.events import LEVELS
from risk.share import Share, text_of
from risk.store.rows import ShadowPair, ShadowPiece, ShadowSpan, SharedFlag
from risk.store.sqlite.file import StoreFile, insert_all
from risk.store.sqlite.views import DECISION, LABEL

PAIRS_AT_ONCE = 5_000

_INSERT_CHALLENGER = """
insert into challengers select (select ifnull(max(code), 0) + 1 from challengers), ?1, ?2
where not exists (select 1 from challengers where version = ?1)
"""
_INSERT_SCORE = "insert or fail into shadow_scores (source_partition, source_offset, challenger, score, level)"
_LAST_SPAN = """
select first_offset, next_offset from shadow_spans where challenger = ? and source_partition = ?
order by first_offset desc limit 1
"""
_FLAG_BETWEEN = """
select exists (select 1 from risk_flags where source_partition = ? and source_offset >= ? and source_offset < ?)
"""
_EXTEND = """
update shadow_spans set next_offset = ?, transactions = transactions + ?
where challenger = ? and source_partition = ? and first_offset = ?
"""
_SPANS = """
select source_partition, first_offset, next_offset, transactions
from shadow_spans join challengers on code = challenger
where version = ? order by source_partition, first_offset
"""
_LEVEL = " ".join(f"when {place} then '{level}'" for place, level in enumerate(LEVELS))
_PAIRS = f"""
select source_partition, source_offset, event_time, customer_id, transaction_id, currency, amount, merchant_id,
       bundle_version,
       risk_flags.score, risk_flags.level, shadow_scores.score, case shadow_scores.level {_LEVEL} end,
       (select is_fraud {LABEL}), (select labelled_at {LABEL})
from shadow_scores cross join risk_flags using (source_partition, source_offset)
where source_partition = ? and source_offset >= ? and challenger = ? order by source_offset limit {PAIRS_AT_ONCE}
"""

_SHARED = f"""
select source_offset, event_time, customer_id, currency, amount, bundle_version, {DECISION}, (select is_fraud {LABEL})
from risk_flags where source_partition = ? and source_offset >= ? and share = ?
order by source_offset limit {PAIRS_AT_ONCE}
"""


def remember(connection: sqlite3.Connection, version: str, manifest: str) -> None:
    connection.execute(_INSERT_CHALLENGER, (version, manifest))


def commit(
    connection: sqlite3.Connection, partition: int, stored_to: int, version: str, pieces: Sequence[ShadowPiece]
) -> None:
    """With the transaction that is open. `stored_to`: the first offset that no batch was stored of."""
    code = code_of(connection, version)
    if code is None:
        raise StoreError(f"challenger: got {version}, expected one that was remembered; remember it first")
    for piece in pieces:
        first, behind, scores = piece
        last = connection.execute(_LAST_SPAN, (code, partition)).fetchone()
        least = 0 if last is None else last[1]
        if not least <= first < behind <= stored_to:
            raise StoreError(
                f"shadow of partition {partition}: got a piece from {first} to {behind}, expected one between {least}, "
                f"where the last span ends, and {stored_to}, up to where transactions are stored"
            )
        if last is not None and not connection.execute(_FLAG_BETWEEN, (partition, least, first)).fetchone()[0]:
            connection.execute(_EXTEND, (behind, len(scores), code, partition, last[0]))
        else:
            span = code, partition, first, behind, len(scores)
            connection.execute("insert into shadow_spans values (?, ?, ?, ?, ?)", span)
        insert_all(connection, _INSERT_SCORE, [(partition, at, code, score, level) for at, score, level in scores])


def spans(connection: sqlite3.Connection, version: str) -> list[ShadowSpan]:
    return [ShadowSpan(*row) for row in connection.execute(_SPANS, (version,))]


def pairs(file: StoreFile, version: str, partition: int, first: int) -> Iterator[list[ShadowPair]]:
    """In pieces, so that none holds up a checkpoint."""
    with file.reading() as connection:
        code = code_of(connection, version)
    while code is not None:
        with file.reading() as connection:
            rows = connection.execute(_PAIRS, (partition, first, code)).fetchall()
        if not rows:
            return
        first = rows[-1][1] + 1
        yield [_pair(*row) for row in rows]


def _pair(*row: Any) -> ShadowPair:
    pair = ShadowPair(*row)
    return pair if pair.is_fraud is None else pair._replace(is_fraud=bool(pair.is_fraud))


def _shared_flag(*row: Any) -> SharedFlag:
    flag = SharedFlag(*row)
    return flag if flag.is_fraud is None else flag._replace(is_fraud=bool(flag.is_fraud))


def shared(file: StoreFile, share: Share, partition: int, first: int) -> Iterator[list[SharedFlag]]:
    """In pieces, too."""
    while True:
        with file.reading() as connection:
            rows = connection.execute(_SHARED, (partition, first, text_of(share))).fetchall()
        if not rows:
            return
        first = rows[-1][0] + 1
        yield [_shared_flag(*row) for row in rows]


def code_of(connection: sqlite3.Connection, version: str) -> int | None:
    row = connection.execute("select code from challengers where version = ?", (version,)).fetchone()
    return None if row is None else int(row[0])
