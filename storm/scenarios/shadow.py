"""A challenger comes, is exchanged and goes while workers score: what is in use never notices, and what the store says
of the challenger is true."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from risk.store import FlagRow, Role, ShadowPair, ShadowSpan, VersionStart, open_store
from storm.concluding import Outcome, conclude
from storm.crew import LOADED_SECONDS, Crew
from storm.ground import Ground, fill
from storm.history import parts_of, scores_by
from storm.losing import rebuilt
from storm.until import StormError, went_well
from testing.systems import System, Worker
from trainer.__main__ import main as trainer


def shadow(ground: Ground) -> Outcome:
    """Challengers are named, exchanged and removed while two workers score, and workers are killed in between. Each
    score in the shadow is what that bundle gives, spans hold every transaction, and a rebuilt store has none of it."""
    dice, count, history = ground.dice, ground.size.kills, ground.world.history
    in_use, second = ground.world.versions
    with ground.system() as system:
        third = system.make_bundle(bias=-6.0)
        _promote(system, in_use)
        turns: list[str | None] = [second, third, None]
        crew = Crew(system)
        crew.join(2)
        parts = parts_of(history, 2 * count)
        for number in range(count):
            challenger = turns[number % len(turns)]
            fill(system, next(parts))
            if challenger is None:
                _promote(system, "--no-shadow")
            else:
                _promote(system, challenger, "--shadow")
            crew.may_lose_one(dice, LOADED_SECONDS)
            if challenger is not None:
                _until_taken(crew, challenger)
            fill(system, next(parts))
            if challenger is not None:
                _until_scored_by(crew, challenger)
        crew.until_scored()
        crew.stop()
        said = _read(system)
        scores = {version: scores_by(history, system.models / version) for version in (second, third)}
        _check(said, scores)
        _promote(system, second, "--shadow")
        rebuilt(crew)
        if left := sum(map(len, _read(system).pairs.values())):
            raise StormError(f"the rebuilt store has {left} scores of challengers, expected none")
        scored = sum(map(len, said.pairs.values()))
        given_up = f"{scored} of {len(said.rows)} transactions scored in the shadow, in {len(said.starts)} starts"
        return conclude(crew, {in_use: ground.world.truth[in_use]}, f"{count} changes, {given_up}")


class Said(NamedTuple):
    """What the store says."""

    rows: list[FlagRow]
    starts: list[VersionStart]
    spans: dict[str, list[ShadowSpan]]  # by version
    pairs: dict[str, list[ShadowPair]]


def _read(system: System) -> Said:
    with open_store(system.store, read_only=True) as store:
        rows = list(store.flags())
        partitions = {row.source_partition for row in rows}
        versions = [bundle.version for bundle in store.challengers()]
        return Said(
            rows,
            store.starts(Role.CHALLENGER),
            {version: store.shadow_spans(version) for version in versions},
            {
                version: [
                    pair for number in partitions for pairs in store.shadow_pairs(version, number) for pair in pairs
                ]
                for version in versions
            },
        )


def _check(said: Said, scores: Mapping[str, Mapping[str, tuple[float, str]]]) -> None:
    """Every score is that of the bundle alone, where it was the challenger; and a span has one for each flag."""
    for version, due in scores.items():
        pairs = {(pair.partition, pair.offset): pair for pair in said.pairs.get(version, [])}
        if not pairs:
            raise StormError(f"{version} scored nothing in the shadow; the starts are {said.starts}")
        for place, pair in pairs.items():
            got = pair.challenger_score, pair.challenger_level
            if got != due[pair.transaction_id]:
                raise StormError(f"{pair}: expected {due[pair.transaction_id]} of challenger {version}")
            if _challenger_at(said.starts, *place) != version:
                raise StormError(f"{pair}: scored by {version}, which was not the challenger there: {said.starts}")
        spanned = {
            (row.source_partition, row.source_offset)
            for row in said.rows
            for span in said.spans[version]
            if span.partition == row.source_partition and span.first_offset <= row.source_offset < span.next_offset
        }
        if spanned != pairs.keys():
            odd = sorted(spanned ^ pairs.keys())
            raise StormError(f"{version}: spans and scores differ at {len(odd)} offsets, one of them {odd[:1]}")
        counted = sum(span.transactions for span in said.spans[version])
        if counted != len(pairs):
            raise StormError(f"{version}: its spans count {counted} transactions, and {len(pairs)} have a score")


def _challenger_at(starts: list[VersionStart], partition: int, offset: int) -> str | None:
    before = [start for start in starts if start.partition == partition and start.first_offset <= offset]
    return before[-1].version if before else None


def _promote(system: System, *words: str) -> None:
    went_well(system.run(trainer, "promote", *words, "--models", str(system.models)), "promote")


def _until_taken(crew: Crew, version: str) -> None:
    def is_taken(worker: Worker) -> bool:
        return re.findall(r"the challenger is (.*)$", worker.said(), re.MULTILINE)[-1:] == [version]

    crew.until(lambda: all(is_taken(worker) for worker in crew.workers), f"{version} is every worker's challenger")


def _until_scored_by(crew: Crew, version: str) -> None:
    """Something that came since then, or the next one could take its place before it had anything to score."""

    def has_scored() -> bool:
        with open_store(crew.system.store, read_only=True) as store:
            return bool(store.shadow_spans(version))

    crew.until(has_scored, f"{version} has scored something in the shadow")
