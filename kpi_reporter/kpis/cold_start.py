"""What makes scores wrong without a word: too short a past, and labels that stay away. Of the bundles in use, which are
those that the newest flag of each partition names."""

import sqlite3

from risk.horizon import (
    Horizon,
    LabelSilence,
    LogStart,
    WarmingUp,
    horizon_of_manifest,
    label_silence,
    warming_up_of,
)

_PARTITIONS = """
select first_event_time, newest_event_time, (
    select manifest from bundles where version = (
        select bundle_version from risk_flags where source_partition = partition order by source_offset desc limit 1
    )
) from partitions where newest_event_time is not null
"""
_FIRST_DAY = "select min(day) from ledger_days where label_delay_days = ? and bucket_ms = ? and transactions > 0"


class ColdStart:
    def __init__(self) -> None:
        self.warming_up: WarmingUp | None = None
        self._horizons: set[Horizon] = set()
        self._starts: list[tuple[int | None, int | None]] = []

    def read(self, connection: sqlite3.Connection) -> None:
        rows = connection.execute(_PARTITIONS).fetchall()
        self._starts = [(first, newest) for first, newest, _ in rows]
        found = [
            (LogStart(first), newest, horizon)
            for first, newest, manifest in rows
            if manifest is not None and (horizon := horizon_of_manifest(manifest)) is not None
        ]
        self._horizons = {horizon for _, _, horizon in found}
        first_days = {
            horizon: connection.execute(_FIRST_DAY, (horizon.label_delay, horizon.bucket_ms)).fetchone()[0]
            for horizon in self._horizons
        }
        self.warming_up = warming_up_of(
            (horizon, start._replace(first_ledger_day=first_days[horizon]), newest) for start, newest, horizon in found
        )

    def label_silence(self, newest_label: int | None) -> LabelSilence | None:
        return label_silence(self._horizons, self._starts, newest_label)
