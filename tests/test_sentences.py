"""The words of a reason: of every feature, for a value, for none, and without anything usual to compare with."""

import pytest

from demo.telling import WIDEST
from risk.catalogue import CATALOGUE
from risk.sentences import Value, sentence

WITHIN = {
    "1h": "within the last hour",
    "1d": "within the last day",
    "7d": "within the last 7 days",
    "30d": "within the last 30 days",
}
# The label delay is 7 days: by then it is known what was a fraud.
LEDGER = {"1d": "8 to 7 days ago", "7d": "14 to 7 days ago", "30d": "37 to 7 days ago"}

# Each family: a value and its words, the words for none, a reference and its words.
WINDOWED = {
    "customer_count": (14.0, "14 transactions {}", "number of transactions {}: missing", 1.0, "1"),
    "customer_sum": (1234.5, "1,234.50 EUR spent {}", "amount spent {}: missing", 20.0, "20.00 EUR"),
    "customer_mean": (30.0, "30.00 EUR on average {}", "mean amount {}: missing", 20.0, "20.00 EUR"),
    "customer_max": (99.0, "largest amount {}: 99.00 EUR", "largest amount {}: missing", 20.0, "20.00 EUR"),
    "merchant_count": (
        5.0, "5 transactions at the merchant {}", "merchant missing: no number of transactions {}", 2.0, "2"
    ),
    "merchant_fraud": (1.0, "1 fraud at the merchant {}", "merchant missing: no number of frauds {}", 0.0, "0"),
    "merchant_risk": (
        0.125, "share of frauds at the merchant {}: 12.5%", "merchant missing: no share of frauds {}", 0.01, "1.0%"
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
        "amount, or the customer's mean of 30 days, missing", 1.0, "1.0",
    ),
    "distinct_merchants_1d": (
        3.0, "3 merchants within the last day", "number of merchants within the last day: missing", 1.0, "1"
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

OF_THE_MERCHANT = {f"{family}_{window}" for family in WINDOWED if family.startswith("merchant") for window in LEDGER}

Expected = tuple[Value, str, str, Value, str]


def words(feature: str, value: Value, reference: Value) -> str:
    return sentence(feature, value, reference, "EUR", 7)


def every_number_and_word() -> dict[str, Expected]:
    said: dict[str, Expected] = dict(SINGLE)
    for family, (value, seen, missing, reference, usual) in WINDOWED.items():
        for window, span in (WITHIN if family.startswith("customer") else LEDGER).items():
            said[f"{family}_{window}"] = value, seen.format(span), missing.format(span), reference, usual
    return said


# Of the panel: 100 columns without its frame, its padding and the two by which a reason is indented.
ROOM = WIDEST - 2 - 4 - 2


@pytest.mark.parametrize(("feature", "expected"), every_number_and_word().items())
def test_what_was_seen_and_what_is_usual(feature: str, expected: Expected) -> None:
    """A value, none, and a reference that is none: each says what it is and nothing else."""
    value, seen, missing, reference, usual = expected
    among = "merchants" if feature in OF_THE_MERCHANT else "customers"
    assert words(feature, value, reference) == f"{seen}; usual among all {among}: {usual}"
    assert words(feature, None, reference) == f"{missing}; usual among all {among}: {usual}"
    assert words(feature, value, None) == f"{seen}; usual among all {among}: missing"
    assert words(feature, None, None) == f"{missing}; usual among all {among}: missing"


@pytest.mark.parametrize("feature", [feature.name for feature in CATALOGUE])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_sentence_fits_into_a_line_of_the_demo(feature: str, is_known: bool) -> None:
    """Also with large numbers: what is cut there is what is usual."""
    shared = feature.startswith("merchant_risk")
    value = 1.0 if shared else 12_345.67
    assert len(words(feature, value if is_known else None, 1.0 if shared else 234.56)) <= ROOM


def test_the_days_of_a_merchant_follow_the_label_delay() -> None:
    words = sentence("merchant_fraud_7d", 2.0, 0.0, "EUR", 30)
    assert words == "2 frauds at the merchant 37 to 30 days ago; usual among all merchants: 0"


@pytest.mark.parametrize(("feature", "expected"), FLAGS.items())
@pytest.mark.parametrize("reference", [0.0, None])
def test_a_flag_is_on_off_or_missing(feature: str, expected: tuple[str, str, str], reference: float | None) -> None:
    """What is missing is never called new."""
    assert tuple(words(feature, value, reference) for value in (1.0, 0.0, None)) == expected


def test_an_attribute_keeps_its_own_name() -> None:
    assert words("attribute_score", 410.0, None) == "score is 410; usual among all customers: missing"
    assert words("attribute_score", None, 650.0) == "score is missing; usual among all customers: 650"
    assert words("attribute_segment", "new", "old") == "segment is new; usual among all customers: old"


def test_the_catalogue_and_these_tests_have_the_same_features() -> None:
    """A new feature needs words, and a test of them."""
    assert {feature.name for feature in CATALOGUE} == {*every_number_and_word(), *FLAGS}
