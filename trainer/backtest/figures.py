"""The figures of an outcome, as data: the columns of the tables by week and threshold, the rows of two side by side."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from trainer.backtest.passing import Passing
from trainer.backtest.tally import Outcome, Tally


class Unit(StrEnum):
    """How a figure is written."""

    RATE = ",.1f"
    COUNT = ",d"
    MONEY = ",.0f"
    SHARE = ".1%"


class Figure(NamedTuple):
    name: str
    unit: Unit
    of: Callable[[Outcome, int], float | None]  # of an outcome of so many days; None where it cannot be said

    def text(self, value: float | None) -> str:
        return "-" if value is None else format(value, self.unit)

    def difference(self, value: float | None) -> str:
        """Of two shares in points: 10% less of 30% would be 27%."""
        if value is None:
            return "-"
        return f"{100 * value:+.1f} points" if self.unit is Unit.SHARE else format(value, f"+{self.unit}")


CASES = Figure("cases/day", Unit.RATE, lambda one, days: one.alerts / days)
WITHOUT_LABEL = Figure("without label", Unit.COUNT, lambda one, _: one.alerts_unknown)
COUNTS = (
    Figure("caught", Unit.COUNT, lambda one, _: one.frauds_caught),
    Figure("missed", Unit.COUNT, lambda one, _: one.frauds_missed),
    Figure("good flagged", Unit.COUNT, lambda one, _: one.good_customers_flagged),
)
MONEY = (
    Figure("saved", Unit.MONEY, lambda one, _: one.saved),
    Figure("lost", Unit.MONEY, lambda one, _: one.lost),
    Figure("cost", Unit.MONEY, lambda one, _: one.cost),
)
SHARES = (
    Figure("case precision", Unit.SHARE, lambda one, _: one.precision),
    Figure("case recall", Unit.SHARE, lambda one, _: one.recall),
)


def figures_of(passings: Sequence[Passing]) -> tuple[Figure, ...]:
    """Those that something can be said of: without a label only cases."""
    return figures_for([passing.tallies.total for passing in passings])


def figures_for(totals: Sequence[Tally]) -> tuple[Figure, ...]:
    if not any(total.labelled for total in totals):
        return (CASES,)
    unknown = (WITHOUT_LABEL,) if any(total.labelled < total.transactions for total in totals) else ()
    return (CASES, *COUNTS, *unknown, *MONEY, *SHARES)


class Compared(NamedTuple):
    """A figure of two bundles, each at its own threshold."""

    figure: Figure
    first: float | None
    second: float | None

    @property
    def difference(self) -> float | None:
        """The first less the second."""
        return None if self.first is None or self.second is None else self.first - self.second


def compared(first: Passing, second: Passing) -> list[Compared]:
    """Money of two currencies is not compared."""
    same = first.manifest.currency == second.manifest.currency
    return [
        Compared(figure, figure.of(first.total, first.tallies.days), figure.of(second.total, second.tallies.days))
        for figure in figures_of((first, second))
        if same or figure.unit is not Unit.MONEY
    ]
