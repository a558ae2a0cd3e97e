"""A challenger decides for a share of the customers while workers score and are killed."""

import re
from functools import partial
from pathlib import Path

from risk.share import share_of
from risk.store import Role, open_store
from storm.concluding import Outcome, conclude
from storm.crew import LOADED_SECONDS, Crew
from storm.ground import Ground, fill
from storm.history import parts_of
from storm.losing import back_up, check_same, rebuilt, worked
from storm.reading import Made, read
from storm.scenarios.promotion import check_backtest, until_taken
from storm.until import StormError, went_well
from testing.systems import System, Worker
from trainer.__main__ import main as trainer

SHARES = (20.0, 50.0, None)  # in percent; None: the challenger is put in use


def share(ground: Ground) -> Outcome:
    """A challenger gets a share of the customers, then a larger one, and is put in use; then the other has its turn.
    Workers are killed in between, as in `swap`. Each customer is decided by the bundle that the share says; the same
    each time, and the same starts of shares."""
    dice, count, world = ground.dice, ground.size.kills, ground.world
    with ground.system() as system:
        in_use, challenger = world.versions
        crew = Crew(system)
        crew.join(2)
        parts = parts_of(world.history, 2 * count)
        backup: Path | None = None
        for number in range(count):
            percent = SHARES[number % len(SHARES)]
            fill(system, next(parts))
            words = () if percent is None else ("--shadow", "--share", f"{percent:g}")
            went_well(system.run(trainer, "promote", challenger, *words, "--models", str(system.models)), "promote")
            crew.may_lose_one(dice, LOADED_SECONDS)
            if percent is None:
                until_taken(crew, challenger, Role.BUNDLE)
            else:
                _until_shared(crew, challenger, percent)
            fill(system, next(parts))
            expected = None if percent is None else challenger, percent
            crew.until(partial(_has_begun, system, *expected), f"{expected} has decided something")
            if percent is None:
                in_use, challenger = challenger, in_use
            if number == count // 2:
                backup = back_up(system)
        crew.until_scored()
        crew.stop()
        made, starts = read(system), _share_starts(system)
        if starts != _share_changes(made):
            raise StormError(f"the store says that shares start at {starts}, by its flags it is {_share_changes(made)}")
        assert backup is not None
        went_well(system.scorer("restore", str(backup), "--force"), "restore")
        for again in (worked(crew), rebuilt(crew)):
            check_same(made, again)
            if _share_starts(system) != starts:
                raise StormError(f"the second time shares start at {_share_starts(system)}, expected {starts}")
        check_backtest(system, world.file)
        given = _check_shares(made)
        return conclude(crew, world.truth, f"{count} changes, {len(starts)} starts of shares, {given} given")


def _has_begun(system: System, challenger: str | None, percent: float | None) -> bool:
    return any(start[2:] == (challenger, percent) for start in _share_starts(system))


def _until_shared(crew: Crew, version: str, percent: float) -> None:
    said = f"the challenger is {version} for {percent:g} % of the customers"

    def is_taken(worker: Worker) -> bool:
        return re.findall(r"the challenger is .*$", worker.said(), re.MULTILINE)[-1:] == [said]

    crew.until(lambda: all(is_taken(worker) for worker in crew.workers), f"{said} with every worker")


def _share_starts(system: System) -> list[tuple[int, int, str | None, float | None]]:
    with open_store(system.store, read_only=True) as store:
        return [
            (start.partition, start.first_offset, start.challenger, start.percent) for start in store.share_starts()
        ]


def _share_changes(made: Made) -> list[tuple[int, int, str | None, float | None]]:
    """Where a flag names another share than the one before it in its partition, which began with none."""
    found: list[tuple[int, int, str | None, float | None]] = []
    before: dict[int, tuple[str | None, float | None]] = {}
    for row in sorted(made.rows, key=lambda row: (row.source_partition, row.source_offset)):
        share = None if row.share is None else share_of(row.share)
        said = (None, None) if share is None else (share.challenger, share.percent)
        if before.get(row.source_partition, (None, None)) != said:
            found.append((row.source_partition, row.source_offset, *said))
        before[row.source_partition] = said
    return found


def _check_shares(made: Made) -> int:
    """How many transactions a challenger decided."""
    given = 0
    for row in made.rows:
        if row.share is not None:
            share = share_of(row.share)
            given += row.bundle_version == share.challenger
            if row.bundle_version != share.decides(row.customer_id):
                raise StormError(f"{row}: expected bundle {share.decides(row.customer_id)}, as the share says")
    return given
