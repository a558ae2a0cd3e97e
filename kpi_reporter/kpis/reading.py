"""Reads a store's figures, and the next time only what is new."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kpi_reporter.kpis.alerts import Alert
from kpi_reporter.kpis.figures import Figures
from kpi_reporter.kpis.outdated import OutdatedError
from kpi_reporter.kpis.recent import Misses
from kpi_reporter.kpis.values import Kpis, Unready
from risk.errors import StoreError
from risk.store import StoreToReport, open_to_report


class KpiReader:
    """Called from one thread at a time. The store is open only while it is read: whoever restores a backup needs it
    for himself."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place: object = None  # of the store that the figures are of
        self._figures: Figures | None = None
        self._is_ended = False
        self.misses: Misses | None = None  # as of the last reading; another thread may ask

    def read(self) -> Kpis | Unready:
        try:
            with self._open() as store:
                return self._read(store)
        except StoreError as error:
            # Perhaps something was counted and what belongs to it was not.
            self._figures = self.misses = None
            return Unready(str(error))

    def latest_alerts(self, count: int) -> list[Alert]:
        """As of the last reading, newest first; none where there was nothing to read."""
        if self._figures is None:
            return []
        with self._open() as store:
            return self._figures.latest_alerts(store, count) if store.place == self._place else []

    def end(self) -> None:
        """From another thread: a reading that goes on, or comes, is broken off."""
        self._is_ended = True

    @contextmanager
    def _open(self) -> Iterator[StoreToReport]:
        store = open_to_report(self._path, is_over=lambda: self._is_ended)
        try:
            yield store
        finally:
            store.close()

    def _read(self, store: StoreToReport) -> Kpis:
        if store.place != self._place:
            self._figures, self._place = None, store.place
        figures = self._figures or Figures(store, self._path)
        try:
            figures.read_new(store)
        except OutdatedError:
            figures = Figures(store, self._path)
            figures.read_new(store)
        self._figures, self.misses = figures, figures.misses()
        return figures.kpis()
