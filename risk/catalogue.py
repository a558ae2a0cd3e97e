"""Every feature as data, and which of them a dataset can have.

docs/features.md is generated from this file; tests hold the two together.
"""

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from risk.clock import DAY, HOUR
from risk.ledger_day import LedgerTerms

# Raised when a feature changes its meaning or its place: a bundle of another version is refused.
CATALOGUE_VERSION = 1

WINDOWS = {"1h": "hour", "1d": "day", "7d": "7 days", "30d": "30 days"}
LEDGER_WINDOWS = {"1d": "day", "7d": "7 days", "30d": "30 days"}
_DAYS = {"1h": 1, "1d": 1, "7d": 7, "30d": 30}


class Kind(StrEnum):
    NUMBER = "number"
    CATEGORY = "category"


class Needs(StrEnum):
    """What a dataset must have for a feature to exist."""

    NOTHING = "nothing"
    CUSTOMER = "customer_id"
    CUSTOMER_MERCHANT = "customer_id and merchant_id"
    CUSTOMER_DEVICE = "customer_id and device_id"
    CUSTOMER_COUNTRY = "customer_id and country"
    MERCHANT = "merchant_id"
    CATEGORY = "merchant_category"
    CHANNEL = "channel"
    COUNTRY = "country"


class Feature(Struct, frozen=True):
    """One feature. The reference is what a reason compares with: a number, or "median" or "most common" of training.
    `window_days`: how many days of the past it looks at, rounded up; 0 where it looks at the transaction alone."""

    name: str
    kind: Kind
    meaning: str
    unit: str
    reference: float | str
    needs: Needs
    window_days: int = 0


def _number(
    name: str, meaning: str, unit: str, reference: float | str, needs: Needs, window: str | None = None
) -> Feature:
    return Feature(name, Kind.NUMBER, meaning, unit, reference, needs, 0 if window is None else _DAYS[window])


def _category(name: str, meaning: str, needs: Needs) -> Feature:
    return Feature(name, Kind.CATEGORY, meaning, "text", "most common", needs)


def _customer_windows() -> Iterable[Feature]:
    for window, words in WINDOWS.items():
        past = f"the customer's earlier transactions within the last {words}"
        yield _number(f"customer_count_{window}", f"number of {past}", "transactions", "median", Needs.CUSTOMER, window)
        yield _number(f"customer_sum_{window}", f"sum of {past}", "currency", "median", Needs.CUSTOMER, window)
        yield _number(f"customer_mean_{window}", f"mean amount of {past}", "currency", "median", Needs.CUSTOMER, window)
        yield _number(
            f"customer_max_{window}", f"largest amount of {past}", "currency", "median", Needs.CUSTOMER, window
        )


def _ledger_windows() -> Iterable[Feature]:
    for window, words in LEDGER_WINDOWS.items():
        span = f"the {words} that ended a label delay ago"
        yield _number(
            f"merchant_count_{window}",
            f"the merchant's transactions in {span}",
            "transactions",
            "median",
            Needs.MERCHANT,
            window,
        )
        yield _number(
            f"merchant_fraud_{window}", f"the merchant's reported frauds in {span}", "transactions", 0.0,
            Needs.MERCHANT, window,
        )  # fmt: skip
        yield _number(
            f"merchant_risk_{window}", f"share of the merchant's transactions in {span} that were reported as fraud",
            "share", "median", Needs.MERCHANT, window,
        )  # fmt: skip


HISTORY_FEATURES: tuple[Feature, ...] = (
    *_customer_windows(),
    _number("seconds_since_last", "time since the customer's last transaction, within 30 days", "seconds", "median",
            Needs.CUSTOMER, "30d"),
    _number("amount_to_mean_30d", "amount divided by the customer's mean amount of 30 days", "ratio", 1.0,
            Needs.CUSTOMER, "30d"),
    _number("new_merchant_30d", "the customer has not been at this merchant within 30 days", "0 or 1", 0.0,
            Needs.CUSTOMER_MERCHANT, "30d"),
    _number("new_device_30d", "the customer has not used this device within 30 days", "0 or 1", 0.0,
            Needs.CUSTOMER_DEVICE, "30d"),
    _number("new_country_30d", "the customer has not paid in this country within 30 days", "0 or 1", 0.0,
            Needs.CUSTOMER_COUNTRY, "30d"),
    _number("distinct_merchants_1d", "different merchants of the customer within the last day", "merchants", "median",
            Needs.CUSTOMER_MERCHANT, "1d"),
)  # fmt: skip

LEDGER_FEATURES: tuple[Feature, ...] = tuple(_ledger_windows())

DIRECT_FEATURES: tuple[Feature, ...] = (
    _number("amount", "amount of the transaction", "currency", "median", Needs.NOTHING),
    _number("hour", "hour of the day, UTC", "hour", "median", Needs.NOTHING),
    _number("night", "between 22:00 and 05:59 UTC", "0 or 1", 0.0, Needs.NOTHING),
    _number("weekend", "on a Saturday or Sunday, UTC", "0 or 1", 0.0, Needs.NOTHING),
)

CATEGORY_FEATURES: tuple[Feature, ...] = (
    _category("merchant_category", "category of the merchant", Needs.CATEGORY),
    _category("channel", "how the payment was made", Needs.CHANNEL),
    _category("country", "country of the payment", Needs.COUNTRY),
)

CATALOGUE: tuple[Feature, ...] = (*DIRECT_FEATURES, *HISTORY_FEATURES, *LEDGER_FEATURES, *CATEGORY_FEATURES)

ATTRIBUTE_PREFIX = "attribute_"

# A category as models get it; the words of a bundle's vocabulary follow.
MISSING, UNKNOWN, FIRST_WORD = 0, 1, 2


def label_features(names: Iterable[str]) -> tuple[str, ...]:
    """Those of these features that read labels of other transactions: a fraud that nobody reported counts as none."""
    reading = {f.name for f in LEDGER_FEATURES if not f.name.startswith("merchant_count_")}
    return tuple(name for name in names if name in reading)


class FeatureSet(Struct, frozen=True):
    """Which fields a dataset has, and so which features."""

    fields: frozenset[str]
    number_attributes: tuple[str, ...] = ()
    category_attributes: tuple[str, ...] = ()

    def __or__(self, other: "FeatureSet") -> "FeatureSet":
        """What computes the features of both."""
        numbers = dict.fromkeys(self.number_attributes + other.number_attributes)
        categories = dict.fromkeys(self.category_attributes + other.category_attributes)
        return FeatureSet(self.fields | other.fields, tuple(numbers), tuple(categories))

    @property
    def has_ledger(self) -> bool:
        """Whether features read the merchant ledger."""
        return Needs.MERCHANT in self.fields

    def has(self, feature: Feature) -> bool:
        return feature.needs is Needs.NOTHING or all(name in self.fields for name in feature.needs.split(" and "))

    @property
    def numbers(self) -> tuple[Feature, ...]:
        """The number features in the order of `FeatureBlock.values`."""
        chosen = tuple(f for f in CATALOGUE if f.kind is Kind.NUMBER and self.has(f))
        return chosen + tuple(
            _number(
                ATTRIBUTE_PREFIX + name, f"attribute {name} of the transaction", "as given", "median", Needs.NOTHING
            )
            for name in self.number_attributes
        )

    @property
    def categories(self) -> tuple[Feature, ...]:
        """The category features in the order of `FeatureBlock.categories`."""
        chosen = tuple(f for f in CATALOGUE if f.kind is Kind.CATEGORY and self.has(f))
        return chosen + tuple(
            _category(ATTRIBUTE_PREFIX + name, f"attribute {name} of the transaction", Needs.NOTHING)
            for name in self.category_attributes
        )


class EngineTerms(Struct, frozen=True):
    """What the values of features depend on, besides the past: bundles can share an engine where these are equal."""

    currency: str
    label_delay_days: int = 7
    bucket_ms: int = HOUR
    max_lateness_ms: int = DAY

    @property
    def ledger_terms(self) -> LedgerTerms:
        return LedgerTerms(self.label_delay_days, self.bucket_ms)


ALL_FIELDS = frozenset({"customer_id", "merchant_id", "merchant_category", "channel", "device_id", "country"})
