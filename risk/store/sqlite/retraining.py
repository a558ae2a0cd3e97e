"""The history of retrainings, of which at most one goes on at a time."""

import sqlite3
from collections.abc import Callable

from risk.errors import StaleOwnerError, StoreError
from risk.store.rows import Retraining, RetrainingEnd
from risk.store.sqlite.failures import with_times

_COLUMNS = ", ".join(Retraining._fields)
_UNDER_WAY = f"select {_COLUMNS} from retrainings where ended_at is null order by number"


def begin(
    connection: sqlite3.Connection,
    owner: str,
    process: str,
    at: int,
    is_gone: Callable[[Retraining], bool],
    every_ms: int | None,
) -> int:
    for row in connection.execute(_UNDER_WAY).fetchall():
        other = Retraining(*row)
        if not is_gone(other):
            raise StoreError(
                f"retraining {other.number} is under way: {other.owner} does it, and is at {other.stage!r}, expected "
                "none; wait for its end, which `python -m trainer retrain --status` shows"
            )
        why = f"{other.owner} was killed, or its machine went down, at {other.stage!r}; nothing half-done is in force"
        end(connection, other.number, at, RetrainingEnd("killed", None, why, None))
    [number] = connection.execute("select ifnull(max(number), 0) + 1 from retrainings").fetchone()
    connection.execute(
        "insert into retrainings (number, owner, process, begun_at, alive_at, stage, every_ms) "
        "values (?, ?, ?, ?, ?, 'begin', ?)",
        (number, owner, process, at, at, every_ms),
    )
    return int(number)


def keep(connection: sqlite3.Connection, number: int, at: int, stage: str) -> None:
    _changed(
        connection.execute(
            "update retrainings set alive_at = ?, stage = ? where number = ? and ended_at is null", (at, stage, number)
        ),
        number,
    )


def end(connection: sqlite3.Connection, number: int, at: int, how: RetrainingEnd) -> None:
    _changed(
        connection.execute(
            "update retrainings set ended_at = ?, outcome = ?, version = ?, why = ?, details = ? "
            "where number = ? and ended_at is null",
            (at, *how, number),
        ),
        number,
    )


def _changed(cursor: sqlite3.Cursor, number: int) -> None:
    if cursor.rowcount != 1:
        raise StaleOwnerError(
            f"retraining {number}: it has ended by what the store says, expected it under way: another one took it for "
            "gone, because it did not say for minutes that it goes on. Nothing more is done. Start again."
        )


def runs(connection: sqlite3.Connection) -> list[Retraining]:
    rows = connection.execute(f"select {_COLUMNS} from retrainings order by number")
    return with_times("retrainings", Retraining, rows)
