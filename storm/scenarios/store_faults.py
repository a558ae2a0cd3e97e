"""The store is held, deleted or exchanged: log and topics bring back what it had, and nothing is sent twice."""

from risk.store import open_store, restore_store
from storm.concluding import Outcome, conclude
from storm.crew import Crew
from storm.ground import Ground, fill
from storm.losing import back_up, check_same, delete, worked
from storm.reading import read
from storm.until import StormError
from tests.replays import everything
from tests.scorer_runs import System
from tests.stores import held_by_another


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
    total = len(ground.world.history.transactions)
    with ground.system() as system:
        crew = Crew(system)
        [victim] = crew.join()
        crew.until_shared()
        fill(system, ground.world.history)
        crew.until(lambda: crew.scored() >= total // 4, "a quarter is scored")
        with held_by_another(system.store, "begin immediate"):
            crew.until(lambda: _is_ahead(system), "outputs are sent that are not stored")
            crew.kill(victim)
        crew.join()
        crew.until(lambda: crew.scored() >= total // 2, "half is scored")
        with held_by_another(system.store, "begin immediate"):
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
