"""compare: its options."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from console.help import epilog
from console.options import A_FILE, option_of
from risk.errors import OptionError
from risk.settings import number
from trainer.options import RESAMPLES, SEED, add_models

NOTES = """\
Both bundles score FILE as backtest does, and both are allowed as many cases a day: those that A raises at its own
threshold, or --cases-per-day. Who then catches more frauds, and who saves more money? Both see the same transactions,
so the difference is taken for each customer, and its 95 % interval comes of drawing customers anew (merchants, where
their interval is wider). Where it holds 0, the two cannot be told apart with so many frauds; sample-size says how many
it takes. Then both stand side by side at their own thresholds, with examples of what only one of them caught.

Count only days that neither has learned from: compare warns where one has.

--live reads the store instead (TRUSTLENS_DB): the challenger that `promote VERSION --shadow` put in the shadow, beside
the bundle in use, on the transactions that both scored. It leaves out days whose labels are not due and days that one
of the two learned from or was tested on, and says so first. Where both scored a part of the transactions, that part of
--cases-per-day is allowed: a team also works those of the customers for whom the challenger decides itself. Where it
has such a share, both groups of customers stand side by side below: what was sent to people, and what it found.
`promote --challenger` asks for the same comparison. Choose beforehand on which day you will look: an interval that is
looked at every day until it leaves out 0 does so by chance more often than it says.
"""
INTERESTING = 0.05
OF_A_FILE = ("first", "second", "file", "columns", "labels", "without_labels", "out", "force")
OF_A_STORE = ("difference", "json")


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "compare",
        description="Say which of two bundles is better on a file, or live, by how much, and how sure that is.",
        usage="python -m trainer compare A B FILE [options]\n       python -m trainer compare --live [options]",
        epilog=epilog(
            "python -m trainer compare models models/logistic-1a2b3c4d cards.parquet --from 2024-12-08",
            "python -m trainer compare models second mine.csv --columns map.toml --cases-per-day 20",
            "python -m trainer compare --live",
            notes=NOTES,
            done="it was compared, whatever came of it",
        ),
    )
    bundle = "a bundle's folder, or a folder of models for the one in use there"
    command.add_argument("first", metavar="A", type=Path, help=bundle)
    command.add_argument("second", metavar="B", type=Path, help="another, the same way")
    command.add_argument("file", metavar="FILE", type=Path, help=A_FILE)
    command.add_argument("--columns", type=Path, metavar="MAP.toml", help="which column is what; see inspect")
    command.add_argument("--labels", type=Path, metavar="FILE", help="labels from another file, instead of FILE's own")
    command.add_argument("--without-labels", action="store_true", help="go on where some labels are missing")
    command.add_argument("--from", dest="since", metavar="DATE", help="count from this day (UTC), such as 2024-12-01")
    command.add_argument("--until", metavar="DATE", help="stop before this day (UTC)")
    command.add_argument(
        "--cases-per-day",
        type=option_of(number),
        metavar="N",
        help="cases that each may raise (default: as A does, or the bundle in use)",
    )
    RESAMPLES.add(command)
    SEED.add(command)
    command.add_argument("--out", type=Path, metavar="DIR", help="a new folder for the tables: JSON and CSV")
    command.add_argument("--force", action="store_true", help="replace what --out names")
    live = command.add_argument_group("live")
    live.add_argument("--live", action=_Live, help="the challenger beside the bundle in use, as the store has it")
    live.add_argument(
        "--difference",
        type=option_of(number),
        metavar="SHARE",
        help=f"of the frauds, the smallest that matters, for the days that it takes (default {INTERESTING})",
    )
    live.add_argument("--json", action="store_true", help="for programs: every figure, and day by day")
    add_models(command)
    command.set_defaults(run=run)


class _Live(argparse.Action):
    """Takes the place of A, B and FILE. Made optional from the start, these could no longer stand behind options."""

    def __init__(self, option_strings: Sequence[str], dest: str, **keywords: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, default=False, **keywords)

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *_: object) -> None:
        for action in parser._actions:
            if not action.option_strings:
                action.required = False
        setattr(namespace, self.dest, True)


def run(options: argparse.Namespace) -> int:
    _check(options)
    if options.live:
        from trainer.compare import live

        return live.run(options)
    from trainer.compare import command

    return command.run(options)


def _check(options: argparse.Namespace) -> None:
    given = [_as_typed(name) for name in (OF_A_FILE if options.live else OF_A_STORE) if getattr(options, name)]
    if given and options.live:
        raise OptionError(f"{', '.join(given)}: got beside --live, expected without it: --live reads the store")
    if given:
        raise OptionError(f"{', '.join(given)}: got without --live, expected beside it: that is for the store")
    if options.cases_per_day is not None and options.cases_per_day <= 0:
        raise OptionError(f"--cases-per-day: got {options.cases_per_day:g}, expected more than 0, such as 20")
    if options.difference is not None and not 0 < options.difference < 1:
        raise OptionError(f"--difference: got {options.difference:g}, expected a share between 0 and 1, such as 0.05")


def _as_typed(name: str) -> str:
    positionals = {"first": "A", "second": "B", "file": "FILE"}
    return positionals.get(name, f"--{name.replace('_', '-')}")
