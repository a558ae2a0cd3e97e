"""What is to be seen while the live days go by: one moment of it, as a picture and as a line."""

from collections.abc import Sequence
from typing import NamedTuple

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from console.terminal import harmless
from kpi_reporter.kpis.alerts import Alert
from kpi_reporter.kpis.values import Quality
from risk.clock import to_date, to_datetime

NOTHING_YET = "-"
CHANGES = 3


class Frame(NamedTuple):
    event_time: int | None
    scored: int
    total: int
    rate: float  # a second
    alerts_raised: int
    labels: int  # that came on the live days
    quality: Quality
    alerts: list[Alert]  # the latest, newest first
    changes: Sequence[tuple[int | None, str]]  # what is so since when, the first first
    threshold: float  # from which on a risk is high, for the bundle that decides
    room: int  # for so many alerts, so that nothing below moves while they come


def picture(frame: Frame) -> RenderableType:
    alerts: list[RenderableType] = [
        *map(_alert, frame.alerts),
        *(Text("\n") for _ in range(frame.room - len(frame.alerts))),
    ]
    return Panel(
        Group(_progress(frame), "", _figures(frame), "", *_changes(frame), "", Text(_title(frame), "dim"), *alerts),
        box=box.ROUNDED,
        border_style="dim",
        padding=(1, 2),
    )


def line(frame: Frame) -> str:
    return (
        f"  {_moment(frame.event_time)}  {frame.scored:,} of {frame.total:,} scored, {frame.rate:,.0f}/s; "
        f"{frame.alerts_raised:,} high-risk alerts; {frame.labels:,} labels; {_quality_words(frame.quality)}"
    )


def _progress(frame: Frame) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(width=16, style="bold")
    grid.add_column(ratio=1)
    grid.add_column(justify="right")
    grid.add_column(justify="right", width=6, style="dim")
    bar = ProgressBar(frame.total, frame.scored, complete_style="green", finished_style="green")
    grid.add_row(_moment(frame.event_time), bar, f"{frame.scored:,} of {frame.total:,}", f"{frame.rate:,.0f}/s")
    return grid


def _figures(frame: Frame) -> Table:
    quality = frame.quality
    due = "" if quality.last_day is None else f"{quality.days} days to {_day(quality.last_day)}"
    tiles = (
        (f"{frame.alerts_raised:,}", "high-risk alerts", f"of {frame.scored:,} scored"),
        (f"{frame.labels:,}", "labels came back", "from customers"),
        (_share(quality.precision), "of cases right", due),
        (_share(quality.recall), "of frauds caught", due),
    )
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    for _ in tiles:
        grid.add_column(ratio=1)
    grid.add_row(*(Text(value, "bold") for value, _, _ in tiles))
    grid.add_row(*(name for _, name, _ in tiles))
    grid.add_row(*(Text(note, "dim") for _, _, note in tiles))
    return grid


def _changes(frame: Frame) -> list[RenderableType]:
    """As many lines as there will be, so that nothing below moves."""
    told = [Text(f"{_moment(since)}  {words}", "yellow", no_wrap=True) for since, words in frame.changes]
    return [*told, *([""] * (CHANGES - len(told)))]


def _title(frame: Frame) -> str:
    return f"latest alerts and reviews, and why; an alert from a risk of {frame.threshold:.2f} on"


def _alert(alert: Alert) -> RenderableType:
    amount = "amount unknown" if alert.amount is None else f"{alert.amount:,.2f} {alert.currency}"
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_row(
        _moment(alert.event_time),
        harmless(alert.customer_id),
        Text(amount.rjust(13)),
        Text(f"risk {alert.score:.2f}", "red"),
    )
    why = Text("  " + harmless(alert.why), "dim", no_wrap=True, overflow="ellipsis")
    return Group(grid, why)


def _quality_words(quality: Quality) -> str:
    if quality.precision is None or quality.recall is None or quality.last_day is None:
        return "no label is due yet"
    return (
        f"of the cases of {quality.days} days to {_day(quality.last_day)} {_share(quality.precision)} were right, "
        f"{_share(quality.recall)} of the frauds caught"
    )


def _share(value: float | None) -> str:
    return NOTHING_YET if value is None else f"{value:.0%}"


def _moment(ms: int | None) -> str:
    return NOTHING_YET if ms is None else f"{to_datetime(ms):%a %d %b %H:%M}"


def _day(day: int) -> str:
    return f"{to_date(day):%d %b}"
