"""Another bundle is promoted in between: what was scored keeps the bundle that scored it, whatever happens later."""

from producer.partitions import partition_of
from storm.concluding import Outcome, conclude
from storm.crew import Crew
from storm.ground import PARTITIONS, Ground, fill
from storm.history import History
from storm.losing import back_up, check_same, delete, exchange, worked
from storm.reading import Made, read
from storm.until import StormError
from trainer.__main__ import main as trainer


def exchanged_under_workers(ground: Ground) -> Outcome:
    """risk.db is deleted after the promotion, and then, while two workers have it open, replaced by a backup from
    before the promotion: they end, and nothing changes its bundle."""
    world = ground.world
    old, new = world.versions
    first, rest = world.history.until(0.5)
    second, rest = rest.until(0.5)
    third, fourth = rest.until(0.5)
    with ground.system() as system:
        crew = Crew(system)
        fill(system, first)
        crew.join()
        crew.until_scored()
        backup = back_up(system)
        crew.stop()
        said = system.run(trainer, "promote", new, "--models", str(system.models))
        if said.code:
            raise StormError(f"promote ended with status {said.code}: {said.err}")
        fill(system, second)
        before = worked(crew)
        delete(system.store)
        check_same(before, worked(crew))
        victims = crew.join(2)
        crew.until_shared()
        moment = crew.scored() + ground.dice.randrange(1, len(third.transactions))
        fill(system, third)
        crew.until(lambda: crew.scored() >= moment, f"{moment} transactions are scored")
        exchange(system.store, backup)
        fill(system, fourth)
        statuses = [crew.until_ended(victim) for victim in victims]
        if 0 in statuses:
            raise StormError(f"workers whose store was lost ended with {statuses}, expected a status that says so")
        crew.join()
        crew.until_scored()
        _check_bundles(read(system), first, old, new)
        return conclude(crew, world.truth, f"1 promotion, statuses {statuses}")


def _check_bundles(made: Made, first: History, old: str, new: str) -> None:
    """Each partition has the old one up to where the promotion was, and then the new one."""
    counts = [0] * PARTITIONS
    for transaction in first.transactions:
        counts[partition_of(transaction.customer_id.encode(), PARTITIONS)] += 1
    for row in made.rows:
        expected = old if row.source_offset < counts[row.source_partition] else new
        if row.bundle_version != expected:
            raise StormError(f"{row}: expected bundle {expected}")
