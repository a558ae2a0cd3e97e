"""Another bundle is promoted in between: what was scored keeps the bundle that scored it, whatever happens later."""

import re
from pathlib import Path

from risk.kafka.partitions import partition_of
from risk.store import open_store
from storm.concluding import Outcome, conclude
from storm.crew import ENOUGH_SECONDS, Crew
from storm.ground import PARTITIONS, Ground, fill
from storm.history import History
from storm.load import Load
from storm.losing import back_up, check_same, delete, exchange, rebuilt, worked
from storm.reading import Made, read
from storm.until import StormError
from testing.systems import System, Worker, digest
from trainer.__main__ import main as trainer

SWAP_SECONDS = 5.0  # of the replay for each promotion


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
        _promote(system, new)
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


def swap(ground: Ground) -> Outcome:
    """Bundles are promoted back and forth while two workers score what a replay sends, and workers are killed in
    between. Then the store is replaced by a backup from the middle, and at last rebuilt from the log: the same each
    time, and the same starts of bundles."""
    dice, count = ground.dice, ground.size.kills
    versions = list(ground.world.versions)
    rate = str(max(1, round(len(ground.world.history.transactions) / (count * SWAP_SECONDS))))
    with ground.system() as system:
        crew = Crew(system)
        backup: Path | None = None
        with Load(system, ground.world.file, "--rate", rate) as load:
            crew.join(2)
            crew.until(lambda: crew.scored() > 0, "something is scored")
            for number in range(count):
                versions.reverse()
                _promote(system, versions[0])
                if dice.random() < 0.5:
                    crew.let_be(dice.uniform(0, 2.5))  # before, while or after it is loaded
                    crew.kill(dice.choice(crew.workers))
                    crew.join()
                _until_taken(crew, versions[0])
                if number == count // 2:
                    backup = back_up(system)
                crew.let_be(dice.uniform(0, 1.0))
            crew.until(load.is_done, "the replay is done", count * SWAP_SECONDS + ENOUGH_SECONDS)
        crew.until_scored()
        crew.stop()
        made, starts = read(system), _starts(system)
        if starts != _changes(made):
            raise StormError(f"the store says that bundles start at {starts}, and by its flags it is {_changes(made)}")
        if len({version for *_, version in starts}) < len(versions):
            raise StormError(f"the bundles that scored: {starts}; expected each of {versions} among them")
        assert backup is not None
        restored = system.scorer("restore", str(backup), "--force")
        if restored.code:
            raise StormError(f"restore ended with status {restored.code}: {restored.err}")
        for again in (worked(crew), rebuilt(crew)):
            check_same(made, again)
            if _starts(system) != starts:
                raise StormError(f"the second time bundles start at {_starts(system)}, expected {starts}")
        _check_backtest(system, ground.world.file)
        return conclude(crew, ground.world.truth, f"{count} promotions, {len(starts)} starts of bundles")


def _check_backtest(system: System, file: Path) -> None:
    """The file, with the bundles in force as they were, comes to the digest of the audit."""
    schedule = system.folder / "schedule.json"
    said = system.scorer("schedule", str(schedule))
    if said.code:
        raise StormError(f"schedule ended with status {said.code}: {said.err}")
    backtest, live = (
        system.digest_of(file, "--schedule", str(schedule)),
        digest(system.scorer("verify", "--bundle", str(system.models))),
    )
    if backtest != live:
        raise StormError(f"the backtest by {schedule} says digest {backtest}, expected {live}, as the audit has it")


def _promote(system: System, version: str) -> None:
    said = system.run(trainer, "promote", version, "--models", str(system.models))
    if said.code:
        raise StormError(f"promote ended with status {said.code}: {said.err}")


def _until_taken(crew: Crew, version: str) -> None:
    """By every worker: at its start, or while it runs."""

    def is_taken(worker: Worker) -> bool:
        said = worker.said()
        has_gone_on = re.findall(r"goes on with bundle (\S+),", said)
        return (has_gone_on or re.findall(r"begins with bundle (\S+)", said))[-1:] == [version]

    crew.until(lambda: all(is_taken(worker) for worker in crew.workers), f"every worker has {version}")


def _starts(system: System) -> list[tuple[int, int, str]]:
    with open_store(system.store, read_only=True) as store:
        return [(start.partition, start.first_offset, start.version) for start in store.bundle_starts()]


def _changes(made: Made) -> list[tuple[int, int, str]]:
    """Where a flag names another bundle than the one before it in its partition."""
    found: list[tuple[int, int, str]] = []
    for row in sorted(made.rows, key=lambda row: (row.source_partition, row.source_offset)):
        if not found or (found[-1][0], found[-1][2]) != (row.source_partition, row.bundle_version):
            found.append((row.source_partition, row.source_offset, row.bundle_version))
    return found


def _check_bundles(made: Made, first: History, old: str, new: str) -> None:
    """Each partition has the old one up to where the promotion was, and then the new one."""
    counts = [0] * PARTITIONS
    for transaction in first.transactions:
        counts[partition_of(transaction.customer_id.encode(), PARTITIONS)] += 1
    for row in made.rows:
        expected = old if row.source_offset < counts[row.source_partition] else new
        if row.bundle_version != expected:
            raise StormError(f"{row}: expected bundle {expected}")
