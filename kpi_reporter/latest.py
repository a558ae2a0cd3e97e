"""The figures as of the last reading, kept new by a thread of its own, so that nobody who asks waits for SQLite."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from kpi_reporter.kpis.recent import Misses
from kpi_reporter.kpis.values import Kpis, Unready

EVERY_SECONDS = 2.0


class Reader(Protocol):
    misses: Misses | None

    def read(self) -> Kpis | Unready: ...

    def end(self) -> None: ...


class Latest:
    def __init__(
        self, reader: Reader, path: Path, say: Callable[[str], None], *, every_seconds: float = EVERY_SECONDS
    ) -> None:
        """`say`: where a person is told that the store can be read, or why it cannot."""
        self._reader, self._say = reader, say
        self._every_seconds = every_seconds
        self._path = path
        self._value: Kpis | Unready = Unready(f"{path}: the store is being read for the first time", is_reading=True)
        self._begun = self._done = 0  # readings
        self._has_changed = threading.Condition()
        self._is_wanted = threading.Event()
        self._is_ended = False
        self.has_failed = False  # by a mistake of the program, which only a new start can mend
        self._thread = threading.Thread(target=self._keep_new, name="reading the store")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """A reading that goes on is broken off."""
        self._is_ended = True
        self._is_wanted.set()
        self._reader.end()
        self._thread.join()

    def is_asked(self) -> bool:
        """Whether somebody waits for a reading that has not begun."""
        return self._is_wanted.is_set()

    def value(self) -> Kpis | Unready:
        """At once."""
        return self._value

    def misses(self) -> Misses | None:
        """At once; None where there is nothing to read."""
        return self._reader.misses

    def newer(self, within_seconds: float) -> Kpis | Unready:
        """Of a reading that began after the question. Where that takes too long, nothing is known: what there is may
        be of a file that was replaced."""
        with self._has_changed:
            wanted = self._begun + 1
            self._is_wanted.set()
            if self._has_changed.wait_for(lambda: self._done >= wanted or self.has_failed, within_seconds):
                return self._value
        return Unready(f"{self._path}: the store is being read, which takes longer than {within_seconds:g} s", True)

    def _keep_new(self) -> None:
        try:
            self._read_again_and_again()
        except Exception as error:
            failed = Unready(f"{self._path}: reading it ended in {error!r}, a mistake in the program; start it again")
            with self._has_changed:
                self._value, self.has_failed = failed, True
                self._has_changed.notify_all()
            raise

    def _read_again_and_again(self) -> None:
        while not self._is_ended:
            self._is_wanted.clear()
            with self._has_changed:
                self._begun += 1
                number = self._begun
            value = self._reader.read()
            self._tell(value)
            with self._has_changed:
                self._value, self._done = value, number
                self._has_changed.notify_all()
            if not self._is_ended:
                self._is_wanted.wait(self._every_seconds)

    def _tell(self, value: Kpis | Unready) -> None:
        """Once, when it becomes so."""
        if self._is_ended:
            return  # that it was broken off is known to who did so
        if isinstance(value, Unready):
            if not isinstance(self._value, Unready) or self._value.reason != value.reason:
                self._say(value.reason)
        elif isinstance(self._value, Unready):
            self._say(f"{self._path}: {value.transactions:,} flags are read; what is new follows every few seconds")
