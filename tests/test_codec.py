"""The codec: every input is an event or a rejection with a reason, and what is valid comes back as it was."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from risk.codec import (
    MOST_ATTRIBUTES,
    MOST_CHARACTERS,
    checked,
    decode_label,
    decode_of_any_length,
    decode_transaction,
    encode_label,
    encode_transaction,
)
from risk.diagnosis import MAX_BYTES, MAX_DEPTH
from risk.events import Label, Rejected, RejectReason, Transaction
from tests.events import LABELS, TRANSACTIONS

GOOD: dict[str, Any] = {
    "transaction_id": "T1",
    "event_time": "2024-05-01T12:00:00.250Z",
    "customer_id": "C1",
    "currency": "EUR",
    "merchant_id": "M1",
    "merchant_category": "travel",
    "amount": 12.34,
    "channel": "online",
    "device_id": "D1",
    "country": "DE",
    "attributes": {"age": 44, "segment": "gold"},
}


def message(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def without(*names: str) -> bytes:
    return json.dumps({name: value for name, value in GOOD.items() if name not in names}).encode()


def refused(raw: bytes) -> Rejected:
    answer = decode_transaction(raw)
    assert isinstance(answer, Rejected), answer
    return answer


def test_a_whole_message_becomes_a_transaction() -> None:
    assert decode_transaction(message()) == Transaction(
        "T1", 1714564800250, "C1", "EUR", "M1", "travel", 1234, "online", "D1", "DE", {"age": 44.0, "segment": "gold"}
    )


def test_optional_fields_may_be_missing_null_or_empty() -> None:
    optional = ("merchant_id", "merchant_category", "amount", "channel", "device_id", "country", "attributes")
    bare = Transaction("T1", 1714564800250, "C1", "EUR")
    assert decode_transaction(without(*optional)) == bare
    assert decode_transaction(message(**dict.fromkeys(optional[:-1]), attributes={"age": None, "note": ""})) == bare
    texts = {name: "" for name in optional if name not in ("amount", "attributes")}
    assert decode_transaction(message(**texts, amount=None, attributes={})) == bare


def test_fields_that_are_not_ours_are_passed_over() -> None:
    assert decode_transaction(message(later_version={"deep": [1, 2]})) == decode_transaction(message())


def test_a_time_with_another_offset_is_the_same_moment() -> None:
    assert decode_transaction(message(event_time="2024-05-01T14:00:00.25+02:00")) == decode_transaction(message())


def test_zero_is_a_valid_amount() -> None:
    answer = decode_transaction(message(amount=0))
    assert isinstance(answer, Transaction)
    assert answer.amount == 0


@pytest.mark.parametrize(
    ("currency", "amount", "minor"),
    [
        ("JPY", 1500, 1500),
        ("EUR", 0.29, 29),
        ("EUR", 1.005, 100),
        ("KWD", 1.234, 1234),
        ("EUR", 999999999999.99, 10**14 - 1),
    ],
)
def test_money_is_whole_minor_units_by_the_currencys_exponent(currency: str, amount: float, minor: int) -> None:
    answer = decode_transaction(message(currency=currency, amount=amount))
    assert isinstance(answer, Transaction)
    assert answer.amount == minor


NESTED = b'{"x":' + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1) + b"}"

BAD = [
    (b"", RejectReason.NOT_JSON, "expected JSON"),
    (b"hello", RejectReason.NOT_JSON, "'hello'"),
    (message()[:-1], RejectReason.NOT_JSON, "expected JSON"),
    (b"\xef\xbb\xbf" + message(), RejectReason.NOT_JSON, "BOM"),
    (message() + b"x", RejectReason.NOT_JSON, "Extra data"),
    (b'{"transaction_id": "\xff"}', RejectReason.NOT_UTF8, "message at byte 20: got 'ff 22 7d'"),
    (b'{"other": "\xff", ' + message()[1:], RejectReason.NOT_UTF8, "message at byte 11"),
    (NESTED, RejectReason.TOO_DEEP, "34 levels"),
    (message(note="x" * MAX_BYTES), RejectReason.TOO_LARGE, f"at most {MAX_BYTES} bytes"),
    (b"[1, 2]", RejectReason.NOT_AN_OBJECT, "got [1, 2], expected a JSON object"),
    (without("customer_id"), RejectReason.MISSING_FIELD, "customer_id: got None"),
    (message(transaction_id=None), RejectReason.MISSING_FIELD, "transaction_id: got None"),
    (message(transaction_id=""), RejectReason.MISSING_FIELD, "transaction_id: got ''"),
    (without("event_time"), RejectReason.MISSING_FIELD, "event_time: got None"),
    (without("currency"), RejectReason.MISSING_FIELD, "currency: got None"),
    (message(transaction_id=7), RejectReason.WRONG_TYPE, "transaction_id: got 7, expected text"),
    (message(amount="12.34"), RejectReason.WRONG_TYPE, "amount: got '12.34', expected a number"),
    (message(amount=True), RejectReason.WRONG_TYPE, "amount: got True, expected a number"),
    (message(event_time=1714564800), RejectReason.WRONG_TYPE, "event_time: got 1714564800, expected an RFC 3339 time"),
    (message(attributes=[1]), RejectReason.WRONG_TYPE, "attributes: got [1]"),
    (message(attributes={"a": [1]}), RejectReason.WRONG_TYPE, "attributes.a: got [1], expected a number or a text"),
    (message(attributes={"a": True}), RejectReason.WRONG_TYPE, "attributes.a: got True"),
    (message(event_time="yesterday"), RejectReason.BAD_TIME, "event_time: got 'yesterday'"),
    (message(event_time="2024-05-01T12:00:00"), RejectReason.BAD_TIME, "with a zone"),
    (message(event_time="2024-13-01T12:00:00Z"), RejectReason.BAD_TIME, "2024-13-01"),
    (message(event_time="1989-12-31T23:59:59.999Z"), RejectReason.TIME_OUT_OF_RANGE, "from 1990 until before 2200"),
    (message(event_time="2200-01-01T00:00:00Z"), RejectReason.TIME_OUT_OF_RANGE, "2200-01-01"),
    (message(amount=float("nan")), RejectReason.NOT_FINITE, "amount: got nan, expected a finite number"),
    (message(amount=float("inf")), RejectReason.NOT_FINITE, "amount: got inf"),
    (message().replace(b"12.34", b"1e999"), RejectReason.NOT_FINITE, "amount: got inf"),
    (message().replace(b"12.34", b"9" * 5000), RejectReason.NOT_FINITE, "amount: got inf"),
    (message(attributes={"a": float("-inf")}), RejectReason.NOT_FINITE, "attributes.a: got -inf"),
    (message(amount=-0.01), RejectReason.REFUND, "amount: got -0.01, expected 0 or more"),
    (message(amount=1e13), RejectReason.AMOUNT_TOO_LARGE, "at most 1,000,000,000,000"),
    (message(currency="EURO"), RejectReason.UNKNOWN_CURRENCY, "currency: got 'EURO'"),
    (message(currency="eur"), RejectReason.UNKNOWN_CURRENCY, "such as EUR"),
    (message(merchant_id="a\0b"), RejectReason.BAD_TEXT, "merchant_id: got 'a\\x00b', expected text without NUL"),
    (message(attributes={"a": "\0"}), RejectReason.BAD_TEXT, "attributes.a"),
    (message(channel="\ud800"), RejectReason.BAD_TEXT, "channel: got '\\ud800'"),
    (message(event_time="\udc00"), RejectReason.BAD_TEXT, "event_time: got '\\udc00'"),
]


@pytest.mark.parametrize(("raw", "reason", "words"), BAD)
def test_bad_messages_are_rejected_with_reason_value_and_what_was_expected(
    raw: bytes, reason: RejectReason, words: str
) -> None:
    answer = refused(raw)
    assert answer.reason == reason
    assert words in answer.detail


def test_a_shown_value_is_cut_to_80_characters() -> None:
    detail = refused(message(currency="x" * 500)).detail
    value = detail.removeprefix("currency: got ").split(", expected")[0]
    assert len(value) == 80
    assert value.endswith("...")


def test_depth_does_not_depend_on_how_deep_the_caller_is() -> None:
    """The decoder's own limit is the stack's; ours comes first."""

    def deeper(levels: int) -> Any:
        return deeper(levels - 1) if levels else decode_transaction(message(x=json.loads("[" * 30 + "]" * 30)))

    assert isinstance(deeper(0), Transaction)
    assert deeper(700) == deeper(0)


def test_brackets_in_text_are_not_nesting() -> None:
    assert isinstance(decode_transaction(message(channel='[{\\"' * 50)), Transaction)


@given(TRANSACTIONS)
def test_a_transaction_comes_back_as_it_was(transaction: Transaction) -> None:
    raw = encode_transaction(transaction)
    assert decode_transaction(raw) == transaction
    assert encode_transaction(transaction) == raw


@given(LABELS)
def test_a_label_comes_back_as_it_was(label: Label) -> None:
    assert decode_label(encode_label(label)) == label


def test_bad_labels_are_rejected_too() -> None:
    good = json.loads(encode_label(Label("T1", "C1", True, 1714564800000, "desk")))
    for change, reason in [
        ({"is_fraud": 1}, RejectReason.WRONG_TYPE),
        ({"transaction_id": ""}, RejectReason.MISSING_FIELD),
        ({"customer_id": "a\0"}, RejectReason.BAD_TEXT),
        ({"labelled_at": "1970-01-01T00:00:00Z"}, RejectReason.TIME_OUT_OF_RANGE),
        ({"labelled_at": "soon"}, RejectReason.BAD_TIME),
    ]:
        answer = decode_label(json.dumps({**good, **change}).encode())
        assert isinstance(answer, Rejected)
        assert answer.reason == reason


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good message with a field changed, bytes cut, doubled, flipped or put in."""
    body = dict(GOOD)
    for name in draw(st.lists(st.sampled_from(sorted(GOOD)), max_size=2)):
        body[name] = draw(JSON_VALUES)
    raw = bytearray(json.dumps(body).encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, max(len(raw) - 1, 0)))
        match draw(st.integers(0, 3)):
            case 0:
                del raw[place : place + draw(st.integers(1, 5))]
            case 1:
                raw[place:place] = draw(st.binary(max_size=4))
            case 2:
                raw[place : place + 1] = draw(st.sampled_from([b"[", b"{", b'"', b"\\u0000", b"1e400", b"NaN", b"\\"]))
            case _:
                raw[place:place] = raw[place : place + 9]
    return bytes(raw)


def assert_answered(raw: bytes) -> None:
    for decode in (decode_transaction, decode_label):
        answer = decode(raw)
        if isinstance(answer, Rejected):
            assert answer.reason in RejectReason
            assert answer.detail.isascii()
            assert "got " in answer.detail
            assert ", expected " in answer.detail
    answer = decode_transaction(raw)
    if isinstance(answer, Transaction):
        assert decode_transaction(encode_transaction(answer)) == answer


@given(mutated())
@example(b'{"a":' * 20_000)
@example(message(event_time="9999-12-31T23:59:59.9999999Z"))
@example(message(event_time="0001-01-01T00:00:00+14:00"))
@example(message(event_time="\udc00"))
def test_no_mutated_message_raises(raw: bytes) -> None:
    assert_answered(raw)


@given(st.binary(max_size=200))
def test_no_random_bytes_raise(raw: bytes) -> None:
    assert_answered(raw)


def test_rows_of_a_file_pass_the_same_check_as_messages() -> None:
    answer = checked("T1", 1714564800250, "C1", "EUR", "", None, -1.0, None, None, None, {})
    assert isinstance(answer, Rejected)
    assert answer.detail == refused(message(amount=-1.0)).detail


# Limits of fields

LONG = "x" * (MOST_CHARACTERS + 1)
TEXT_FIELDS = (
    "transaction_id", "customer_id", "merchant_id", "merchant_category", "channel", "device_id", "country",
)  # fmt: skip


@pytest.mark.parametrize("name", TEXT_FIELDS)
def test_a_text_that_is_too_long_is_rejected_and_one_at_the_limit_is_not(name: str) -> None:
    answer = refused(message(**{name: LONG}))
    assert answer.reason == RejectReason.TOO_LARGE
    assert answer.detail == f"{name}: got '1001 characters', expected at most 1000 characters"
    assert isinstance(decode_transaction(message(**{name: LONG[1:]})), Transaction)
    assert isinstance(decode_of_any_length(message(**{name: LONG})), Transaction)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"a": LONG}, "attributes.a: got '1001 characters'"),
        ({LONG: 1}, "attributes: a name: got '1001 characters'"),
        ({f"a{n}": n for n in range(MOST_ATTRIBUTES + 1)}, "attributes: got '1001 of them', expected at most 1000"),
    ],
    ids=["text", "name", "number"],
)
def test_attributes_have_limits_too(attributes: dict[str, object], words: str) -> None:
    answer = refused(message(attributes=attributes))
    assert answer.reason == RejectReason.TOO_LARGE
    assert words in answer.detail


def test_rows_of_a_file_have_the_same_limits() -> None:
    answer = checked("T1", 1714564800250, "C1", "EUR", LONG, None, 1.0, None, None, None, {})
    assert isinstance(answer, Rejected)
    assert answer.detail == refused(message(merchant_id=LONG)).detail


def test_characters_are_counted_not_bytes() -> None:
    assert isinstance(decode_transaction(message(merchant_id="\U0001f600" * MOST_CHARACTERS)), Transaction)
