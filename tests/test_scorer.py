"""What was learned is applied: coded, imputed, clipped, float32; what was missing is named."""

import numpy as np
import pytest

from risk.block import block_of
from risk.bundle import LearnedCategory, LearnedNumber
from risk.catalogue import EngineTerms, FeatureSet
from risk.engine import Engine, FeatureBlock
from risk.errors import EngineError
from risk.events import Transaction
from risk.scorer import Preparation, Prepared

FIELDS = FeatureSet(frozenset({"channel"}), number_attributes=("age",), category_attributes=("segment",))
LEARNED = (
    LearnedCategory("channel", ("online", "pos"), "pos"),
    LearnedNumber("attribute_age", 40.0, 18.0, 80.0, reference=40.0),
    LearnedNumber("amount", 25.0, 0.0, 100.0, reference=200.0),
    LearnedCategory("attribute_segment", ("gold",), None),
)
NOON = 1714564800000


def features(feature_set: FeatureSet, *transactions: Transaction) -> FeatureBlock:
    return Engine(feature_set, EngineTerms("EUR")).features(block_of(transactions))


def prepared(*transactions: Transaction) -> Prepared:
    return Preparation(LEARNED).prepare(features(FIELDS, *transactions))


def sale(number: int, **fields: object) -> Transaction:
    return Transaction(f"T{number}", NOON + number, f"C{number}", "EUR", **fields)  # type: ignore[arg-type]


def test_the_bundles_features_come_in_the_bundles_order_as_float32() -> None:
    answer = prepared(sale(1, amount=1050, channel="pos", attributes={"age": 30.0, "segment": "gold"}))
    assert answer.values.dtype == np.float32
    assert answer.values.tolist() == [[3.0, 30.0, 10.5, 2.0]]
    assert Preparation(LEARNED).imputed(answer) == [()]


def test_a_missing_category_is_0_an_unknown_one_1() -> None:
    answer = prepared(sale(1, amount=1, attributes={"age": 30.0}), sale(2, amount=1, channel="fax"))
    assert answer.values[:, 0].tolist() == [0.0, 1.0]


def test_missing_numbers_become_the_median_and_are_named() -> None:
    answer = prepared(sale(1), sale(2, amount=500, attributes={"age": "old"}))
    assert answer.values[:, 1:3].tolist() == [[40.0, 25.0], [40.0, 5.0]]
    assert Preparation(LEARNED).imputed(answer) == [("attribute_age", "amount"), ("attribute_age",)]


def test_values_beyond_what_training_saw_are_clipped() -> None:
    answer = prepared(sale(1, amount=99_999_00, attributes={"age": 3.0}))
    assert answer.values[0, 1:3].tolist() == [18.0, 100.0]


def test_an_empty_window_is_imputed_but_not_named() -> None:
    fields = FeatureSet(frozenset({"customer_id"}))
    preparation = Preparation([LearnedNumber("customer_mean_1h", 7.0, 0.0, 9.0, 7.0)])
    answer = preparation.prepare(features(fields, sale(1, amount=5)))
    assert answer.values.tolist() == [[7.0]]
    assert preparation.imputed(answer) == [()]


def test_references_are_coded_like_the_values_they_stand_for() -> None:
    assert Preparation(LEARNED).references.tolist() == [3.0, 40.0, 100.0, 0.0]


def test_preparing_changes_nothing_of_what_the_engine_said() -> None:
    """A reason shows the value as it was: missing, and not clipped."""
    said = features(FIELDS, sale(1, attributes={"age": 3.0}))
    before = said.values.copy()
    Preparation(LEARNED).prepare(said)
    np.testing.assert_array_equal(said.values, before)


def test_rows_that_were_not_scored_are_left_out() -> None:
    twice = sale(1, amount=5)
    assert len(prepared(twice, twice, sale(2)).values) == 2


def test_a_feature_that_the_engine_does_not_compute_is_refused_by_name() -> None:
    preparation = Preparation([LearnedNumber("merchant_risk_1d", 0.0, 0.0, 1.0, 0.0)])
    with pytest.raises(EngineError, match="got 'merchant_risk_1d', expected one of amount, hour"):
        preparation.prepare(features(FIELDS, sale(1)))
