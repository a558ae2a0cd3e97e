"""Another bundle or rule set is promoted in between: what was decided keeps those that decided it, whatever happens
later."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from risk.bundle import read_bundle
from risk.kafka.partitions import partition_of
from risk.rules.rule_set import RuleSet, rules_in_force
from risk.store import FlagRow, Role, open_store
from risk.versions import Versions
from storm.concluding import Outcome, conclude
from storm.crew import ENOUGH_SECONDS, LOADED_SECONDS, Crew
from storm.ground import PARTITIONS, Ground, fill
from storm.history import History, due_by
from storm.load import Load
from storm.losing import back_up, check_same, delete, exchange, rebuilt, worked
from storm.reading import Made, read
from storm.until import StormError, went_well
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
    old, new = ground.world.versions
    with ground.system() as system:
        crew, starts = _in_turns(ground, system, BUNDLES, [new, old])
        return conclude(crew, ground.world.truth, f"{ground.size.kills} promotions, {starts} starts of bundles")


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
    world = ground.world
    with ground.system() as system:
        sets, in_use = _rule_sets(system, world.history), _bundle_in_use(system)
        truth = {
            in_use: world.truth[in_use],
            **{
                str(Versions(in_use, one.version)): due_by(world.history, system.models / in_use, rules=one)
                for one in sets
            },
        }
        crew, starts = _in_turns(ground, system, RULE_SETS, [*(one.version for one in sets), "none"])
        return conclude(crew, truth, f"{ground.size.kills} promotions, {starts} starts of rule sets")


class _Promoted(NamedTuple):
    """What is promoted: bundles, or rule sets."""

    role: Role
    promote: Callable[[System, str], None]
    version_of: Callable[[FlagRow], str | None]


def _in_turns(ground: Ground, system: System, what: _Promoted, turns: Sequence[str]) -> tuple[Crew, int]:
    """The crew, which is done, and how often one began to decide in a partition."""
    dice, count, world = ground.dice, ground.size.kills, ground.world
    rate = str(max(1, round(len(world.history.transactions) / (count * SWAP_SECONDS))))
    crew = Crew(system)
    backup: Path | None = None
    with Load(system, world.file, "--rate", rate) as load:
        crew.join(2)
        crew.until(lambda: crew.scored() > 0, "something is scored")
        for number in range(count):
            version = turns[number % len(turns)]
            what.promote(system, version)
            crew.may_lose_one(dice, LOADED_SECONDS)
            until_taken(crew, version, what.role)
            if number == count // 2:
                backup = back_up(system)
            crew.let_be(dice.uniform(0, 1.0))
        crew.until(load.is_done, "the replay is done", count * SWAP_SECONDS + ENOUGH_SECONDS)
    crew.until_scored()
    crew.stop()
    made, starts = read(system), _starts(system, what)
    if starts != _changes(made, what):
        raise StormError(
            f"the store says that {what.role} start at {starts}, by its flags it is {_changes(made, what)}"
        )
    if not {*turns} - {"none"} <= {version for *_, version in starts}:
        raise StormError(f"what decided: {starts}; expected each of {turns} among them")
    assert backup is not None
    went_well(system.scorer("restore", str(backup), "--force"), "restore")
    for again in (worked(crew), rebuilt(crew)):
        check_same(made, again)
        if _starts(system, what) != starts:
            raise StormError(f"the second time {what.role} start at {_starts(system, what)}, expected {starts}")
    check_backtest(system, world.file)
    return crew, len(starts)


def _promote(system: System, version: str) -> None:
    went_well(system.run(trainer, "promote", version, "--models", str(system.models)), "promote")


def _promote_rules(system: System, what: str) -> None:
    went_well(system.run(trainer, "rules", "promote", what, "--bundle", str(system.models)), "rules promote")


BUNDLES = _Promoted(Role.BUNDLE, _promote, lambda row: row.bundle_version)
RULE_SETS = _Promoted(Role.RULES, _promote_rules, lambda row: row.rules_version)


def _starts(system: System, what: _Promoted) -> list[tuple[int, int, str | None]]:
    with open_store(system.store, read_only=True) as store:
        return [(start.partition, start.first_offset, start.version) for start in store.starts(what.role)]


def _changes(made: Made, what: _Promoted) -> list[tuple[int, int, str | None]]:
    """Where a flag names another one than the one before it in its partition, which began with none."""
    found: list[tuple[int, int, str | None]] = []
    before: dict[int, str | None] = {}
    for row in sorted(made.rows, key=lambda row: (row.source_partition, row.source_offset)):
        version = what.version_of(row)
        if before.get(row.source_partition) != version:
            found.append((row.source_partition, row.source_offset, version))
        before[row.source_partition] = version
    return found


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


def check_backtest(system: System, file: Path) -> None:
    """The file, with the bundles in force as they were, comes to the digest of the audit."""
    schedule = system.folder / "schedule.json"
    went_well(system.scorer("schedule", str(schedule)), "schedule")
    backtest, live = (
        system.digest_of(file, "--schedule", str(schedule)),
        digest(system.scorer("verify", "--bundle", str(system.models))),
    )
    if backtest != live:
        raise StormError(f"the backtest by {schedule} says digest {backtest}, expected {live}, as the audit has it")


def until_taken(crew: Crew, version: str, what: Role) -> None:
    """By every worker: at its start, or while it runs."""

    def is_taken(worker: Worker) -> bool:
        said = worker.said()
        has_gone_on = re.findall(rf"goes on with {what} (\S+),", said)
        return (has_gone_on or re.findall(rf"begins with {what} (\S+)", said))[-1:] == [version]

    crew.until(lambda: all(is_taken(worker) for worker in crew.workers), f"every worker has {version}")


def _check_bundles(made: Made, first: History, old: str, new: str) -> None:
    """Each partition has the old one up to where the promotion was, and then the new one."""
    counts = [0] * PARTITIONS
    for transaction in first.transactions:
        counts[partition_of(transaction.customer_id.encode(), PARTITIONS)] += 1
    for row in made.rows:
        expected = old if row.source_offset < counts[row.source_partition] else new
        if row.bundle_version != expected:
            raise StormError(f"{row}: expected bundle {expected}")
