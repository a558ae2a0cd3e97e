"""What a comparison comes to, in words: which bundle is better, by how much, how sure; or that nobody can say."""

from collections.abc import Callable

from evaluation.result import Figure, PairedComparison
from risk.words import counted


def verdict(found: PairedComparison, frauds: int, currency: str) -> list[str]:
    caught = _sentence(
        found, found.frauds_caught, "catches", f"more of {frauds:,} frauds", lambda share: f"{share * frauds:,.1f}"
    )
    saved = _sentence(found, found.saved, "saves", "more", lambda money: f"{money:,.0f} {currency}")
    said = [text for text in (caught, saved) if text is not None]
    if not said:
        return [
            f"they cannot be told apart with {counted(frauds, 'fraud', 'frauds')}: {_both(found, frauds, currency)}"
        ]
    if caught is None:
        said.append(f"in frauds caught they cannot be told apart with {counted(frauds, 'fraud', 'frauds')}")
    if saved is None:
        said.append("in money saved they cannot be told apart")
    return said


def equal_work_lines(found: PairedComparison, frauds: int, currency: str) -> list[tuple[str, ...]]:
    """Both side by side, with titles; the difference is the first less the second."""
    one, other = found.money, found.other_money
    return [
        ("", found.name, found.other, "difference", "95 % interval"),
        ("cases/day", f"{one.alerts_per_day:,.2f}", f"{other.alerts_per_day:,.2f}", "", ""),
        ("frauds caught", f"{one.frauds_caught:,}", f"{other.frauds_caught:,}",
         *_difference(found.frauds_caught, frauds, ",.1f")),
        (f"saved, {currency}", f"{one.saved:,.0f}", f"{other.saved:,.0f}", *_difference(found.saved, 1, ",.0f")),
        ("avg precision", "", "", *_difference(found.average_precision, 1, ".4f")),
    ]  # fmt: skip


def _difference(figure: Figure, scale: float, form: str) -> tuple[str, str]:
    if figure.value is None:
        return "-", "-"
    value = format(figure.value * scale, f"+{form}")
    if figure.low is None or figure.high is None:
        return value, "-"
    return value, f"{format(figure.low * scale, f'+{form}')} to {format(figure.high * scale, f'+{form}')}"


def _sentence(
    found: PairedComparison, difference: Figure, verb: str, more: str, shown: Callable[[float], str]
) -> str | None:
    """None where the interval holds 0, or where there is none."""
    if difference.value is None or difference.low is None or difference.high is None:
        return None
    if difference.low <= 0 <= difference.high:
        return None
    better = found.name if difference.low > 0 else found.other
    low, high = sorted((abs(difference.low), abs(difference.high)))
    return (
        f"{better} is better: it {verb} {shown(abs(difference.value))} {more} "
        f"(95 % interval: {shown(low)} to {shown(high)})"
    )


def _both(found: PairedComparison, frauds: int, currency: str) -> str:
    """How far apart they may be."""
    each = [
        _between(found.frauds_caught, "frauds caught", lambda share: f"{share * frauds:+,.1f}"),
        _between(found.saved, "money saved", lambda money: f"{money:+,.0f} {currency}"),
    ]
    differences = [text for text in each if text]
    if not differences:
        return "no interval can be given"
    return f"{found.name} compared with {found.other}: {'; '.join(differences)}"


def _between(difference: Figure, what: str, shown: Callable[[float], str]) -> str:
    if difference.value is None or difference.low is None or difference.high is None:
        return ""
    return f"{what} {shown(difference.value)} (95 % interval: {shown(difference.low)} to {shown(difference.high)})"
