"""Small charts as SVG, drawn here: they stretch with the page, and colours come from its style sheet. Text stands
beside them in HTML, so that it keeps its size on a narrow screen."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

_HIGH = 100.0  # of the drawing; the style sheet says how high it is on the screen
_GAP = 0.18  # of a column's width


class Column(NamedTuple):
    label: str
    all: int
    alerts: int  # and reviews


class Bar(NamedTuple):
    name: str
    shown: str
    note: str
    percent: float  # of the longest bar


class Chart(NamedTuple):
    svg: str
    first: str
    last: str
    top: str  # what the full height stands for


def days_chart(days: Sequence[Column]) -> list[Chart]:
    """Transactions and, on a scale of its own, alerts with reviews: beside all others they would not be seen."""
    return [
        _columns([(f"{day.label}: {day.all:,} transactions", day.all) for day in days], days, "all"),
        _columns([(f"{day.label}: {day.alerts:,} alerts and reviews", day.alerts) for day in days], days, "high"),
    ]


def _columns(values: Sequence[tuple[str, int]], days: Sequence[Column], kind: str) -> Chart:
    top = max((value for _, value in values), default=0)
    ends = (days[0].label, days[-1].label) if days else ("", "")
    return Chart(_svg([(title, value / (top or 1)) for title, value in values], kind), *ends, f"{top:,}")


def scores_chart(counts: Sequence[int]) -> Chart:
    """The distribution of scores. Nearly all are low, so heights follow the square root of the count."""
    step = 1 / len(counts)
    top = max(counts, default=0) or 1
    values = [
        (f"score {place * step:.2f} to {(place + 1) * step:.2f}: {count:,} transactions", (count / top) ** 0.5)
        for place, count in enumerate(counts)
    ]
    return Chart(_svg(values, "scores"), "0", "1", f"{max(counts, default=0):,}")


def _svg(values: Sequence[tuple[str, float]], kind: str) -> str:
    """A column for each: what it says when pointed at, and its height from 0 to 1."""
    columns = "".join(
        f'<g><title>{escape(title)}</title><rect class="hit" x="{place}" y="0" width="1" height="{_HIGH:g}"/>'
        f'<rect x="{place + _GAP / 2:.2f}" y="{_HIGH * (1 - share):.2f}" width="{1 - _GAP:.2f}" '
        f'height="{_HIGH * share:.2f}"/></g>'
        for place, (title, share) in enumerate(values)
    )
    width = max(len(values), 1)
    return f'<svg class="chart {kind}" viewBox="0 0 {width} {_HIGH:g}" preserveAspectRatio="none">{columns}</svg>'
