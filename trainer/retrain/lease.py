"""One retraining at a time: it says every few seconds that it goes on, and another finds out whether it was killed."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

from console.terminal import say, warn
from risk.errors import StaleOwnerError, StoreError
from risk.store import GONE_AFTER_SECONDS, Retraining, Store

BEAT_SECONDS = 5.0

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


def is_gone(other: Retraining) -> bool | None:
    """None where it is not a process of this machine, so that nobody can tell by looking once."""
    boot, _, rest = other.process.partition(" ")
    space, _, process = rest.partition(" ")
    if not process or this_process().split(" ")[:2] != [boot, space]:
        return None
    return this_process(int(process.split(" ")[0])) != other.process


class Others:
    """Whether retrainings elsewhere go on, by whether they say anything while this process waits. Only what changes
    counts: the times that they say are of other clocks."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._heard: dict[int, tuple[object, float]] = {}  # what each said last, and when that was heard first

    def is_gone(self, other: Retraining) -> bool | None:
        """None while that is open."""
        found = is_gone(other)
        if found is not None:
            return found
        now, said = self._monotonic(), (other.alive_at, other.stage)
        before, since = self._heard.setdefault(other.number, (said, now))
        if said != before:
            return False
        return True if now - since > GONE_AFTER_SECONDS else None


def begin(
    store: Store, others: Others, pause: Callable[[float], None], clock: Clock, every_ms: int | None = None
) -> int:
    """The number of a new retraining, after all that go on were given the time to say so; StoreError where one does."""
    told = False
    while open_ones := [run for run in store.retrainings() if run.ended_at is None and others.is_gone(run) is None]:
        if not told:
            say(
                f"retraining  {open_ones[0].number} of {open_ones[0].owner}, on another machine, has not ended; this "
                f"one waits until that says that it goes on, or nothing for {GONE_AFTER_SECONDS / 60:g} minutes"
            )
        told = True
        pause(BEAT_SECONDS)
    return store.begin_retraining(
        owner_name(), this_process(), clock(), lambda other: others.is_gone(other) is True, every_ms
    )


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
