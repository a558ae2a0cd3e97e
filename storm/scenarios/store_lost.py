"""The store is deleted or is an older one: log and topics bring back what it had, and nothing is sent twice."""

from collections.abc import Callable
from pathlib import Path

from risk.store import restore_store
from storm.concluding import Outcome, conclude
from storm.crew import Crew
from storm.ground import Ground, fill, send
from storm.losing import back_up, check_same, delete, exchange, worked
from storm.reading import read
from storm.until import StormError

Lose = Callable[[Path, Path], None]


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


def deleted_under_a_worker(ground: Ground) -> Outcome:
    """risk.db is deleted while two workers have it open: they end, and leave no gap."""
    return _under_workers(ground, lambda store, _: delete(store))


def exchanged_under_a_worker(ground: Ground) -> Outcome:
    """Another file is put in the place of risk.db while two workers have it open."""
    return _under_workers(ground, exchange)


def _under_workers(ground: Ground, lose: Lose) -> Outcome:
    history = ground.world.history
    with ground.system() as system:
        items = history.items(system.topics, 4)
        half = ground.dice.randrange(len(items) // 3, len(items) // 2)
        send(system, items[:half])
        crew = Crew(system)
        victims = crew.join(2)
        crew.until_scored()
        backup = back_up(system)
        # They are in the middle of these when it happens.
        send(system, items[half : half * 3 // 2])
        crew.until(lambda: crew.scored() > half, "some more are scored")
        lose(system.store, backup)
        send(system, items[half * 3 // 2 :])
        statuses = [crew.until_ended(victim) for victim in victims]
        if 0 in statuses:
            raise StormError(f"workers whose store was lost ended with {statuses}, expected a status that says so")
        crew.join(2)
        return conclude(crew, ground.world.truth, f"statuses {statuses}")
