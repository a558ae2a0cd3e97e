"""The figures as tables for a terminal."""

import time
from collections.abc import Callable, Sequence
from io import StringIO
from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.terminal import harmless, out
from evaluation.result import NetMoney
from kpi_reporter.kpis.alerts import Alert
from kpi_reporter.kpis.told import cautions, challenger_text, days_text, learned_text, shadow_cautions, shadow_text
from kpi_reporter.kpis.values import DecidedCases, Kpis, LastRetraining, Money, Quality, Shadow, Unready
from risk.clock import DAY, SECOND, to_date, to_text
from risk.money import amount_text

GROUPS_SHOWN = 8
FEWEST_ALERTS = 3
WIDEST = 1_000
SHADOW = "challenger in the shadow"


class Part(NamedTuple):
    name: str
    shown: RenderableType


def page(now: Kpis | Unready, alerts: Sequence[Alert]) -> RenderableType:
    """All there is, however long."""
    return plain(now.reason) if isinstance(now, Unready) else _below_each_other(_parts(now, alerts), [])


def screen(now: Kpis | Unready, alerts: Sequence[Alert], console: Console) -> RenderableType:
    """What fits a terminal that does not scroll: whole parts, and as many of the latest alerts as there is room for."""
    if isinstance(now, Unready):
        return plain(now.reason)
    left_out: list[str] = []
    shadow = [] if now.shadow.challenger is None else [SHADOW]
    for dropped in (None, "merchant categories", *shadow, "cases whose labels are due"):
        if dropped is not None:
            left_out.append(dropped)
        for count in range(len(alerts), min(FEWEST_ALERTS, len(alerts)) - 1, -1):
            parts = [part for part in _parts(now, alerts[:count]) if part.name not in left_out]
            shown = _below_each_other(parts, left_out)
            if len(console.render_lines(shown, pad=False)) <= console.height:
                return shown
    return shown


def _parts(now: Kpis, alerts: Sequence[Alert]) -> list[Part]:
    warnings = [f"last {one.days} days: {warning}" for one in now.quality if (warning := learned_text(one))]
    if now.unknown_bundles:
        warnings.append(f"not judged, as their manifest cannot be read: {', '.join(now.unknown_bundles)}")
    return [
        Part("overview", Group(_overview(now), *map(plain, cautions(now)))),
        Part("cases whose labels are due", Group(_quality(now.quality), *map(plain, warnings))),
        *([] if now.shadow.challenger is None else [Part(SHADOW, _shadow(now.shadow))]),
        Part("merchant categories", _groups(now)),
        Part("latest alerts", _alerts(alerts)),
    ]


def _below_each_other(parts: Sequence[Part], left_out: Sequence[str]) -> Group:
    lines: list[RenderableType] = [parts[0].shown]
    for part in parts[1:]:
        lines += ["", part.shown]
    return Group(*lines, *([plain(f"no room for: {', '.join(left_out)}")] if left_out else []))


def lines_of(shown: RenderableType) -> list[str]:
    """As wide as the terminal. What goes into a file, or to a program, has no width to be cut to."""
    text = StringIO()
    Console(file=text, width=out.width if out.is_terminal else WIDEST).print(shown)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def plain(text: str) -> Text:
    """Names out of a store are shown, not obeyed."""
    return Text(harmless(text))


def new_table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right")
    return table


def add_row(table: Table, *cells: str) -> None:
    table.add_row(*(plain(cell) for cell in cells))


def _overview(now: Kpis) -> Table:
    table = new_table("The store", "", "")
    table.show_header = False
    table.columns[-1].justify = "left"
    levels = ", ".join(f"{count:,} {level}" for level, count in now.by_level.items())
    about = "about " if now.customers_estimated else ""
    add_row(table, "transactions", f"{now.transactions:,}: {levels}")
    new = f"{now.alerts_last_hour:,} in the hour up to the newest event, {now.alerts_last_day:,} in the day up to it"
    add_row(table, "alerts", f"{now.by_decision['alert']:,}, {_share(now.alert_rate)}; {new}")
    if now.by_decision["review"]:
        new = f"{now.reviews_last_hour:,} in that hour, {now.reviews_last_day:,} in that day"
        add_row(table, "reviews", f"{now.by_decision['review']:,}; {new}")
    add_row(table, "customers", f"{about}{now.customers:,}")
    for one in now.amounts:
        average = "-" if one.average is None else amount_text(one.average, one.currency)
        add_row(table, "amounts", f"{amount_text(one.total, one.currency)}, {average} on average")
    add_row(table, "newest event", "-" if now.newest_event is None else to_text(now.newest_event))
    add_row(table, "last written", _to_second(now.newest_write))
    add_row(table, "labels", f"{now.labels.fraud:,} fraud, {now.labels.genuine:,} genuine")
    if (last := now.retraining) is not None:
        add_row(table, "last retraining", retraining_text(last, int(time.time() * 1000)))
    return table


def retraining_text(last: LastRetraining, now_ms: int) -> str:
    came_to = "under way" if last.outcome is None else f"{last.outcome}, {last.why}"
    if last.is_silent(now_ms):
        came_to = f"killed, or its machine went down: it said last at {_to_second(last.alive_at)} that it goes on"
    return f"{_to_second(last.begun_at)}: {came_to}"


def _to_second(ms: int) -> str:
    return to_text(ms // SECOND * SECOND)


def _quality(quality: Sequence[Quality]) -> Table:
    table = new_table("Cases whose labels are due", "", *(f"last {one.days} days" for one in quality))
    for name, cells in (
        ("with all labels due", [days_text(one) for one in quality]),
        ("until", [_date(one.last_day) for one in quality]),
        ("cases, one a customer and day", [f"{one.alerts:,}" for one in quality]),
        ("precision", [_share(one.precision) for one in quality]),
        *_by_decision(quality),
        ("recall", [_share(one.recall) for one in quality]),
        ("false positives", [_share(one.false_positive_rate) for one in quality]),
        ("saved, less reviews", [", ".join(map(_gain, one.money)) or "-" for one in quality]),
        ("half of the labels within", [_days(one) for one in quality]),
    ):
        add_row(table, name, *cells)
    return table


def _by_decision(quality: Sequence[Quality]) -> list[tuple[str, list[str]]]:
    """Only where there are reviews: otherwise all cases are of alerts."""
    if not any(one.reviews_alone.cases for one in quality):
        return []
    return [
        ("cases with an alert, their precision", [_decided(one.with_alert) for one in quality]),
        ("cases of reviews alone, their precision", [_decided(one.reviews_alone) for one in quality]),
    ]


def _decided(cases: DecidedCases) -> str:
    return f"{cases.cases:,}, {_share(cases.precision)}"


def _shadow(shadow: Shadow) -> RenderableType:
    """Each at its own threshold; intervals at equal work are the trainer's."""
    if not shadow.windows:
        return plain(challenger_text(shadow))
    windows = shadow.windows
    table = new_table(shadow_text(shadow), "", *(f"last {one.days} days" for one in windows))

    def sides(of: Callable[[NetMoney], str]) -> list[str]:
        return [
            "-" if one.judged is None else f"{of(one.judged.in_use)}, {of(one.judged.challenger)}" for one in windows
        ]

    for name, cells in (
        ("transactions that both scored", [f"{one.transactions:,}" for one in windows]),
        ("given up, or beside another bundle", [f"{one.others:,}" for one in windows]),
        *([("decided by the challenger itself", [f"{one.given:,}" for one in windows])] if shadow.percent else []),
        ("the same level", [_share(one.same_level) for one in windows]),
        ("cases: in use, challenger", [f"{one.cases.in_use:,}, {one.cases.challenger:,}" for one in windows]),
        ("of these opened by one alone",
         [f"{one.cases.only_in_use:,}, {one.cases.only_challenger:,}" for one in windows]),
        ("days judged, with all labels due", [f"{one.days_due} of {one.days}" for one in windows]),
        ("until", [_date(one.last_day) for one in windows]),
        ("precision: in use, challenger", sides(lambda side: _share(side.precision))),
        ("recall: in use, challenger", sides(lambda side: _share(side.recall))),
        ("saved, less reviews: in use, challenger",
         sides(lambda side: amount_text(side.gain, shadow.currency or ""))),
    ):  # fmt: skip
        add_row(table, name, *cells)
    return Group(table, *map(plain, shadow_cautions(shadow)))


def _groups(now: Kpis) -> Table:
    table = new_table("Merchant categories", "", "transactions", "alerts")
    for name, count in list(now.by_category.items())[:GROUPS_SHOWN]:
        add_row(table, name, f"{count:,}", f"{now.alerts_by_category[name]:,}")
    return table


def _alerts(alerts: Sequence[Alert]) -> Table:
    has_reviews = any(one.decision == "review" for one in alerts)
    title, more = ("Latest alerts and reviews", ["decision"]) if has_reviews else ("Latest alerts", [])
    table = new_table(title, "when", "customer", "transaction", "amount", "score", *more, "why")
    table.columns[-1].justify = "left"
    table.columns[2].overflow = "fold"
    for column in (*table.columns[:2], *table.columns[3:-1]):
        column.no_wrap = True
    for one in alerts:
        amount = "-" if one.amount is None else amount_text(one.amount, one.currency)
        decision = [one.decision] if has_reviews else []
        cells = one.customer_id, one.transaction_id, amount, f"{one.score:.3f}", *decision, one.why
        add_row(table, to_text(one.event_time), *cells)
    return table


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _date(day: int | None) -> str:
    return "-" if day is None else to_date(day).isoformat()


def _gain(money: Money) -> str:
    return amount_text(money.gain, money.currency)


def _days(quality: Quality) -> str:
    return "-" if quality.label_delay is None else f"{quality.label_delay.median / DAY:.1f} days"
