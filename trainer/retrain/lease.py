"""One retraining at a time: it says every few seconds that it goes on, another finds out whether it was killed, and
`retrain --status` tells what came of earlier ones."""

import argparse
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

import msgspec

from console.options import settings_of
from console.start import EXIT_OK
from console.terminal import say, say_table, warn
from risk.clock import SECOND, to_text
from risk.errors import StaleOwnerError, StoreError
from risk.store import GONE_AFTER_SECONDS, Retraining, Store, open_store
from risk.words import duration_in_words

BEAT_SECONDS = 5.0
SHOWN = 20
TITLES = ("", "begun", "took", "outcome", "bundle", "report", "why")
REPORT = "retrain-{}.md"  # its number

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


# What came of earlier ones


def show_status(options: argparse.Namespace) -> int:
    with open_store(settings_of(options).db, read_only=True) as store:
        runs = store.retrainings()
    if options.json:
        say(msgspec.json.encode([_for_programs(run) for run in runs]).decode())
    elif not runs:
        say("nothing was retrained yet")
    else:
        now = int(time.time() * 1000)
        say_table([TITLES, *(_cells(run, now) for run in reversed(runs[-SHOWN:]))], left=7)
    return EXIT_OK


def outcome_of(run: Retraining) -> str:
    if run.outcome is not None:
        return run.outcome
    return {True: "killed", False: "under way", None: "not ended"}[is_gone(run)]


def _cells(run: Retraining, now: int) -> tuple[str, ...]:
    outcome = outcome_of(run)
    until = run.ended_at if run.ended_at is not None else now if outcome == "under way" else run.alive_at
    took = duration_in_words(max(0, until - run.begun_at) // SECOND * SECOND)
    why = run.why
    if why is None:
        why = f"{run.owner} {'was' if outcome == 'killed' else 'is'} at: {run.stage}"
        if outcome == "not ended":  # on another machine, whose clock may be another
            why += f", as it said at {to_text(run.alive_at)} by its own clock"
    return str(run.number), to_text(run.begun_at), took, outcome, run.version or "-", _report(run), why


def _report(run: Retraining) -> str:
    """Where all that it did is told."""
    folder = None if run.details is None else msgspec.json.decode(run.details).get("report")
    return "-" if folder is None else f"{folder}/{REPORT.format(run.number)}"


def _for_programs(run: Retraining) -> dict[str, object]:
    times = {name: None if at is None else to_text(at) for name, at in
             (("begun_at", run.begun_at), ("alive_at", run.alive_at), ("ended_at", run.ended_at))}  # fmt: skip
    details = None if run.details is None else msgspec.json.decode(run.details)
    return {
        "number": run.number, "owner": run.owner, **times, "stage": run.stage, "outcome": outcome_of(run),
        "version": run.version, "why": run.why, "details": details, "every_ms": run.every_ms,
    }  # fmt: skip
