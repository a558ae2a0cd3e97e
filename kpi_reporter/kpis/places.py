"""How far the partitions are; and whether the store still goes on from what was read of it."""

from kpi_reporter.kpis.outdated import OutdatedError
from kpi_reporter.kpis.values import Place
from risk.store import StoreToReport


class Places:
    def __init__(self) -> None:
        self.places: tuple[Place, ...] = ()
        self._epochs: dict[tuple[str, int], tuple[int, int]] = {}
        self._oldest: int | None = None
        self._oldest_in_passing: int | None = None

    def read(self, store: StoreToReport) -> None:
        """OutdatedError where a partition went backwards, as it does in a backup, or where old flags were pruned."""
        positions = store.positions()
        epochs = {(each.topic, each.partition): (each.owner_epoch, each.next_offset) for each in positions}
        for place, (epoch, offset) in self._epochs.items():
            now = epochs.get(place)
            if now is None or now[0] < epoch or now[1] < offset:
                raise OutdatedError(
                    f"{place}: got {now} as epoch and offset, expected at least {(epoch, offset)}; it is read anew"
                )
        self._epochs = epochs
        self.places = tuple(
            Place(each.topic, each.partition, each.next_offset, each.newest_event_time) for each in positions
        )
        oldest, _ = store.flag_times()
        self._check_pruned(oldest)

    def _check_pruned(self, oldest: int | None) -> None:
        if self._oldest is None or (oldest is not None and oldest <= self._oldest):
            self._oldest = oldest
        elif oldest == self._oldest_in_passing:
            # Only once pruning has come to rest: it goes on for a while, and each new beginning reads all there is.
            raise OutdatedError("old flags were pruned; the rest is read anew")
        self._oldest_in_passing = oldest
