"""A reason in words: what was seen, and what is usual. For people who work alerts, not for those who train models."""

from risk.catalogue import ATTRIBUTE_PREFIX, LEDGER_WINDOWS, WINDOWS

_WITHIN = {short: f"within the last {words}" for short, words in WINDOWS.items()}
_LEDGER = {short: f"in the {words} that ended a label delay ago" for short, words in LEDGER_WINDOWS.items()}

Value = float | str | None


def sentence(feature: str, value: Value, reference: Value, currency: str) -> str:
    """One sentence for one feature; amounts in the currency."""
    if feature.startswith(ATTRIBUTE_PREFIX):
        return f"{feature.removeprefix(ATTRIBUTE_PREFIX)} is {_plain(value)}; usual: {_plain(reference)}"
    family, _, window = feature.rpartition("_")
    if family in _WINDOWED:
        text, unit = _WINDOWED[family]
        span = (_WITHIN if family.startswith("customer") else _LEDGER)[window]
        shown = _in_unit(value, unit, currency)
        return f"{text.format(value=shown, span=span)}; usual: {_in_unit(reference, unit, currency)}"
    text, unit = _SINGLE[feature]
    if unit == "flag":
        return text if value != 0.0 else _OFF[feature]
    return f"{text.format(value=_in_unit(value, unit, currency))}; usual: {_in_unit(reference, unit, currency)}"


_WINDOWED = {
    "customer_count": ("{value} {span}", "transactions"),
    "customer_sum": ("{value} spent {span}", "money"),
    "customer_mean": ("{value} on average {span}", "money"),
    "customer_max": ("largest amount {span}: {value}", "money"),
    "merchant_count": ("the merchant had {value} {span}", "transactions"),
    "merchant_fraud": ("the merchant had {value} {span}", "frauds"),
    "merchant_risk": ("{value} of the merchant's transactions {span} were frauds", "share"),
}

_SINGLE = {
    "amount": ("amount {value}", "money"),
    "hour": ("at {value}", "hour"),
    "night": ("at night (22:00 to 05:59 UTC)", "flag"),
    "weekend": ("on a weekend", "flag"),
    "seconds_since_last": ("{value} since the customer's last transaction", "seconds"),
    "amount_to_mean_30d": ("amount is {value} the customer's mean of 30 days", "times"),
    "new_merchant_30d": ("first time at this merchant within 30 days", "flag"),
    "new_device_30d": ("first time with this device within 30 days", "flag"),
    "new_country_30d": ("first time in this country within 30 days", "flag"),
    "distinct_merchants_1d": ("{value} within the last day", "merchants"),
    "merchant_category": ("category {value}", "plain"),
    "channel": ("channel {value}", "plain"),
    "country": ("country {value}", "plain"),
}

# What a flag says when it is off: the reason is then that it is not on.
_OFF = {
    "night": "not at night (22:00 to 05:59 UTC)",
    "weekend": "not on a weekend",
    "new_merchant_30d": "has been at this merchant within 30 days",
    "new_device_30d": "has used this device within 30 days",
    "new_country_30d": "has paid in this country within 30 days",
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
