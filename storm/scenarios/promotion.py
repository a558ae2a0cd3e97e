"""Another bundle or rule set is promoted in between: what was decided keeps those that decided it, whatever happens
later."""

import re
from pathlib import Path

from risk.bundle import read_bundle
from risk.kafka.partitions import partition_of
from risk.rules.rule_set import RuleSet, rules_in_force
from risk.store import Role, open_store
from risk.versions import Versions
from storm.concluding import Outcome, conclude
from storm.crew import ENOUGH_SECONDS, Crew
from storm.ground import PARTITIONS, Ground, fill
from storm.history import History, due_by
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


RULES = {
    "strict": """
[rules.large]
when = 'amount > 60 or customer_count_1h > 2'
action = "review"
sentence = "a large amount, or many at once"
owner = "ana"

[rules.watched]
when = 'customer_id in list("watched") and score < 0.5'
action = "alert"
sentence = "the customer is watched"
owner = "ana"
""",
    "kind": """
[rules.at-a-till]
when = 'channel == "pos" and not new_device_30d'
action = "allow"
sentence = "at a till"
owner = "ben"

[rules.idea]
when = 'hour >= 22 or merchant_id is missing'
action = "alert"
sentence = "late"
owner = "ben"
mode = "shadow"
""",
}


def rules(ground: Ground) -> Outcome:
    """Rule sets are put in force and taken out of it, as bundles are promoted in `swap`: the same each time, and the
    same starts of rule sets."""
    dice, count, world = ground.dice, ground.size.kills, ground.world
    rate = str(max(1, round(len(world.history.transactions) / (count * SWAP_SECONDS))))
    with ground.system() as system:
        sets = _rule_sets(system, world.history)
        truth = {version: world.truth[version] for version in [_bundle_in_use(system)]}
        for rule_set in sets:
            bundle = system.models / _bundle_in_use(system)
            truth[str(Versions(bundle.name, rule_set.version))] = due_by(world.history, bundle, rules=rule_set)
        turns = [rule_set.version for rule_set in sets] + ["none"]
        crew = Crew(system)
        backup: Path | None = None
        with Load(system, world.file, "--rate", rate) as load:
            crew.join(2)
            crew.until(lambda: crew.scored() > 0, "something is scored")
            for number in range(count):
                version = turns[number % len(turns)]
                _promote_rules(system, version)
                if dice.random() < 0.5:
                    crew.let_be(dice.uniform(0, 2.5))  # before, while or after it is loaded
                    crew.kill(dice.choice(crew.workers))
                    crew.join()
                _until_taken(crew, version, "rules")
                if number == count // 2:
                    backup = back_up(system)
                crew.let_be(dice.uniform(0, 1.0))
            crew.until(load.is_done, "the replay is done", count * SWAP_SECONDS + ENOUGH_SECONDS)
        crew.until_scored()
        crew.stop()
        made, starts = read(system), _starts(system, Role.RULES)
        if starts != _rules_changes(made):
            raise StormError(f"the store says that rules start at {starts}, by its flags it is {_rules_changes(made)}")
        if not {rule_set.version for rule_set in sets} <= {version for *_, version in starts}:
            raise StormError(f"the rule sets that decided: {starts}; expected each of {turns} among them")
        assert backup is not None
        restored = system.scorer("restore", str(backup), "--force")
        if restored.code:
            raise StormError(f"restore ended with status {restored.code}: {restored.err}")
        for again in (worked(crew), rebuilt(crew)):
            check_same(made, again)
            if _starts(system, Role.RULES) != starts:
                raise StormError(f"the second time rules start at {_starts(system, Role.RULES)}, expected {starts}")
        _check_backtest(system, world.file)
        return conclude(crew, truth, f"{count} promotions, {len(starts)} starts of rule sets")


def _bundle_in_use(system: System) -> str:
    return read_bundle(system.models).manifest.version


def _rule_sets(system: System, history: History) -> list[RuleSet]:
    """Put in force once, each by the command, and out of it again."""
    (system.folder / "lists").mkdir()
    customers = sorted({transaction.customer_id for transaction in history.transactions})
    watched = "".join(f"customer_id,{name}\n" for name in customers[::7])
    (system.folder / "lists" / "watched.csv").write_text(f"entity,value\n{watched}")
    found = []
    for name, text in RULES.items():
        file = system.folder / f"{name}.toml"
        file.write_text(text)
        _promote_rules(system, str(file))
        rule_set = rules_in_force(system.rules)
        assert rule_set is not None
        found.append(rule_set)
    _promote_rules(system, "none")
    return found


def _promote_rules(system: System, what: str) -> None:
    said = system.run(trainer, "rules", "promote", what, "--bundle", str(system.models))
    if said.code:
        raise StormError(f"rules promote ended with status {said.code}: {said.err}")


def _rules_changes(made: Made) -> list[tuple[int, int, str | None]]:
    """Where a flag names another rule set than the one before it in its partition, which began with none."""
    found: list[tuple[int, int, str | None]] = []
    before: dict[int, str | None] = {}
    for row in sorted(made.rows, key=lambda row: (row.source_partition, row.source_offset)):
        if before.get(row.source_partition) != row.rules_version:
            found.append((row.source_partition, row.source_offset, row.rules_version))
        before[row.source_partition] = row.rules_version
    return found


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


def _until_taken(crew: Crew, version: str, what: str = "bundle") -> None:
    """By every worker: at its start, or while it runs."""

    def is_taken(worker: Worker) -> bool:
        said = worker.said()
        has_gone_on = re.findall(rf"goes on with {what} (\S+),", said)
        return (has_gone_on or re.findall(rf"begins with {what} (\S+)", said))[-1:] == [version]

    crew.until(lambda: all(is_taken(worker) for worker in crew.workers), f"every worker has {version}")


def _starts(system: System, role: Role = Role.BUNDLE) -> list[tuple[int, int, str | None]]:
    with open_store(system.store, read_only=True) as store:
        return [(start.partition, start.first_offset, start.version) for start in store.starts(role)]


def _changes(made: Made) -> list[tuple[int, int, str | None]]:
    """Where a flag names another bundle than the one before it in its partition."""
    found: list[tuple[int, int, str | None]] = []
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
