"""What makes scores wrong without a word: too short a past, and labels that stay away. Of the bundles in use, which are
those that the newest flag of each partition names."""

from collections.abc import Mapping

from risk.store import StoreToReport
from risk.warming_up import (
    Horizon,
    LabelSilence,
    LogStart,
    WarmingUp,
    label_silence,
    warming_up_of,
)


class ColdStart:
    def __init__(self) -> None:
        self.warming_up: WarmingUp | None = None
        self._horizons: set[Horizon] = set()
        self._starts: list[tuple[int | None, int | None]] = []

    def read(
        self, store: StoreToReport, newest_bundles: Mapping[int, str], horizons: Mapping[str, Horizon | None]
    ) -> None:
        """`horizons`: of the bundles by version; None where a manifest cannot be read."""
        scored = [
            (each.partition, each.first_event_time, each.newest_event_time)
            for each in store.positions()
            if each.newest_event_time is not None
        ]
        self._starts = [(first, newest) for _, first, newest in scored]
        found = [
            (LogStart(first), newest, horizon)
            for partition, first, newest in scored
            if (horizon := horizons.get(newest_bundles.get(partition, ""))) is not None
        ]
        self._horizons = {horizon for _, _, horizon in found}
        first_days = {horizon: store.ledger_bounds(horizon.ledger_terms)[1] for horizon in self._horizons}
        self.warming_up = warming_up_of(
            (horizon, start._replace(first_ledger_day=first_days[horizon]), newest) for start, newest, horizon in found
        )

    def label_silence(self, newest_label: int | None) -> LabelSilence | None:
        return label_silence(self._horizons, self._starts, newest_label)
