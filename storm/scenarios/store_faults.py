"""The store is held, locked, deleted or exchanged, or a second one comes: log and topics bring back what it had, and
nothing is sent twice."""

import shutil

from risk.store import open_store, restore_store
from scorer.worker.exits import EXIT_FAILED
from storm.concluding import Outcome, conclude
from storm.crew import Crew
from storm.ground import Ground, fill
from storm.losing import back_up, check_same, delete, worked
from storm.reading import read
from storm.until import StormError
from testing.replays import everything
from testing.stores import held_by_another
from testing.systems import System


def deleted_and_restored(ground: Ground) -> Outcome:
    """While nobody has it open, risk.db is deleted, and later replaced by a backup."""
    with ground.system() as system:
        first, second = ground.world.history.until(0.5)
        fill(system, first)
        crew = Crew(system)
        crew.join()
        crew.until_scored()
        backup = back_up(system)
        fill(system, second)
        crew.until_scored()
        crew.stop()
        before = read(system)
        delete(system.store)
        check_same(before, worked(crew))
        restore_store(backup, system.store, force=True)
        check_same(before, worked(crew))
        return conclude(crew, ground.world.truth)


def deleted_under_workers(ground: Ground) -> Outcome:
    """risk.db is deleted while two workers have it open: they end, and leave no gap."""
    first, rest = ground.world.history.until(0.4)
    second, third = rest.until(0.4)
    with ground.system() as system:
        crew = Crew(system)
        victims = crew.join(2)
        crew.until_shared()
        fill(system, first)
        crew.until_scored()
        moment = crew.scored() + ground.dice.randrange(1, len(second.transactions))
        fill(system, second)
        crew.until(lambda: crew.scored() >= moment, f"{moment} transactions are scored")
        delete(system.store)
        fill(system, third)
        statuses = [crew.until_ended(victim) for victim in victims]
        if 0 in statuses:
            raise StormError(f"workers whose store was lost ended with {statuses}, expected a status that says so")
        crew.join()
        return conclude(crew, ground.world.truth, f"statuses {statuses}")


def killed_before_storing(ground: Ground) -> Outcome:
    """SIGKILL when outputs are sent and cannot be stored, as somebody else holds the store: whoever comes next finds
    them in the topics. And once more without a kill: then the worker waits for as long as the store is held."""
    first, rest = ground.world.history.until(0.25)
    second, third = rest.until(0.4)
    with ground.system() as system:
        crew = Crew(system)
        [victim] = crew.join()
        fill(system, first)
        crew.until_scored()
        # Held first and sent then, or the worker might be through before the store is held.
        with held_by_another(system.store, "begin immediate"):
            fill(system, second)
            crew.until(lambda: _is_ahead(system), "outputs are sent that are not stored")
            crew.kill(victim)
        crew.join()
        crew.until_scored()
        with held_by_another(system.store, "begin immediate"):
            fill(system, third)
            crew.until(lambda: _is_ahead(system), "outputs are sent that are not stored")
        return conclude(crew, ground.world.truth, "1 kill, 2 locks")


def _is_ahead(system: System) -> bool:
    """Whether there are more flags in their topic than rows in the store."""
    store = open_store(system.store, read_only=True)
    try:
        stored = sum(1 for _ in store.flags())
    finally:
        store.close()
    return sum(len(records) for records in everything(system.address, system.topics.flags).values()) > stored


def frozen_in_a_transaction(ground: Ground) -> Outcome:
    """SIGSTOP in the middle of a store transaction, beside a worker that is there and one that comes: both wait. Then
    it is killed, as the unit's watchdog does it."""
    with ground.system() as system:
        crew = Crew(system)
        [victim, other] = crew.join(2)
        crew.until_shared()
        fill(system, ground.world.history)
        crew.freeze(victim, has_store_locked=True)
        crew.workers.remove(victim)
        [comer] = crew.join()
        expected = f"by process {victim.pid} ("
        crew.until(lambda: all(expected in one.said() for one in (other, comer)), f"both wait, locked {expected}")
        if "which is stopped; waits for it" not in other.said():
            raise StormError(f"the worker that waits does not say why: {other.said()[-1500:]}")
        victim.kill()
        return conclude(crew, ground.world.truth, "1 freeze")


def two_stores(ground: Ground) -> Outcome:
    """As `risk.db` of another folder is one, and a copy another: it ends, and the first goes on. When the first is
    killed it is let in, with its copy, and does the rest."""
    first, second = ground.world.history.until(0.5)
    with ground.system() as system:
        crew = Crew(system)
        [victim] = crew.join()
        crew.until_shared()
        fill(system, first)
        crew.until_scored()
        elsewhere = system.folder / "elsewhere"
        elsewhere.mkdir()
        other = System(system.environment, elsewhere)
        shutil.copytree(system.models, other.models)
        back_up(system).rename(other.store)
        others = Crew(other)
        try:
            [refused] = others.join()
            status, said = others.until_ended(refused), refused.said()
            if status != EXIT_FAILED or not all(f"{path}" in said for path in (system.store, other.store)):
                raise StormError(f"a worker with another store ended with {status}, expected {EXIT_FAILED}: {said}")
            fill(system, second.until(0.3)[0])
            crew.until_scored()
            crew.kill(victim)
            fill(system, second.until(0.3)[1])
            others.join()
            return conclude(others, ground.world.truth, "1 worker refused, 1 kill")
        finally:
            for worker in other.workers:
                worker.kill()
