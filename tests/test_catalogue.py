"""The catalogue is data: the page, the engine and the feature sets follow it."""

from pathlib import Path

from ops.feature_page import page
from risk.catalogue import ALL_FIELDS, CATALOGUE, FeatureSet, Kind

DOCS = Path(__file__).parent.parent / "docs"


def names(feature_set: FeatureSet) -> list[str]:
    return [feature.name for feature in (*feature_set.numbers, *feature_set.categories)]


def test_the_page_is_what_the_catalogue_says() -> None:
    assert (DOCS / "features.md").read_text() == page(), "run `make docs`"


def test_no_two_features_have_one_name() -> None:
    assert len({feature.name for feature in CATALOGUE}) == len(CATALOGUE)


def test_a_dataset_with_every_field_has_every_feature() -> None:
    assert names(FeatureSet(ALL_FIELDS)) == [
        *(f.name for f in CATALOGUE if f.kind is Kind.NUMBER),
        *(f.name for f in CATALOGUE if f.kind is Kind.CATEGORY),
    ]


def test_a_bare_dataset_has_only_what_a_transaction_tells_itself() -> None:
    assert names(FeatureSet(frozenset())) == ["amount", "hour", "night", "weekend"]


def test_a_feature_is_there_only_with_all_that_it_needs() -> None:
    without_device = names(FeatureSet(ALL_FIELDS - {"device_id"}))
    assert "new_device_30d" not in without_device
    assert "new_merchant_30d" in without_device
    without_customer = names(FeatureSet(ALL_FIELDS - {"customer_id"}))
    assert not [name for name in without_customer if name.startswith(("customer_", "new_", "seconds_"))]
    assert "merchant_risk_7d" in without_customer


def test_a_union_has_the_features_of_both() -> None:
    """An attribute may be a number to the one and a text to the other."""
    one = FeatureSet(frozenset({"customer_id"}), ("age", "size"), ())
    other = FeatureSet(frozenset({"channel"}), ("size",), ("age",))
    assert set(names(one | other)) == {*names(one), *names(other)}
    assert names(one | other).count("attribute_age") == 2
    assert not (one | other).has_ledger
    assert (one | FeatureSet(ALL_FIELDS)).has_ledger


def test_attributes_cannot_be_mistaken_for_features() -> None:
    assert names(FeatureSet(frozenset(), ("amount",), ("hour",)))[-2:] == ["attribute_amount", "attribute_hour"]
