"""--out: the tables as files, in a folder that is written as a whole or not at all."""

import csv
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from console.output import spreadsheet_cell, whole_folder
from evaluation.result import PairedComparison
from risk.clock import DAY
from risk.errors import OptionError
from risk.events import Level
from trainer.backtest.figures import compared
from trainer.backtest.passing import Passing
from trainer.backtest.period import day_of_time
from trainer.backtest.run import Backtest
from trainer.backtest.side_by_side import SideBySide
from trainer.backtest.tally import Outcome

WHOLE = "backtest.json"
SWEEP, WEEKS = ".sweep.csv", ".weeks.csv"


def checked_out(folder: Path, scores: Path | None, *, force: bool) -> Path:
    """Refused before any work is done: what is there and is no backtest's, and where nothing can be written."""
    folder = folder.resolve()
    try:
        there = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        foreign = [name for name in there if name != WHOLE and not name.endswith((SWEEP, WEEKS))]
        if foreign:
            raise OptionError(
                f"--out: got {folder}, in which there is {foreign[0]}, expected a new folder, or one that a backtest "
                "wrote; it is replaced as a whole. Name another."
            )
        if there and not force:
            raise OptionError(
                f"--out: got {folder}, which is there already; name another, or add --force to replace it"
            )
        if folder.is_mount():
            raise OptionError(f"--out: got {folder}, a mounted place, which cannot be replaced; name a folder in it")
        # Tried, not train_options: rights, a full disk or a read-only place have many causes.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}."):
            pass
    except OSError as error:
        raise OptionError(
            f"--out: got {folder}, which cannot be written ({error.strerror}), expected a folder, or a name for one in "
            "a folder that is there. Choose another."
        ) from None
    if scores is not None and folder in scores.resolve().parents:
        raise OptionError(f"--scores-out: got {scores}, which is in the folder of --out, expected another place")
    return folder


def write_tables(folder: Path, backtest: Backtest, paired: PairedComparison | None = None) -> None:
    """`paired`: of two bundles, what came of them at equal work."""
    bundles = {
        passing.name: {"labels": backtest.about_labels(passing.name), **_bundle(passing)}
        for passing in backtest.passings
    }
    found = backtest.side_by_side
    whole = {"bundles": bundles, "side_by_side": None if found is None else _side_by_side(backtest.passings, found)}
    if paired is not None:
        whole["paired"] = msgspec.to_builtins(paired)
    with whole_folder(folder) as temporary:
        (temporary / WHOLE).write_text(json.dumps(whole, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        for version, tables in bundles.items():
            _write_csv(temporary / f"{version}{SWEEP}", tables["sweep"])
            _write_csv(temporary / f"{version}{WEEKS}", tables["weeks"])


def _bundle(passing: Passing) -> dict[str, Any]:
    tallies, manifest = passing.tallies, passing.manifest
    by_version = {
        version: {level.value: passing.by_version[version, level] for level in Level}
        for version in (() if passing.in_force is None else passing.in_force.bundles)
    }
    return {
        **({"by_bundle": by_version} if by_version else {}),
        **_decided(passing),
        "digest": str(passing.digest),
        "currency": manifest.currency,
        "days": tallies.days,
        "transactions": tallies.total.transactions,
        "labelled": tallies.total.labelled,
        "sweep": [_row(outcome) for outcome in tallies.total.outcomes()],
        "weeks": [
            {"week": day_of_time(week.first_day * DAY), **_row(week.tally.at(passing.high))} for week in tallies.weeks()
        ],
    }


def _decided(passing: Passing) -> dict[str, Any]:
    """Nothing of it without rules."""
    if passing.decided is None:
        return {}
    both = zip(("alert or review", "alert alone"), passing.decided.total.outcomes(), strict=True)
    decisions = [{"decision": name, **_without_threshold(_row(one))} for name, one in both]
    return {"rules_version": passing.rules_name, "decisions": decisions}


def _without_threshold(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "threshold"}


def _row(outcome: Outcome) -> dict[str, Any]:
    """What cannot be said is null, in a CSV empty."""
    return {**outcome._asdict(), "cost": outcome.cost, "precision": outcome.precision, "recall": outcome.recall}


def _side_by_side(passings: Sequence[Passing], found: SideBySide) -> dict[str, Any]:
    first, second = passings
    return {
        "first": first.manifest.version,
        "second": second.manifest.version,
        "figures": [
            {"figure": each.figure.name, "first": each.first, "second": each.second, "difference": each.difference}
            for each in compared(first, second)
        ],
        "frauds": {
            "caught_by_both": found.frauds[True, True],
            "only_by_first": found.frauds[True, False],
            "only_by_second": found.frauds[False, True],
            "by_neither": found.frauds[False, False],
        },
        "different_levels": found.different_levels,
        "levels": [
            {"label": label, "first": level, "second": other, "transactions": count}
            for (label, level, other), count in sorted(found.levels.items())
        ],
        "examples": [each._asdict() for each in found.examples],
    }


def _write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: spreadsheet_cell(value) for name, value in row.items()} for row in rows)
