"""A reason in words: what was seen, and what is usual. For people who work alerts, not for those who train models."""

from typing import NamedTuple

from risk.catalogue import ATTRIBUTE_PREFIX, LEDGER_WINDOWS, WINDOWS

Value = float | str | None


def sentence(feature: str, value: Value, reference: Value, currency: str) -> str:
    """One sentence for one feature; amounts in the currency. None is what is missing."""
    if feature.startswith(ATTRIBUTE_PREFIX):
        return f"{feature.removeprefix(ATTRIBUTE_PREFIX)} is {_plain(value)}; usual: {_plain(reference)}"
    if feature in _FLAGS:
        on, off, missing = _FLAGS[feature]
        return missing if value is None else off if value == 0.0 else on
    words, span = _words_of(feature)
    text = words.missing if value is None else words.seen
    shown = text.format(value=_in_unit(value, words.unit, currency), span=span)
    return f"{shown}; usual: {_in_unit(reference, words.unit, currency)}"


class _Words(NamedTuple):
    unit: str
    seen: str
    missing: str


class _Flag(NamedTuple):
    """A flag has no usual: that it is off may be the reason as well as that it is on."""

    on: str
    off: str
    missing: str


def _words_of(feature: str) -> tuple[_Words, str]:
    """The words, and the window in words where the feature has one."""
    if feature in _SINGLE:
        return _SINGLE[feature], ""
    family, _, window = feature.rpartition("_")
    return _WINDOWED[family], (_WITHIN if family.startswith("customer") else _LEDGER)[window]


_WITHIN = {short: f"within the last {words}" for short, words in WINDOWS.items()}
_LEDGER = {short: f"in the {words} that ended a label delay ago" for short, words in LEDGER_WINDOWS.items()}

# A merchant's window is missing only where the transaction names no merchant.
_WINDOWED = {
    "customer_count": _Words("transactions", "{value} {span}", "number of transactions {span}: missing"),
    "customer_sum": _Words("money", "{value} spent {span}", "amount spent {span}: missing"),
    "customer_mean": _Words("money", "{value} on average {span}", "mean amount {span}: missing"),
    "customer_max": _Words("money", "largest amount {span}: {value}", "largest amount {span}: missing"),
    "merchant_count": _Words(
        "transactions", "the merchant had {value} {span}", "merchant missing, so not known how many transactions {span}"
    ),
    "merchant_fraud": _Words(
        "frauds", "the merchant had {value} {span}", "merchant missing, so not known how many frauds {span}"
    ),
    "merchant_risk": _Words(
        "share",
        "{value} of the merchant's transactions {span} were frauds",
        "merchant missing, so not known what share were frauds {span}",
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
        "amount, or the customer's mean of 30 days to compare it with, missing",
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


_SINGULAR = {"transactions": "transaction", "frauds": "fraud", "merchants": "merchant"}


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} seconds"


def _plain(value: Value) -> str:
    if value is None:
        return "missing"
    return value if isinstance(value, str) else f"{value:,.6g}"
