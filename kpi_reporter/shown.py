"""The figures as tables for a terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from console.terminal import harmless
from kpi_reporter.kpis.alerts import Alert
from kpi_reporter.kpis.values import Kpis, Money, Quality, Unready
from risk.clock import DAY, to_date, to_text
from risk.money import amount_text

GROUPS_SHOWN = 8


def page(now: Kpis | Unready, alerts: Sequence[Alert]) -> RenderableType:
    if isinstance(now, Unready):
        return _text(now.reason)
    parts: list[RenderableType] = [_overview(now), "", _quality(now.quality)]
    if now.unknown_bundles:
        parts.append(_text(f"not judged, as their manifest cannot be read: {', '.join(now.unknown_bundles)}"))
    return Group(*parts, "", _groups(now), "", _alerts(alerts))


def _text(text: str) -> Text:
    """Names out of a store are shown, not obeyed."""
    return Text(harmless(text))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right")
    return table


def _add(table: Table, *cells: str) -> None:
    table.add_row(*(_text(cell) for cell in cells))


def _overview(now: Kpis) -> Table:
    table = _table("The store", "", "")
    table.show_header = False
    table.columns[-1].justify = "left"
    levels = ", ".join(f"{count:,} {level}" for level, count in now.by_level.items())
    about = "about " if now.customers_estimated else ""
    _add(table, "transactions", f"{now.transactions:,}: {levels}")
    _add(table, "high", _share(now.high_rate))
    _add(table, "customers", f"{about}{now.customers:,}")
    for one in now.amounts:
        average = "-" if one.average is None else amount_text(one.average, one.currency)
        _add(table, "amounts", f"{amount_text(one.total, one.currency)}, {average} on average")
    _add(table, "alerts", f"{now.high_last_hour:,} in the last hour, {now.high_last_day:,} in the last day")
    _add(table, "newest event", "-" if now.newest_event is None else to_text(now.newest_event))
    _add(table, "last written", to_text(now.newest_write // 1000 * 1000))
    _add(table, "labels", f"{now.labels.fraud:,} fraud, {now.labels.genuine:,} genuine")
    return table


def _quality(quality: Sequence[Quality]) -> Table:
    table = _table("Alerts whose labels are due", "", *(f"last {one.days} days" for one in quality))
    for name, cells in (
        ("until", [_date(one.last_day) for one in quality]),
        ("alerts", [f"{one.alerts:,}" for one in quality]),
        ("precision", [_share(one.precision) for one in quality]),
        ("recall", [_share(one.recall) for one in quality]),
        ("false positives", [_share(one.false_positive_rate) for one in quality]),
        ("saved, less reviews", [", ".join(map(_gain, one.money)) or "-" for one in quality]),
        ("half of the labels within", [_days(one) for one in quality]),
    ):
        _add(table, name, *cells)
    return table


def _groups(now: Kpis) -> Table:
    table = _table("Merchant categories", "", "transactions", "high")
    for name, count in list(now.by_category.items())[:GROUPS_SHOWN]:
        _add(table, name, f"{count:,}", f"{now.high_by_category[name]:,}")
    return table


def _alerts(alerts: Sequence[Alert]) -> Table:
    table = _table("Latest alerts", "when", "customer", "transaction", "amount", "score", "why")
    table.columns[-1].justify = "left"
    for one in alerts:
        amount = "-" if one.amount is None else amount_text(one.amount, one.currency)
        _add(table, to_text(one.event_time), one.customer_id, one.transaction_id, amount, f"{one.score:.3f}", one.why)
    return table


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _date(day: int | None) -> str:
    return "-" if day is None else to_date(day).isoformat()


def _gain(money: Money) -> str:
    return amount_text(money.gain, money.currency)


def _days(quality: Quality) -> str:
    return "-" if quality.label_delay is None else f"{quality.label_delay.median / DAY:.1f} days"
