"""The words of a reason: of every feature, for a value, for none, and without anything usual to compare with."""

import pytest

from risk.catalogue import CATALOGUE
from risk.sentences import Value, sentence

WITHIN = {
    "1h": "within the last hour",
    "1d": "within the last day",
    "7d": "within the last 7 days",
    "30d": "within the last 30 days",
}
LEDGER = {
    "1d": "in the day that ended a label delay ago",
    "7d": "in the 7 days that ended a label delay ago",
    "30d": "in the 30 days that ended a label delay ago",
}

# Each family: a value and its words, the words for none, a reference and its words.
WINDOWED = {
    "customer_count": (14.0, "14 transactions {}", "number of transactions {}: missing", 1.0, "1 transaction"),
    "customer_sum": (1234.5, "1,234.50 EUR spent {}", "amount spent {}: missing", 20.0, "20.00 EUR"),
    "customer_mean": (30.0, "30.00 EUR on average {}", "mean amount {}: missing", 20.0, "20.00 EUR"),
    "customer_max": (99.0, "largest amount {}: 99.00 EUR", "largest amount {}: missing", 20.0, "20.00 EUR"),
    "merchant_count": (
        5.0, "the merchant had 5 transactions {}", "merchant missing, so not known how many transactions {}",
        2.0, "2 transactions",
    ),
    "merchant_fraud": (
        1.0, "the merchant had 1 fraud {}", "merchant missing, so not known how many frauds {}", 0.0, "0 frauds"
    ),
    "merchant_risk": (
        0.125, "12.5% of the merchant's transactions {} were frauds",
        "merchant missing, so not known what share were frauds {}", 0.01, "1.0%",
    ),
}  # fmt: skip

SINGLE = {
    "amount": (7.5, "amount 7.50 EUR", "amount missing", 20.0, "20.00 EUR"),
    "hour": (3.0, "at 03:00 UTC", "hour missing", 14.0, "14:00 UTC"),
    "seconds_since_last": (
        12.0, "12 seconds since the customer's last transaction", "no transaction of the customer within 30 days",
        172_800.0, "2 days",
    ),
    "amount_to_mean_30d": (
        8.0, "amount is 8.0 times the customer's mean of 30 days",
        "amount, or the customer's mean of 30 days to compare it with, missing", 1.0, "1.0 times",
    ),
    "distinct_merchants_1d": (
        3.0, "3 merchants within the last day", "number of merchants within the last day: missing", 1.0, "1 merchant"
    ),
    "merchant_category": ("food", "category food", "category missing", "fuel", "fuel"),
    "channel": ("online", "channel online", "channel missing", "pos", "pos"),
    "country": ("FR", "country FR", "country missing", "DE", "DE"),
}  # fmt: skip

# On, off, missing: a flag has nothing usual.
FLAGS = {
    "night": ("at night (22:00 to 05:59 UTC)", "not at night (22:00 to 05:59 UTC)", "hour missing"),
    "weekend": ("on a weekend", "not on a weekend", "day missing"),
    "new_merchant_30d": (
        "first time at this merchant within 30 days", "has been at this merchant within 30 days", "merchant missing"
    ),
    "new_device_30d": (
        "first time with this device within 30 days", "has used this device within 30 days", "device missing"
    ),
    "new_country_30d": (
        "first time in this country within 30 days", "has paid in this country within 30 days", "country missing"
    ),
}  # fmt: skip

Expected = tuple[Value, str, str, Value, str]


def every_number_and_word() -> dict[str, Expected]:
    said: dict[str, Expected] = dict(SINGLE)
    for family, (value, seen, missing, reference, usual) in WINDOWED.items():
        for window, span in (WITHIN if family.startswith("customer") else LEDGER).items():
            said[f"{family}_{window}"] = value, seen.format(span), missing.format(span), reference, usual
    return said


@pytest.mark.parametrize(("feature", "expected"), every_number_and_word().items())
def test_what_was_seen_and_what_is_usual(feature: str, expected: Expected) -> None:
    """A value, none, and a reference that is none: each says what it is and nothing else."""
    value, seen, missing, reference, usual = expected
    assert sentence(feature, value, reference, "EUR") == f"{seen}; usual: {usual}"
    assert sentence(feature, None, reference, "EUR") == f"{missing}; usual: {usual}"
    assert sentence(feature, value, None, "EUR") == f"{seen}; usual: missing"
    assert sentence(feature, None, None, "EUR") == f"{missing}; usual: missing"


@pytest.mark.parametrize(("feature", "expected"), FLAGS.items())
@pytest.mark.parametrize("reference", [0.0, None])
def test_a_flag_is_on_off_or_missing(feature: str, expected: tuple[str, str, str], reference: float | None) -> None:
    """What is missing is never called new."""
    assert tuple(sentence(feature, value, reference, "EUR") for value in (1.0, 0.0, None)) == expected


def test_an_attribute_keeps_its_own_name() -> None:
    assert sentence("attribute_score", 410.0, None, "EUR") == "score is 410; usual: missing"
    assert sentence("attribute_score", None, 650.0, "EUR") == "score is missing; usual: 650"
    assert sentence("attribute_segment", "new", "old", "EUR") == "segment is new; usual: old"


def test_the_catalogue_and_these_tests_have_the_same_features() -> None:
    """A new feature needs words, and a test of them."""
    assert {feature.name for feature in CATALOGUE} == {*every_number_and_word(), *FLAGS}
