"""What was found, what was wanted of it, and the tables that say so."""

import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from bench.results import ratios, spread
from bench.table import table
from bench.targets import ranged
from risk.words import counted

RATE = 2_000  # transactions/s, where alerts are timed


class Target(NamedTuple):
    what: str
    wanted: float  # new to old
    is_least: bool
    digits: int  # of the two sides' own figures

    def is_met(self, ratio: float) -> bool:
        """By the ratio as it is shown."""
        shown = round(ratio, 2)
        return shown >= self.wanted if self.is_least else shown <= self.wanted

    def __str__(self) -> str:
        return f"{'≥' if self.is_least else '≤'} {self.wanted:g}"


TARGETS = {
    "rows_per_second": Target("transactions/s, one worker", 1.7, True, 0),
    "cpu_microseconds": Target("CPU µs a transaction", 0.55, False, 1),
    "kilobytes_a_customer": Target("peak memory of the worker, kB a customer", 1, False, 1),
    "p99_ms": Target(f"event to alert at {RATE:,}/s, ms, p99", 0.7, False, 0),
    "restart_seconds": Target("restart, s per million flags", 0.5, False, 1),
    "backtest_rows_per_second": Target("`trainer backtest`, rows/s", 3, True, 0),
    "features_rows_per_second": Target("`trainer features`, rows/s", 2, True, 0),
}


class Pair(NamedTuple):
    """One measure of both on one history, turn by turn."""

    measure: str
    history: str
    rows: int
    old: list[float]
    new: list[float]
    is_own: bool = False  # the new one scored with a bundle of its own


class Found(NamedTuple):
    """What there is to say, in the order in which it was measured."""

    pairs: list[Pair]
    threads: dict[str, dict[str, list[dict[str, float]]]]  # CPU of each thread, by history, side and turn
    digests: dict[str, str]  # by history


class Sides(NamedTuple):
    old: str  # commits
    new: str
    turns: int


def kept_as(found: Found, sides: Sides) -> dict[str, Any]:
    """As JSON has it."""
    return {**found._asdict(), "pairs": [pair._asdict() for pair in found.pairs], "sides": sides._asdict()}


def page_of_kept(kept: dict[str, Any]) -> str:
    pairs = [Pair(**pair) for pair in kept["pairs"]]
    return page(Found(pairs, kept["threads"], kept["digests"]), Sides(**kept["sides"]))


def is_met(pair: Pair) -> bool:
    """Targets are of the same work: of no other is anything wanted."""
    return pair.is_own or TARGETS[pair.measure].is_met(ratios(pair.new, pair.old).median)


def page(found: Found, sides: Sides) -> str:
    """The tables, ready for a page."""
    heads = ["", "history", "rows", f"old ({sides.old})", f"new ({sides.new})", "new / old", "target", "met"]
    turns = counted(sides.turns, "turn", "turns")
    said = f"{sides.new} beside {sides.old}, {turns}: medians, least and most in brackets.\n\n"
    said += table(heads, [_line(pair) for pair in found.pairs])
    said += "\nBacktests of both have the same digests:\n\n"
    said += table(["history", "digest"], [[name, f"`{digest}`"] for name, digest in found.digests.items()])
    for name, each in found.threads.items():
        said += f"\nCPU µs a transaction by thread of the worker, {name}, medians (`python` is its first thread):\n\n"
        said += table(["thread", "old", "new"], _threads(each["old"], each["new"]))
    return said


def _line(pair: Pair) -> list[str]:
    target = TARGETS[pair.measure]
    sides = [ranged(spread(side), target.digits) for side in (pair.old, pair.new)]
    ratio = ranged(ratios(pair.new, pair.old), 2)
    wanted = ["", ""] if pair.is_own else [str(target), "yes" if is_met(pair) else "**no**"]
    what = f"{target.what}, with a bundle of its own" if pair.is_own else target.what
    return [what, pair.history, f"{pair.rows:,}", *sides, ratio, *wanted]


def _threads(old: Sequence[dict[str, float]], new: Sequence[dict[str, float]]) -> list[list[str]]:
    """The busiest first. A thread that there was not in a turn has used nothing in it."""
    names = {name for turn in (*old, *new) for name in turn}
    medians = {name: [statistics.median(turn.get(name, 0.0) for turn in side) for side in (old, new)] for name in names}
    busiest = sorted(medians, key=lambda name: (-max(medians[name]), name))
    return [[f"`{name}`", *(f"{value:.1f}" for value in medians[name])] for name in busiest]
