"""--search: settings drawn at random, and successive halving by days (Jamieson and Talwalkar, AISTATS 2016).

All settings are fitted on the latest days of the fit period; the better half of those drawn goes on with twice the
days, and the last are fitted on all of them. Validation alone judges. So most of the time goes to settings that are
good, and twenty of them take as long as about nine fits. What was asked for always goes on: no search ends with
something worse on validation than there was without it.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from evaluation.result import Trial, TrialRound
from risk.clock import DAY
from risk.codes import Array
from trainer.families import FAMILIES, HYBRID
from trainer.families.family import Family, Parameter
from trainer.splits import LEAST_FRAUDS, Part

LEAST_DAYS = 7  # of a round: on fewer, no setting would see a whole week


class Round(NamedTuple):
    """What the settings that are left are fitted on."""

    days: int | None  # None where rows were drawn at random: there are no latest ones
    rows: slice  # of the fit rows
    transactions: int


class Reached(Protocol):
    @property
    def average_precision(self) -> float:
        """On validation."""


Tried = TypeVar("Tried", bound=Reached)


def draws(family: Family, base: Mapping[str, Any], number: int, seed: int) -> Iterator[dict[str, Any]]:
    """What was asked for first, then so many others; a hybrid's are its family's."""
    yield dict(base)
    dice = np.random.default_rng([seed, list(FAMILIES).index(family.name.removeprefix(HYBRID))])
    for _ in range(number):
        yield {**base, **{each.name: _drawn(each, dice) for each in _searched(family)}}


def _searched(family: Family) -> list[Parameter]:
    return [each for each in family.parameters if each.searched is not None]


def _drawn(parameter: Parameter, dice: np.random.Generator) -> float:
    assert parameter.searched is not None
    low, high, is_logarithmic = parameter.searched
    if is_logarithmic:
        drawn = math.exp(dice.uniform(math.log(low), math.log(high)))
        drawn = float(f"{drawn:.6g}")  # the last bits of exp depend on the processor
        return round(drawn) if parameter.is_whole else drawn
    return int(dice.integers(int(low), int(high) + 1)) if parameter.is_whole else float(dice.uniform(low, high))


def rounds_of(fit: Part, event_times: Array, drawn: int) -> list[Round]:
    """The fewest days first, all of them last: as many halvings as so many settings can bear, and as leave enough to
    learn from."""
    found = [Round(None if fit.period is None else fit.period.days, slice(None), len(fit.rows))]
    while 2 ** len(found) <= drawn:
        fewer = _share_of(fit, event_times, 2 ** len(found))
        is_fraud = fit.is_fraud[fewer.rows]
        if is_fraud.sum() < LEAST_FRAUDS or is_fraud.all() or (fewer.days or LEAST_DAYS) < LEAST_DAYS:
            break
        found.append(fewer)
    return found[::-1]


def _share_of(fit: Part, event_times: Array, divisor: int) -> Round:
    """The latest days; where rows were drawn at random, every so many-th."""
    if fit.period is None:
        return Round(None, slice(None, None, divisor), -(-len(fit.rows) // divisor))
    days = -(-fit.period.days // divisor)
    first = int(np.searchsorted(event_times[fit.rows], (fit.period.until - days) * DAY))
    return Round(days, slice(first, None), len(fit.rows) - first)


def _of_share(family: Family, setting: Mapping[str, Any], share: float) -> dict[str, Any]:
    """What means the same on a share of the rows: leaves of 200 rows are as coarse there as those of 1,600 on all. And
    no more than it takes to compare."""
    if share == 1:
        return dict(setting)
    scaled = {each.name: share * setting[each.name] for each in family.parameters if each.is_of_rows}
    whole = {name: max(1, round(number)) for name, number in scaled.items() if isinstance(setting[name], int)}
    enough = {each.name: each.enough_to_compare for each in family.parameters if each.enough_to_compare is not None}
    fewer = {name: min(setting[name], most) for name, most in enough.items()}
    return {**setting, **scaled, **whole, **fewer}


def search(
    family: Family,
    settings: Sequence[Mapping[str, Any]],
    rounds: Sequence[Round],
    fit: Callable[[Mapping[str, Any], Round], Tried],
) -> tuple[Tried, tuple[Trial, ...]]:
    """The best of the last round, of equal ones the first; and what became of every setting. The first of them is what
    was asked for."""
    reached: list[list[TrialRound]] = [[] for _ in settings]
    left = list(range(len(settings)))
    best: tuple[int, Tried] | None = None
    for this in rounds:
        for number in left:
            share = this.transactions / rounds[-1].transactions
            tried = fit(_of_share(family, settings[number], share), this)
            reached[number].append(TrialRound(this.days, this.transactions, tried.average_precision))
            if this is rounds[-1] and (best is None or tried.average_precision > best[1].average_precision):
                best = number, tried
        asked, *drawn = left
        drawn.sort(key=lambda number: -reached[number][-1].average_precision)
        left = [asked, *sorted(drawn[: -(-len(drawn) // 2)])]
    assert best is not None
    names = [each.name for each in _searched(family)]
    trials = tuple(
        Trial(family.name, {name: setting[name] for name in names}, tuple(reached[number]), number == best[0])
        for number, setting in enumerate(settings)
    )
    return best[1], trials
