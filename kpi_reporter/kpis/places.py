"""How far the partitions are; and whether the store still goes on from what was read of it."""

import sqlite3

from kpi_reporter.kpis.outdated import OutdatedError
from kpi_reporter.kpis.values import Place

_PLACES = (
    "select topic, partition, next_offset, newest_event_time, owner_epoch from partitions order by topic, partition"
)
_OLDEST = "select min(event_time) from risk_flags"


class Places:
    def __init__(self) -> None:
        self.places: tuple[Place, ...] = ()
        self._epochs: dict[tuple[str, int], tuple[int, int]] = {}
        self._oldest: int | None = None
        self._oldest_in_passing: int | None = None

    def read(self, connection: sqlite3.Connection) -> None:
        """OutdatedError where a partition went backwards, as it does in a backup, or where old flags were pruned."""
        rows = connection.execute(_PLACES).fetchall()
        epochs = {(topic.decode(), partition): (epoch, offset) for topic, partition, offset, _, epoch in rows}
        for place, (epoch, offset) in self._epochs.items():
            now = epochs.get(place)
            if now is None or now[0] < epoch or now[1] < offset:
                raise OutdatedError(
                    f"{place}: got {now} as epoch and offset, expected at least {(epoch, offset)}; it is read anew"
                )
        self._epochs = epochs
        self.places = tuple(
            Place(topic.decode(), partition, offset, newest) for topic, partition, offset, newest, _ in rows
        )
        [oldest] = connection.execute(_OLDEST).fetchone()
        self._check_pruned(oldest)

    def _check_pruned(self, oldest: int | None) -> None:
        if self._oldest is None or (oldest is not None and oldest <= self._oldest):
            self._oldest = oldest
        elif oldest == self._oldest_in_passing:
            # Only once pruning has come to rest: it goes on for a while, and each new beginning reads all there is.
            raise OutdatedError("old flags were pruned; the rest is read anew")
        self._oldest_in_passing = oldest
