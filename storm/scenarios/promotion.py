"""Another bundle is promoted in between: what was scored keeps the bundle that scored it, whatever happens later."""

from producer.partitions import partition_of
from risk.store import restore_store
from storm.concluding import Outcome, conclude
from storm.crew import Crew
from storm.ground import PARTITIONS, Ground, fill
from storm.history import History
from storm.losing import back_up, check_same, delete, worked
from storm.reading import Made
from storm.until import StormError
from trainer.__main__ import main as trainer


def promotion(ground: Ground) -> Outcome:
    """Then the store is deleted, and after that replaced by a backup from before the promotion."""
    world = ground.world
    old, new = world.versions
    first, second = world.history.until(0.5)
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
        _check_bundles(before, first, old, new)
        delete(system.store)
        check_same(before, worked(crew))
        restore_store(backup, system.store, force=True)
        check_same(before, worked(crew))
        return conclude(crew, world.truth, "1 promotion")


def _check_bundles(made: Made, first: History, old: str, new: str) -> None:
    """Each partition has the old one up to where the promotion was, and then the new one."""
    counts = [0] * PARTITIONS
    for transaction in first.transactions:
        counts[partition_of(transaction.customer_id.encode(), PARTITIONS)] += 1
    for row in made.rows:
        expected = old if row.source_offset < counts[row.source_partition] else new
        if row.bundle_version != expected:
            raise StormError(f"{row}: expected bundle {expected}")
