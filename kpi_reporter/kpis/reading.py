"""Reads a store's figures, and the next time only what is new."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kpi_reporter.kpis.alerts import Alert
from kpi_reporter.kpis.figures import Figures
from kpi_reporter.kpis.opened import Opened, open_to_read
from kpi_reporter.kpis.outdated import OutdatedError
from kpi_reporter.kpis.recent import Misses
from kpi_reporter.kpis.values import Kpis, Unready
from risk.errors import StoreError

# So often a reading looks whether it is to end: every few milliseconds.
STEPS_BETWEEN_LOOKS = 1_000_000


class KpiReader:
    """Called from one thread at a time. The store is open only while it is read: whoever restores a backup needs it
    for himself."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place: tuple[int, int] | None = None  # of the file that the figures are of
        self._figures: Figures | None = None
        self._is_ended = False
        self.misses: Misses | None = None  # as of the last reading; another thread may ask

    def read(self) -> Kpis | Unready:
        try:
            with self._open() as opened:
                return self._read(opened)
        except StoreError as error:
            # Perhaps something was counted and what belongs to it was not.
            self._figures = self.misses = None
            return Unready(str(error))

    def latest_alerts(self, count: int) -> list[Alert]:
        """As of the last reading, newest first; none where there was nothing to read."""
        if self._figures is None:
            return []
        with self._open() as opened:
            return self._figures.latest_alerts(opened, count) if opened.place == self._place else []

    def end(self) -> None:
        """From another thread: a reading that goes on, or comes, is broken off."""
        self._is_ended = True

    @contextmanager
    def _open(self) -> Iterator[Opened]:
        opened = open_to_read(self._path)
        opened.connection.set_progress_handler(lambda: self._is_ended, STEPS_BETWEEN_LOOKS)
        try:
            yield opened
        finally:
            opened.connection.close()

    def _read(self, opened: Opened) -> Kpis:
        if opened.place != self._place:
            self._figures, self._place = None, opened.place
        figures = self._figures or Figures(opened)
        try:
            figures.read_new(opened)
        except OutdatedError:
            figures = Figures(opened)
            figures.read_new(opened)
        self._figures, self.misses = figures, figures.misses()
        return figures.kpis()
