"""Flags and alerts: what comes back is what was sent, to the last bit, and equal events are equal bytes."""

import json
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from risk.clock import to_date
from risk.events import Action, Decision, FiredRule, Mode, Rejected, RejectReason, Seen
from risk.outputs import (
    DecidedAlert,
    DecidedFlag,
    HighRiskAlert,
    RiskFlag,
    alert_id,
    decode_alert,
    decode_flag,
    encode,
    source_of,
    versions_in,
    versions_of,
    without_history_days,
)
from risk.versions import Versions
from tests.events import ALERTS, DECIDED_ALERTS, DECIDED_FLAGS, FLAGS, SOME_ALERT, SOME_FLAG


def bits(value: float) -> bytes:
    return struct.pack(">d", value)


def floats_of(event: RiskFlag | HighRiskAlert) -> list[bytes]:
    """Every float of the event as its bits, for 0.0 equals -0.0."""
    numbers = [event.score]
    for reason in event.reasons:
        numbers += [n for n in (reason.value, reason.reference, reason.contribution) if isinstance(n, float)]
    return [bits(number) for number in numbers]


@given(FLAGS | DECIDED_FLAGS)
@example(replace(SOME_FLAG, score=5e-324))
@example(replace(SOME_FLAG, score=0.1 + 0.2))
def test_a_flag_comes_back_to_the_last_bit(flag: RiskFlag) -> None:
    raw = encode(flag)
    back = decode_flag(raw)
    assert type(back) is type(flag)
    assert isinstance(back, RiskFlag)
    assert back == flag
    assert floats_of(back) == floats_of(flag)
    assert encode(back) == raw


@given(FLAGS, ALERTS)
@example(replace(SOME_FLAG, history_days=0), replace(SOME_ALERT, history_days=36))
@example(replace(SOME_FLAG, transaction_id=',"history_days":3}'), SOME_ALERT)
def test_without_its_history_days_it_is_what_version_0_1_wrote(flag: RiskFlag, alert: HighRiskAlert) -> None:
    assert without_history_days(encode(flag)) == encode(replace(flag, history_days=UNSET))
    assert without_history_days(encode(alert)) == encode(replace(alert, history_days=UNSET))
    assert ("history_days" in json.loads(encode(flag))) == (flag.history_days is not UNSET)


@given(ALERTS | DECIDED_ALERTS)
def test_an_alert_comes_back_to_the_last_bit(alert: HighRiskAlert) -> None:
    raw = encode(alert)
    back = decode_alert(raw)
    assert type(back) is type(alert)
    assert isinstance(back, HighRiskAlert)
    assert back == alert
    assert floats_of(back) == floats_of(alert)
    assert bits(back.threshold) == bits(alert.threshold)
    assert encode(back) == raw


def test_equal_alerts_are_equal_bytes_in_whatever_order_their_attributes_came() -> None:
    one = replace(SOME_ALERT.transaction, attributes={"a": 1.0, "b": "x"})
    other = replace(SOME_ALERT.transaction, attributes={"b": "x", "a": 1.0})
    assert encode(replace(SOME_ALERT, transaction=one)) == encode(replace(SOME_ALERT, transaction=other))


def test_people_can_read_a_flag() -> None:
    """Times RFC 3339, the ledger day a date, every field there even where it is empty."""
    shown = json.loads(encode(replace(SOME_FLAG, ledger_day=to_date(19_783), reasons=(), imputed=())))
    assert shown["event_time"] == "2024-05-01T12:00:00.250000Z"
    assert shown["ledger_day"] == "2024-03-01"
    assert (shown["reasons"], shown["imputed"], shown["schema_version"]) == ([], [], 1)
    assert json.loads(encode(replace(SOME_FLAG, ledger_day=None)))["ledger_day"] is None


def test_an_alert_shows_its_transaction_as_the_transactions_topic_does() -> None:
    shown = json.loads(encode(SOME_ALERT))["transaction"]
    assert shown["amount"] == 12.34
    assert shown["event_time"] == "2024-05-01T12:00:00.250000Z"


BUNDLE, RULES = "lightgbm-01234567", "rules-0123456789abcdef"


@given(FLAGS | DECIDED_FLAGS, ALERTS | DECIDED_ALERTS)
def test_source_and_versions_are_read_without_the_rest(flag: RiskFlag, alert: HighRiskAlert) -> None:
    assert source_of(encode(flag)) == flag.source_offset
    assert source_of(encode(alert)) == alert.source_offset
    for output in (replace(flag, bundle_version=BUNDLE), replace(alert, bundle_version=BUNDLE)):
        rules = output.rules_version if isinstance(output, DecidedFlag | DecidedAlert) else None
        assert versions_in(encode(output)) == versions_of(output) == Versions(BUNDLE, rules)


@pytest.mark.parametrize(
    ("bundle", "rules"),
    [("lightgbm", None), ("../models-01234567", None), (BUNDLE, "rules-01234567"), (BUNDLE, "../rules"), (BUNDLE, "")],
)
def test_what_nothing_can_be_called_is_no_version(bundle: str, rules: str | None) -> None:
    """Whoever reads it may look for a folder of that name, and anybody can write to a topic."""
    body = {**json.loads(encode(SOME_FLAG)), "bundle_version": bundle}
    if rules is not None:
        body |= {"schema_version": 2, "rules_version": rules}
    assert versions_in(json.dumps(body).encode()) is None


def test_a_flag_of_version_1_names_no_rules_whatever_else_it_says() -> None:
    """Anybody can write it; the worker and the audit must take it for the same."""
    body = {**json.loads(encode(replace(SOME_FLAG, bundle_version=BUNDLE))), "rules_version": RULES}
    raw = json.dumps(body).encode()
    flag = decode_flag(raw)
    assert isinstance(flag, RiskFlag)
    assert versions_in(raw) == versions_of(flag) == Versions(BUNDLE)


def test_a_flag_of_rules_is_of_version_2_and_has_all_of_version_1() -> None:
    of_model = [getattr(SOME_FLAG, name) for name in SOME_FLAG.__struct_fields__]
    fired = (FiredRule("big", Action.ALERT, Mode.ON, "why", (Seen("amount > 5", True, 12.34, None),)),)
    flag = DecidedFlag(*of_model, decision=Decision.ALERT, rules_version=RULES, rules=fired)
    shown = json.loads(encode(flag))
    assert shown.pop("schema_version") == 2
    assert (shown.pop("decision"), shown.pop("rules_version")) == ("alert", RULES)
    assert shown.pop("rules") == [
        {
            "rule": "big", "action": "alert", "mode": "on", "sentence": "why",
            "comparisons": [{"comparison": "amount > 5", "holds": True, "value": 12.34, "other": None}],
        }
    ]  # fmt: skip
    assert {"schema_version": 1, **shown} == json.loads(encode(SOME_FLAG))


GOOD = json.loads(encode(SOME_FLAG))
STRANGE = [
    None,
    b"",
    b"\xff\xfe",
    b"[1]",
    b"{}",
    b'{"source_offset": "1"}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"a": "\xff"}',
]


@pytest.mark.parametrize("raw", STRANGE, ids=lambda raw: repr(raw)[:20])
def test_what_is_no_output_is_said_to_be_none(raw: bytes | None) -> None:
    assert source_of(raw) is None
    assert versions_in(raw) is None
    for answer, expected in ((decode_flag(raw), "expected a risk flag"), (decode_alert(raw), "expected an alert")):
        assert isinstance(answer, Rejected)
        assert answer.reason in (RejectReason.NOT_JSON, RejectReason.WRONG_TYPE)
        assert expected in answer.detail


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema_version": 3}, "schema_version"),
        ({"score": None}, "score"),
        ({"level": "huge"}, "level"),
        ({"ledger_day": 19783}, "ledger_day"),
        ({"event_time": "2024-05-01T12:00:00"}, "event_time"),
    ],
)
def test_a_flag_of_another_shape_is_rejected_by_the_name_of_the_field(change: dict[str, object], words: str) -> None:
    answer = decode_flag(json.dumps({**GOOD, **change}).encode())
    assert isinstance(answer, Rejected)
    assert answer.reason == RejectReason.WRONG_TYPE
    assert f"$.{words}" in answer.detail


def test_a_flag_of_version_2_says_what_was_decided() -> None:
    answer = decode_flag(json.dumps({**GOOD, "schema_version": 2}).encode())
    assert isinstance(answer, Rejected)
    assert "missing required field `decision`" in answer.detail


def test_text_that_is_not_utf_8_is_rejected() -> None:
    answer = decode_flag(encode(SOME_FLAG).replace(b'"T1"', b'"\xff"'))
    assert isinstance(answer, Rejected)
    assert answer.reason == RejectReason.NOT_JSON
    assert versions_in(b'{"bundle_version": "\xff"}') is None


def test_an_alert_about_no_valid_transaction_is_rejected() -> None:
    body = json.loads(encode(SOME_ALERT))
    body["transaction"]["currency"] = "EURO"
    answer = decode_alert(json.dumps(body).encode())
    assert isinstance(answer, Rejected)
    assert answer.reason == RejectReason.UNKNOWN_CURRENCY


def test_a_newer_producer_may_add_fields() -> None:
    assert decode_flag(json.dumps({**GOOD, "added": [1]}).encode()) == SOME_FLAG


def test_the_alert_id_never_changes() -> None:
    """Consumers keep these ids; the value is of RFC 9562's version 5 over a JSON list in our namespace."""
    assert alert_id("C1", "T1", 1714564800250, Versions(BUNDLE)) == "42e4aacf-d70e-53c7-9b5f-75a1eb77bed9"
    assert alert_id("C1", "T1", 1714564800250, Versions(BUNDLE, RULES)) == "988bb784-92c9-554e-b22a-8c60f251853c"


IDS = st.tuples(
    st.text('ab",[]', max_size=4), st.text('ab",[]', max_size=4), st.integers(0, 99), st.text("1,", max_size=2)
)


@given(IDS, IDS)
@example(("a", "bc", 1, "x"), ("ab", "c", 1, "x"))
@example(("a", "b", 11, "x"), ("a", "b", 1, "1x"))
def test_other_parts_are_another_id(one: tuple[str, str, int, str], other: tuple[str, str, int, str]) -> None:
    def id_of(parts: tuple[str, str, int, str], rules: str | None = None) -> str:
        *of_transaction, bundle = parts
        return alert_id(*of_transaction, Versions(bundle, rules))

    assert (id_of(one) == id_of(other)) == (one == other)
    assert id_of(one, "x") != id_of(one, "y") != id_of(one)
