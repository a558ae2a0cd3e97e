"""A batch that is decoded at once is what the one-by-one decoder makes of it, message by message."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import fields

from risk.block import NAMES, block_of
from risk.block_codec import NO_TIME, _decode_at_once, _Line, decode_block, decoded_of
from risk.codec import WireTransaction, decode_of_any_length, encode_transaction
from risk.diagnosis import MAX_BYTES, MAX_DEPTH, Unread
from risk.events import Rejected, RejectReason, Transaction
from tests.events import TRANSACTIONS
from tests.test_codec import GOOD, message, mutated


def test_both_decoders_read_the_same_fields() -> None:
    """But for the time, which is parsed for all lines together."""
    ours, theirs = fields(_Line), fields(WireTransaction)
    same = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.name != "event_time"]
    assert [(a.name, a.type, a.default) for a, _ in same] == [(b.name, b.type, b.default) for _, b in same]
    assert len(same) == len(ours) - 1


def assert_as_one_by_one(values: Sequence[bytes | None]) -> None:
    decoded = decode_block(values, few=0)
    found: list[Any] = [None] * len(values)
    for row, place in enumerate(decoded.places.tolist()):
        found[place] = decoded.block[row]
    for place, why in decoded.unread:
        found[place] = why
    expected = [decode_of_any_length(value) for value in values]
    assert found == expected
    assert repr(found) == repr(expected)  # -0.0 is 0.0, and 1 is True, but they are not written alike
    times = [one.event_time if isinstance(one, Transaction) else NO_TIME for one in expected]
    assert decoded.times.tolist() == times


FIELDS = st.sampled_from(sorted(GOOD))
ODD_TEXTS = (
    "", "null", "}\n{", "}{", '}\\n{"', "\\u0000", "\\ud800", "\\udc00x", "é", "\ufeff", "\u2028", "1" * 400, '\\"}',
    "[" * 40,
)  # fmt: skip


@st.composite
def odd_messages(draw: st.DrawFn) -> bytes:
    """A good message with something odd in it, written by hand so that JSON's own rules may be broken too."""
    body = {name: json.dumps(value) for name, value in GOOD.items()}
    kind = draw(st.integers(0, 5))
    name, text = draw(FIELDS), draw(st.sampled_from(ODD_TEXTS))
    if kind == 0:
        body[name] = f'"{text}"'
    elif kind == 1:
        body[name] = draw(
            st.sampled_from(["1" * 400, "-0.0", "1e400", "1e-400", "0", "-1", "99999999999999999", "true", "NaN"])
        )
    elif kind == 2:
        body[text.replace('"', "")] = body[name]
    elif kind == 3:
        body["attributes"] = draw(
            st.sampled_from(['{"a":""}', '{"a":null,"b":1}', "{}", '{"a":1e308,"b":"x"}', '{"a":{}}', '{"":1}'])
        )
    lines = [f'"{key}":{value}' for key, value in body.items()]
    if kind == 4:
        lines += [f'"{name}":{body[name]}', f'"{name}":{json.dumps(text)}']  # a key twice: the last one counts
    raw = ("{" + ",".join(lines) + "}").encode("utf-8", "surrogatepass")
    if kind == 5:
        cut = draw(st.integers(1, len(raw) - 1))
        raw = draw(
            st.sampled_from(
                [
                    raw[:cut],
                    raw[cut:],
                    raw + raw,
                    b" " + raw,
                    raw + b"\n",
                    b"\xef\xbb\xbf" + raw,
                    b"",
                    raw + b"\n" + raw,
                ]
            )
        )
    return raw


MESSAGES = st.one_of(TRANSACTIONS.map(encode_transaction), odd_messages(), mutated(), st.binary(max_size=30), st.none())


@given(st.lists(MESSAGES, max_size=6))
@example([])
@example([message(event_time="2024-02-29T23:59:59.123456Z"), message(event_time="2023-02-29T00:00:00Z")])
@example([message(amount=0.005), message(amount=2.675), message(amount=1e12), message(amount=1e12 + 0.01)])
def test_a_batch_is_its_messages(values: list[bytes | None]) -> None:
    assert_as_one_by_one(values)


@given(st.lists(TRANSACTIONS, min_size=1, max_size=5))
def test_what_our_own_programs_write_is_decoded_at_once(transactions: list[Transaction]) -> None:
    block = _decode_at_once([encode_transaction(one) for one in transactions])
    assert block is not None
    assert list(block) == transactions


@given(odd_messages(), st.integers(0, 2))
def test_an_odd_message_changes_none_of_the_others(odd: bytes, place: int) -> None:
    values = [message(transaction_id=str(number)) for number in range(2)]
    values.insert(place, odd)
    assert_as_one_by_one(values)


HALVES = (
    (b'{"transaction_id":"A}', b'{B","event_time":"2024-05-01T12:00:00Z","customer_id":"C","currency":"EUR"}'),
    (b'{"transaction_id":"A","x":{}', b'{},"event_time":"2024-05-01T12:00:00Z","customer_id":"C","currency":"EUR"}'),
    (b'{"x":[{}', b'{}],"transaction_id":"A","event_time":"2024-05-01T12:00:00Z","customer_id":"C","currency":"EUR"}'),
    (b'{"transaction_id":"A","x":{}', b',"event_time":"2024-05-01T12:00:00Z","customer_id":"C","currency":"EUR"}'),
    (b'{"transaction_id":"A","x":"\\}', b'{"}'),
    (b"{}", b"}{}{"),
)


@pytest.mark.parametrize(("first", "second"), HALVES)
def test_two_messages_that_would_be_one_together_stay_two(first: bytes, second: bytes) -> None:
    """And one that holds two stays one: so the number of objects may be right all the same."""
    two = message(transaction_id="1") + message(transaction_id="2")
    for values in (
        [first, second],
        [two, first, second],
        [first, second, two],
        [two],
        [two, b"", first + b"\n" + second],
    ):
        assert_as_one_by_one(values)


TIMES = (
    "2024-05-01T12:00:00Z",
    "2024-05-01T12:00:00.5Z",
    "2024-05-01T12:00:00.123Z",
    "2024-05-01T12:00:00.123456Z",
    "2024-05-01T12:00:00.999999999Z",
    "2024-05-01T12:00:00+00:00",
    "2024-05-01T12:00:00-00:00",
    "2024-05-01T12:00:00.250+05:30",
    "2024-05-01T12:00:00.250000-11:00",
    "2024-05-01t12:00:00z",
    "2024-05-01 12:00:00Z",
    "2024-05-01T24:00:00Z",
    "2024-05-01T23:60:00Z",
    "2024-05-01T23:59:60Z",
    "2024-13-01T00:00:00Z",
    "2024-00-01T00:00:00Z",
    "2024-04-31T00:00:00Z",
    "2024-02-29T00:00:00Z",
    "2023-02-29T00:00:00Z",
    "2100-02-29T00:00:00Z",
    "2000-02-29T00:00:00Z",
    "1989-12-31T23:59:59Z",
    "1990-01-01T00:00:00Z",
    "1990-01-01T00:00:00+01:00",
    "2199-12-31T23:59:59.999Z",
    "2200-01-01T00:00:00Z",
    "2199-12-31T23:30:00-01:00",
    "2024-05-01T12:00:00+24:00",
    "2024-05-01T12:00:00+01:60",
    "2024-05-01T12:00:00",
    "2024-05-01",
    "2024-05-01T12:00:00.1234Z",
    "2024-05-01T12:00:00:00:00",
    "2024-05-01T12:00:0éZ",
    "0000-05-01T12:00:00Z",
    "2024-05-01T12:00:00.12345\u0660Z",
)


@pytest.mark.parametrize("time", TIMES)
def test_times_are_as_the_decoder_has_them(time: str) -> None:
    usual = message(event_time="2024-05-01T12:00:00.001Z")
    assert_as_one_by_one([message(event_time=time)])
    assert_as_one_by_one([usual, message(event_time=time), usual])


@given(st.datetimes(), st.sampled_from([0, 3, 6]), st.sampled_from(["Z", "+00:00", "-03:30", "+14:00"]))
def test_every_time_that_most_programs_write_is_read_at_once(moment: Any, digits: int, zone: str) -> None:
    fraction = f".{moment.microsecond:06d}"[: digits + 1] if digits else ""
    raw = message(event_time=f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + fraction + zone)
    assert_as_one_by_one([raw])
    if isinstance(decode_of_any_length(raw), Transaction) and 1991 <= moment.year <= 2198:
        assert _decode_at_once([raw]) is not None


def test_sizes_depths_and_batches_that_were_not_unpacked() -> None:
    nested = {"x": json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)}
    deep, flat = message(**nested), message(x=[[] for _ in range(2 * MAX_DEPTH)])
    large = message(x="y" * MAX_BYTES)
    assert_as_one_by_one([deep, flat, large, Unread("40 MB"), message()])
    for odd in (deep, large, Unread("40 MB")):
        assert decode_block([message(), odd], few=0).unread[0][0] == 1
    assert _decode_at_once([message(attributes={"a": 1.0})] * 200) is not None  # many braces, none of them deep


def test_what_is_cut_or_refused_or_put_together_keeps_its_places() -> None:
    answers: list[Transaction | Rejected] = [
        Rejected(RejectReason.NOT_JSON, str(number))
        if number % 3 == 1
        else Transaction(str(number), 1_000 + number, "c", "EUR")
        for number in range(10)
    ]
    whole = decoded_of(answers)
    for first in range(11):
        for last in range(first, 11):
            part, expected = whole.cut(first, last), decoded_of(answers[first:last])
            assert (part.size, part.places.tolist(), list(part.unread)) == (
                last - first, expected.places.tolist(), list(expected.unread),
            )  # fmt: skip
            assert list(part.block) == list(expected.block)
            assert part.times.tolist() == expected.times.tolist()
        again = whole.cut(0, first).and_then(whole.cut(first, 10))
        assert (again.places.tolist(), list(again.unread)) == (whole.places.tolist(), list(whole.unread))
        assert list(again.block) == list(whole.block)
    why = Rejected(RejectReason.WRONG_KEY, "key")
    fewer = whole.refuse({2: why})
    assert fewer.places.tolist() == [place for place in whole.places.tolist() if place != whole.places[2]]
    assert (int(whole.places[2]), why) in fewer.unread
    assert [place for place, _ in fewer.unread] == sorted(place for place, _ in fewer.unread)


@given(st.lists(TRANSACTIONS, max_size=5))
def test_a_block_is_its_transactions(transactions: list[Transaction]) -> None:
    block = block_of(transactions)
    assert list(block) == transactions
    assert [list(block.cut(1, 3)), list(block.cut(0, len(block)))] == [transactions[1:3], transactions]
    assert Transaction.__struct_fields__ == NAMES
