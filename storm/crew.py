"""The workers of one system: they come and go, by will or by force, and none may end by itself unnoticed."""

import re
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from time import monotonic
from urllib.request import urlopen

from console.start import EXIT_ENDED, EXIT_OK
from risk.errors import StoreError
from risk.ledger_log import ClosedDay
from risk.store import Position, open_store
from risk.store.sqlite.lock_holder import holder_of
from scorer.worker.exits import EXIT_AWAY, EXIT_STALE
from storm.until import StormError, until
from testing.systems import System, Worker

# Longer than anything takes that works, on a machine that does other things too.
ENOUGH_SECONDS = 300.0
# Whoever was killed is missed after so long; a worker in earnest waits longer.
SESSION_SECONDS = 3.0
# How long a worker is stopped again and again before others are looked after.
LOOKS_FOR_SECONDS = 1.0
# A bundle or a rule set that was named is loaded by then: a kill within it may come before, meanwhile or after.
LOADED_SECONDS = 2.5
# As the leash tells it that a process was ended by SIGTERM.
TERMINATED = 256 - signal.SIGTERM


class Crew:
    def __init__(self, system: System, *options: str, session_seconds: float = SESSION_SECONDS) -> None:
        self.system = system
        self.workers: list[Worker] = []
        self.goodbyes: list[float] = []  # seconds from SIGTERM to the end
        self.statuses: list[int] = []  # of those that ended by themselves, where that was to be expected
        self._options = (*options, "--session-seconds", f"{session_seconds:g}")

    def join(self, count: int = 1) -> list[Worker]:
        joined = [self.system.start(*self._options) for _ in range(count)]
        self.workers += joined
        return joined

    def kill(self, worker: Worker) -> None:
        """SIGKILL."""
        self.workers.remove(worker)
        worker.kill()

    def may_lose_one(self, dice: Random, within_seconds: float = 0.0) -> None:
        """Every other time one of them is killed, and another comes."""
        if dice.random() < 0.5:
            self.let_be(dice.uniform(0, within_seconds))
            self.kill(dice.choice(self.workers))
            self.join()

    def freeze(self, worker: Worker, *, has_store_locked: bool = False) -> None:
        """SIGSTOP while it has the store locked, or while it does not: else others could do nothing meanwhile."""

        def is_frozen() -> bool:
            end = monotonic() + LOOKS_FOR_SECONDS
            while monotonic() < end:
                if has_store_locked and not self._has_store_locked(worker):
                    continue
                worker.signal(signal.SIGSTOP)
                while not _is_stopped(worker) and monotonic() < end:
                    pass
                if _is_stopped(worker) and self._has_store_locked(worker) == has_store_locked:
                    return True
                worker.signal(signal.SIGCONT)
            return False

        self.until(is_frozen, "a worker is stopped " + ("in" if has_store_locked else "outside") + " a transaction")

    def _has_store_locked(self, worker: Worker) -> bool:
        return holder_of(self.system.store).startswith(f"process {worker.pid} ")

    def leave(self, worker: Worker) -> None:
        """SIGTERM; it must end well."""
        begun = monotonic()
        worker.signal(signal.SIGTERM)
        self._until_left(worker)
        self.goodbyes.append(monotonic() - begun)

    def _until_left(self, worker: Worker, *, may_fail: bool = False) -> None:
        status = self.until_ended(worker)
        if may_fail and status in (EXIT_STALE, EXIT_AWAY):
            self.statuses.append(status)  # it found, on its way out, what others find while they work
            return
        # The second is of one that was told before it had begun, the third of one that could not even hear it.
        if status not in (EXIT_OK, EXIT_ENDED) and (status != TERMINATED or worker.said()):
            raise StormError(f"a worker that was to leave ended with status {status}\n{worker.said()}")

    def until(
        self, is_so: Callable[[], bool], what: str, seconds: float = ENOUGH_SECONDS, *, restart: bool = False
    ) -> None:
        """Returns when it is so. A worker that ends by itself is an error, or, where that may be, is started again."""

        def look() -> bool:
            self._look_after(restart=restart)
            return is_so()

        try:
            until(look, seconds, what)
        except StormError as error:
            raise StormError(f"{error}\n{self.last_words()}") from None

    def let_be(self, seconds: float, *, restart: bool = False) -> None:
        """Lets them work for a while."""
        end = monotonic() + seconds
        self.until(lambda: monotonic() >= end, "time goes by", seconds + ENOUGH_SECONDS, restart=restart)

    def until_shared(self) -> None:
        """Returns when each of them has partitions, and no two the same."""

        def is_shared() -> bool:
            owned = [_owned(worker) for worker in self.workers]
            return all(owned) and len(set().union(*owned)) == sum(map(len, owned))

        self.until(is_shared, "every worker has partitions of its own")

    def until_ended(self, worker: Worker, seconds: float = ENOUGH_SECONDS) -> int:
        """The status of one that must end by itself."""
        self.workers.remove(worker)
        try:
            return worker.wait(seconds)
        except subprocess.TimeoutExpired:
            raise StormError(
                f"a worker that should end still runs after {seconds:g} s\n{worker.said()[-2000:]}"
            ) from None
        finally:
            worker.kill()

    def until_scored(self, seconds: float = ENOUGH_SECONDS, *, restart: bool = False) -> None:
        """Returns when the store has everything that is in the inputs now."""
        ends = self.system.ends()
        self.until(
            lambda: self.system.has_reached(ends), f"the store is where the log ends: {ends}", seconds, restart=restart
        )

    def stop(self, *, restart: bool = False) -> None:
        """All of them, by SIGTERM. `restart`: they may end by themselves."""
        for worker in self.workers:
            worker.signal(signal.SIGTERM)
        for worker in list(self.workers):
            self._until_left(worker, may_fail=restart)

    def positions(self) -> list[Position]:
        """Of the transactions, as the store has them; none where there is no store yet."""
        try:
            store = open_store(self.system.store, read_only=True)
        except StoreError:
            return []
        try:
            return [p for p in store.positions() if p.topic == self.system.topics.transactions]
        finally:
            store.close()

    def scored(self) -> int:
        """How many offsets of the transactions are behind the store."""
        return sum(position.next_offset for position in self.positions())

    def closed_days(self) -> list[ClosedDay]:
        """The ledger's, as the store has them."""
        store = open_store(self.system.store, read_only=True)
        try:
            return [day for known in store.ledgers() for day in store.ledger_days(known.terms, 0)]
        finally:
            store.close()

    def count(self, metric: str) -> float:
        """What they have counted by now, all together."""
        return sum(_metric(worker, metric) for worker in self.workers)

    def last_words(self) -> str:
        return "\n".join(f"worker {place}: {worker.said()[-1500:]}" for place, worker in enumerate(self.workers))

    def _look_after(self, *, restart: bool) -> None:
        for worker in list(self.workers):
            status = status_of(worker)
            if status is None:
                continue
            if not restart:
                raise StormError(f"a worker ended by itself, with status {status}\n{worker.said()}")
            self.workers.remove(worker)
            self.statuses.append(status)
            self.join()


def _owned(worker: Worker) -> set[str]:
    """The partitions that it owns, as it said last."""
    said = re.findall(r": owns (.*)$", worker.said(), re.MULTILINE)
    return set(re.findall(r"\S+-\d+", said[-1])) if said else set()


def _metric(worker: Worker, name: str) -> float:
    said = re.search(r"metrics at (http://\S+)", worker.said())
    assert said is not None, worker.said()
    with urlopen(said[1], timeout=10) as answer:
        found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def _is_stopped(worker: Worker) -> bool:
    """All its threads: a signal reaches them one after the other. A thread that has ended does nothing more, either."""
    states = []
    for stat in Path(f"/proc/{worker.pid}/task").glob("*/stat"):
        with suppress(OSError):
            states.append(stat.read_text().rpartition(")")[2].split()[0])
    return bool(states) and all(state in "TtZX" for state in states)


def status_of(worker: Worker) -> int | None:
    """None while it runs."""
    try:
        return worker.wait(0)
    except subprocess.TimeoutExpired:
        return None
