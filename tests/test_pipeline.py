"""The one pipeline: the same bits however it is fed, and reasons that are the score's own."""

import math
from pathlib import Path

import numpy as np
import pytest

from risk.block import block_of
from risk.bundle import Calibration, Learned, LearnedCategory, LearnedNumber, read_bundle
from risk.catalogue import CATALOGUE, FeatureSet
from risk.codec import decode_transaction, encode_transaction
from risk.decision import Scored
from risk.digest import Digest, canonical, canonical_rows
from risk.events import Level, Reason, Transaction
from risk.ledger import SeenDays
from risk.ledger_day import LedgerTerms
from risk.model import OnnxModel
from risk.pipeline import Pipeline
from risk.sentences import sentence
from testing.bundles import linear_onnx, write_bundle
from tests.cases import generate

FIELDS = FeatureSet(frozenset({"customer_id", "merchant_id", "channel", "device_id", "country"}))
NOON = 1714564800000


def number(name: str, reference: float, high: float = 1e6) -> LearnedNumber:
    return LearnedNumber(name, reference, 0.0, high, reference)


LEARNED: tuple[Learned, ...] = (
    number("amount", 20.0),
    number("night", 0.0),
    number("customer_count_1h", 0.0),
    number("new_device_30d", 0.0),
    number("merchant_count_30d", 0.0),
    LearnedCategory("channel", ("online", "pos"), reference="pos"),
)
WEIGHTS = [0.01, -0.5, 0.7, 1.2, 0.05, -0.3]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "b", FIELDS, LEARNED, WEIGHTS, bias=-2.0, medium=0.3, high=0.6)
    return tmp_path / "b"


def pipeline(bundle: Path) -> Pipeline:
    return Pipeline(read_bundle(bundle), SeenDays(LedgerTerms(7, 3_600_000)))


def sale(place: int, **fields: object) -> Transaction:
    return Transaction(f"T{place}", NOON + place * 1000, "C1", "EUR", **fields)  # type: ignore[arg-type]


def add_rows(found: Digest, transactions: list[Transaction], scored: Scored, offset: int = 0) -> None:
    for place, row in enumerate(scored.rows):
        found.add(
            canonical(
                transactions[offset + row].transaction_id,
                scored.scores[place],
                scored.levels[place],
                scored.reasons[place],
                scored.imputed[place],
                scored.ledger_days[place],
            )
        )


def test_a_score_is_the_models_on_the_prepared_features(bundle: Path) -> None:
    scored = pipeline(bundle).score(block_of([sale(0, amount=10000, channel="pos", device_id="D1", merchant_id="M1")]))
    expected = 1 / (1 + math.exp(-(0.01 * 100 + 1.2 - 0.3 * 3 - 2.0)))
    assert scored.scores == [pytest.approx(expected, abs=1e-6)]
    assert scored.levels == [Level.MEDIUM]
    assert scored.reasons == [()]
    assert scored.imputed == [()]
    assert scored.ledger_days == [None]


def test_scores_are_calibrated_before_they_are_judged(tmp_path: Path) -> None:
    table = Calibration((0.0, 0.5, 1.0), (0.0, 0.1, 0.2))
    write_bundle(tmp_path, FIELDS, LEARNED, WEIGHTS, bias=9.0, medium=0.1, high=0.19, calibration=table)
    scored = pipeline(tmp_path).score(block_of([sale(0, amount=100, merchant_id="M1", device_id="D1")]))
    assert 0.19 < scored.scores[0] < 0.2
    assert scored.levels == [Level.HIGH]


@pytest.mark.parametrize("size", [1, 7, 500])
def test_chunking_changes_no_bit(bundle: Path, size: int) -> None:
    case = generate(5)
    transactions = [decode_transaction(encode_transaction(a.transaction)) for a in case.arrivals if a.partition == 0]
    good = [t for t in transactions if isinstance(t, Transaction)]
    whole, piecewise, fed = Digest(), Digest(), pipeline(bundle)
    add_rows(whole, good, pipeline(bundle).score(block_of(good)))
    for first in range(0, len(good), size):
        add_rows(piecewise, good, fed.score(block_of(good[first : first + size])), first)
    assert whole.count > 300
    assert str(piecewise) == str(whole)


def test_the_reasons_of_a_linear_model_follow_its_weights(bundle: Path) -> None:
    """Each part is what the score drops by without the feature, and the largest comes first."""
    device = [sale(place, amount=2000, channel="pos", device_id="D1", merchant_id="M1") for place in range(4)]
    alert = sale(10, amount=30000, channel="online", device_id="D2", merchant_id="M1")
    scored = pipeline(bundle).score(block_of([*device, alert]))
    reasons = scored.reasons[-1]
    assert scored.levels[-1] is Level.HIGH
    total = 0.01 * 300 + 0.7 * 4 + 1.2 - 0.3 * 2 - 2.0

    def drop(part: float) -> float:
        return 1 / (1 + math.exp(-total)) - 1 / (1 + math.exp(-(total - part)))

    parts = {"amount": 0.01 * 280, "customer_count_1h": 0.7 * 4, "new_device_30d": 1.2, "channel": 0.3}
    assert {r.feature for r in reasons} <= set(parts)
    for reason in reasons:
        assert reason.contribution == pytest.approx(drop(parts[reason.feature]), abs=1e-6)
    assert [r.contribution for r in reasons] == sorted((r.contribution for r in reasons), reverse=True)
    assert next(r for r in reasons if r.feature == "customer_count_1h") == Reason(
        "customer_count_1h",
        4.0,
        0.0,
        next(r.contribution for r in reasons if r.feature == "customer_count_1h"),
        "4 transactions within the last hour; usual among all customers: 0",
    )


def test_what_moves_the_score_by_less_than_a_hundredth_is_no_reason(tmp_path: Path) -> None:
    write_bundle(tmp_path, FIELDS, (number("amount", 0.0), number("night", 0.0)), [1e-6, 0.0], high=0.1)
    scored = pipeline(tmp_path).score(block_of([sale(0, amount=100, merchant_id="M1")]))
    assert scored.levels == [Level.HIGH]
    assert scored.reasons == [()]


def test_a_batch_of_one_has_the_bits_of_a_larger_batch() -> None:
    model = OnnxModel(linear_onnx(WEIGHTS, -2.0), len(WEIGHTS), "linear")
    values = np.random.default_rng(1).normal(size=(64, len(WEIGHTS))).astype(np.float32)
    whole = model.raw_scores(values)
    for size in (1, 2, 3):
        pieces = [model.raw_scores(values[first : first + size]) for first in range(0, 64, size)]
        assert np.array_equal(np.concatenate(pieces), whole)
    assert len(model.raw_scores(values[:0])) == 0


def test_the_digest_minds_every_value_but_not_the_order() -> None:
    reason = Reason("amount", 5.0, 2.0, 0.1, "amount 5")
    rows = [
        canonical("T1", 0.5, Level.HIGH, (reason,), ("amount",), 19700),
        canonical("T1", 0.5000000000000001, Level.HIGH, (reason,), ("amount",), 19700),
        canonical("T1", 0.5, Level.MEDIUM, (reason,), ("amount",), 19700),
        canonical("T1", 0.5, Level.HIGH, (), ("amount",), 19700),
        canonical("T1", 0.5, Level.HIGH, (reason,), (), 19700),
        canonical("T1", 0.5, Level.HIGH, (reason,), ("amount",), None),
        canonical("T1", 0.5, Level.HIGH, (Reason("amount", None, 2.0, 0.1, "amount 5"),), ("amount",), 19700),
        canonical("T2", 0.5, Level.HIGH, (reason,), ("amount",), 19700),
    ]
    assert len(set(rows)) == len(rows)
    one, other, empty = Digest(), Digest(), Digest()
    for row in rows:
        one.add(row)
    for row in reversed(rows):
        other.add(row)
    assert one == other
    assert str(one).startswith("8:")
    assert one != empty
    empty.add()
    empty.add(*rows[:3])
    empty.add(*rows[3:])
    assert empty == one


def test_rows_together_have_the_bytes_of_each() -> None:
    reason = Reason("amount", 5.0, 2.0, 0.1, "amount 5")
    rows = [
        ("T1", 0.5, Level.HIGH, (reason,), ("amount",), 19700),
        ("T2", 0.25, Level.LOW, (), ("amount",), None),
        ("T3", 0.125, Level.LOW, (), (), None),
        ("Tä4", 1e-300, Level.MEDIUM, (), (), 19700),
        ("T5", 1.0, Level.LOW, (), (), 19701),
        ("T6", 0.75, Level.LOW, (), (), 19701),
    ]
    assert canonical_rows(*zip(*rows, strict=True)) == [canonical(*row) for row in rows]


@pytest.mark.parametrize(
    ("feature", "value", "reference", "words"),
    [
        ("customer_count_1h", 14.0, 1.0, "14 transactions within the last hour; usual among all customers: 1"),
        ("customer_sum_1d", 1234.5, 20.0, "1,234.50 EUR spent within the last day; "
         "usual among all customers: 20.00 EUR"),
        ("customer_max_30d", None, 20.0, "largest amount within the last 30 days: missing; "
         "usual among all customers: 20.00 EUR"),
        ("merchant_risk_7d", 0.125, 0.01, "share of frauds at the merchant 14 to 7 days ago: 12.5%; "
         "usual among all merchants: 1.0%"),
        ("merchant_fraud_1d", 1.0, 0.0, "1 fraud at the merchant 8 to 7 days ago; usual among all merchants: 0"),
        ("amount_to_mean_30d", 8.0, 1.0, "amount is 8.0 times the customer's mean of 30 days; "
         "usual among all customers: 1.0"),
        ("seconds_since_last", 12.0, 86400.0, "12 seconds since the customer's last transaction; "
         "usual among all customers: 24 hours"),
        ("hour", 3.0, 14.0, "at 03:00 UTC; usual among all customers: 14:00 UTC"),
        ("new_country_30d", 1.0, 0.0, "first time in this country within 30 days"),
        ("new_country_30d", 0.0, 0.0, "has paid in this country within 30 days"),
        ("channel", "online", "pos", "channel online; usual among all customers: pos"),
        ("country", None, "DE", "country missing; usual among all customers: DE"),
        ("attribute_credit_score", 410.0, 650.0, "credit_score is 410; usual among all customers: 650"),
    ],
)  # fmt: skip
def test_reasons_are_sentences(feature: str, value: float | str | None, reference: float | str, words: str) -> None:
    assert sentence(feature, value, reference, "EUR", 7) == words


def test_every_feature_of_the_catalogue_has_a_sentence() -> None:
    for feature in CATALOGUE:
        for value in (1.0, None):
            assert len(sentence(feature.name, value, 0.0, "EUR", 7)) > 8
