"""Who retrains says every few seconds that it goes on, and finds out whether another was killed at it."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

from console.terminal import warn
from risk.clock import MINUTE
from risk.errors import StaleOwnerError, StoreError
from risk.store import Retraining, Store

BEAT_SECONDS = 5.0
# Far longer than the store is ever locked, or a process gets no processor.
GONE_AFTER_MS = 5 * MINUTE

Clock = Callable[[], int]


def owner_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def this_process(pid: int | None = None, proc: Path = Path("/proc")) -> str:
    """The start of this machine, the namespace of its processes, and of the process number and start: no other process
    is called so, now or later. Empty for one that is not there."""
    number = os.getpid() if pid is None else pid
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        space = (proc / "self/ns/pid").readlink().name
        # Behind the name, which may contain anything: the 20th is when it started.
        words = (proc / str(number) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    is_dead = words[0] in "ZX"
    return "" if is_dead else f"{boot} {space} {number} {words[19]}"


def is_gone(other: Retraining, now: int) -> bool:
    """At once where it was a process of this machine, and otherwise when it has said nothing for minutes."""
    boot, _, rest = other.process.partition(" ")
    space, _, process = rest.partition(" ")
    ours = this_process().split(" ")
    if process and ours[:2] == [boot, space]:
        return this_process(int(process.split(" ")[0])) != other.process
    return now - other.alive_at > GONE_AFTER_MS


class Lease:
    """A retraining that goes on. `open_again` opens the store once more, for the thread that says so."""

    def __init__(self, number: int, store: Store, open_again: Callable[[], Store], clock: Clock) -> None:
        self.number = number
        self.stage = "begin"
        self._store, self._open_again, self._clock = store, open_again, clock
        self._news, self._is_over = Event(), False
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._say_so, args=(self._open_again(),), name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        self._is_over = True
        self._news.set()
        if self._thread is not None:
            self._thread.join()

    def at(self, stage: str) -> None:
        self.stage = stage
        self._news.set()

    def check(self, stage: str) -> None:
        """StaleOwnerError where another one took this retraining for gone: before anything is put in force."""
        self.stage = stage
        self._store.keep_retraining(self.number, self._clock(), stage)

    def _say_so(self, opened: Store) -> None:
        with opened as store:
            while not self._is_over:
                try:
                    store.keep_retraining(self.number, self._clock(), self.stage)
                except StaleOwnerError:
                    return  # whoever works on finds it out before anything is put in force
                except StoreError as error:
                    warn(f"it cannot be said that retraining {self.number} goes on: {error}; it is tried again")
                self._news.wait(BEAT_SECONDS)
                self._news.clear()
