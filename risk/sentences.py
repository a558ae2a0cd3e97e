"""A reason in words: what was seen, and what is usual. For people who work alerts, not for those who train models."""

from typing import NamedTuple

from risk.catalogue import ATTRIBUTE_PREFIX, WINDOWS
from risk.events import FiredRule, Mode, Seen
from risk.words import number_text

Value = float | str | None


def sentence(feature: str, value: Value, reference: Value, currency: str, label_delay_days: int) -> str:
    """One sentence for one feature; amounts in the currency. None is what is missing.

    What is usual is what training learned of all transactions, never of the one customer: the sentence says so.
    """
    if feature.startswith(ATTRIBUTE_PREFIX):
        return f"{feature.removeprefix(ATTRIBUTE_PREFIX)} is {_plain(value)}; {_CUSTOMERS}: {_plain(reference)}"
    if feature in _FLAGS:
        on, off, missing = _FLAGS[feature]
        return missing if value is None else off if value == 0.0 else on
    words, span, among = _words_of(feature, label_delay_days)
    text = words.missing if value is None else words.seen
    shown = text.format(value=_in_unit(value, words.unit, currency), span=span)
    return f"{shown}; {among}: {_usual(reference, words.unit, currency)}"


def rule_sentence(fired: FiredRule) -> str:
    """Why a rule fired, with what it compared, in full: a rounded value might read as if it had not."""
    shadow = ", in shadow" if fired.mode is Mode.SHADOW else ""
    seen = "; ".join(map(_seen, fired.comparisons))
    return f"{fired.rule} ({fired.action}{shadow}): {fired.sentence} [{seen}]"


def _seen(seen: Seen) -> str:
    other = "" if seen.other is None else f" and {_exact(seen.other)}"
    return f"{seen.comparison}: {_exact(seen.value)}{other}{'' if seen.holds else ', does not hold'}"


def _exact(value: Value) -> str:
    return number_text(value) if isinstance(value, float) else _plain(value)


_CUSTOMERS = "usual among all customers"
_MERCHANTS = "usual among all merchants"


class _Words(NamedTuple):
    unit: str
    seen: str
    missing: str


class _Flag(NamedTuple):
    """A flag has no usual: that it is off may be the reason as well as that it is on."""

    on: str
    off: str
    missing: str


def _words_of(feature: str, label_delay_days: int) -> tuple[_Words, str, str]:
    """The words, the window in words where the feature has one, and among whom the usual is usual."""
    if feature in _SINGLE:
        return _SINGLE[feature], "", _CUSTOMERS
    family, _, window = feature.rpartition("_")
    if family in _OF_MERCHANT:
        days = int(window.removesuffix("d"))
        return _OF_MERCHANT[family], f"{label_delay_days + days} to {label_delay_days} days ago", _MERCHANTS
    return _OF_CUSTOMER[family], f"within the last {WINDOWS[window]}", _CUSTOMERS


_OF_CUSTOMER = {
    "customer_count": _Words("transactions", "{value} {span}", "number of transactions {span}: missing"),
    "customer_sum": _Words("money", "{value} spent {span}", "amount spent {span}: missing"),
    "customer_mean": _Words("money", "{value} on average {span}", "mean amount {span}: missing"),
    "customer_max": _Words("money", "largest amount {span}: {value}", "largest amount {span}: missing"),
}

# The ledger ends a label delay ago, when what was a fraud is known. A merchant's window is missing only where the
# transaction names no merchant.
_OF_MERCHANT = {
    "merchant_count": _Words(
        "transactions", "{value} at the merchant {span}", "merchant missing: no number of transactions {span}"
    ),
    "merchant_fraud": _Words(
        "frauds", "{value} at the merchant {span}", "merchant missing: no number of frauds {span}"
    ),
    "merchant_risk": _Words(
        "share", "share of frauds at the merchant {span}: {value}", "merchant missing: no share of frauds {span}"
    ),
}

_SINGLE = {
    "amount": _Words("money", "amount {value}", "amount missing"),
    "hour": _Words("hour", "at {value}", "hour missing"),
    "seconds_since_last": _Words(
        "seconds", "{value} since the customer's last transaction", "no transaction of the customer within 30 days"
    ),
    "amount_to_mean_30d": _Words(
        "times",
        "amount is {value} the customer's mean of 30 days",
        "amount, or the customer's mean of 30 days, missing",
    ),
    "distinct_merchants_1d": _Words(
        "merchants", "{value} within the last day", "number of merchants within the last day: missing"
    ),
    "merchant_category": _Words("plain", "category {value}", "category missing"),
    "channel": _Words("plain", "channel {value}", "channel missing"),
    "country": _Words("plain", "country {value}", "country missing"),
}

_FLAGS = {
    "night": _Flag("at night (22:00 to 05:59 UTC)", "not at night (22:00 to 05:59 UTC)", "hour missing"),
    "weekend": _Flag("on a weekend", "not on a weekend", "day missing"),
    "new_merchant_30d": _Flag(
        "first time at this merchant within 30 days", "has been at this merchant within 30 days", "merchant missing"
    ),
    "new_device_30d": _Flag(
        "first time with this device within 30 days", "has used this device within 30 days", "device missing"
    ),
    "new_country_30d": _Flag(
        "first time in this country within 30 days", "has paid in this country within 30 days", "country missing"
    ),
}


def _in_unit(value: Value, unit: str, currency: str) -> str:
    if not isinstance(value, float):
        return _plain(value)
    match unit:
        case "money":
            return f"{value:,.2f} {currency}"
        case "transactions" | "frauds" | "merchants":
            return f"{value:,.0f} {_SINGULAR[unit] if value == 1 else unit}"
        case "share":
            return f"{value:.1%}"
        case "hour":
            return f"{value:02.0f}:00 UTC"
        case "times":
            return f"{value:,.1f} times"
        case "seconds":
            return _span(value)
    return _plain(value)


def _usual(reference: Value, unit: str, currency: str) -> str:
    """What is counted is named just before, and not again: the sentence is to stay on one line."""
    said = _in_unit(reference, unit, currency)
    return said.partition(" ")[0] if unit in _COUNTED else said


_SINGULAR = {"transactions": "transaction", "frauds": "fraud", "merchants": "merchant"}
_COUNTED = {*_SINGULAR, "times"}


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} seconds"


def _plain(value: Value) -> str:
    if value is None:
        return "missing"
    return value if isinstance(value, str) else f"{value:,.6g}"
