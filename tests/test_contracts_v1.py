"""Version 1 as it was frozen: nothing that its consumers and producers rely on may change, and the check finds it."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given

from ops.contracts.compatibility import breaks
from ops.contracts.schemas import Schema, schemas
from risk.codec import decode_label, decode_transaction, encode_label, encode_transaction
from risk.events import Label, Transaction
from risk.ledger_log import DayReader
from risk.outputs import HighRiskAlert, RiskFlag, decode_alert, decode_flag, encode
from tests.contracts import FROM_PRODUCERS, FROZEN, faults, schema, validator
from tests.events import ALERTS, FLAGS

ALERT = schema("high-risk-alerts.json", FROZEN)
TRANSACTION = schema("transactions.json", FROZEN)
REMEDY = (
    "this breaks it; add a field instead, or begin another version on a topic of its own (docs/contracts/README.md)"
)


@pytest.mark.parametrize("file", sorted(path.name for path in FROZEN.glob("*.json")))
def test_nothing_of_version_1_is_broken(file: str) -> None:
    found = breaks(schema(file, FROZEN), schemas()[file], written_by_others=file in FROM_PRODUCERS)
    assert [str(each) for each in found] == [], REMEDY


@given(FLAGS)
def test_a_reader_of_version_1_finds_today_s_flags_valid(flag: RiskFlag) -> None:
    assert faults(validator(schema("risk-flags.json", FROZEN)), encode(flag)) == []


@given(ALERTS)
def test_a_reader_of_version_1_finds_today_s_alerts_valid(alert: HighRiskAlert) -> None:
    assert faults(validator(ALERT), encode(alert)) == []


def test_everything_of_version_1_is_still_there() -> None:
    assert {path.name for path in FROZEN.glob("*.json")} <= set(schemas())


# Messages as they were


def again(topic: str, raw: bytes) -> bytes:
    """A frozen message read by today's code, and written again."""
    match topic:
        case "transactions":
            transaction = decode_transaction(raw)
            assert isinstance(transaction, Transaction), transaction
            return encode_transaction(transaction)
        case "labels":
            label = decode_label(raw)
            assert isinstance(label, Label), label
            return encode_label(label)
        case "risk-flags":
            flag = decode_flag(raw)
            assert isinstance(flag, RiskFlag), flag
            return encode(flag)
    alert = decode_alert(raw)
    assert isinstance(alert, HighRiskAlert), alert
    return encode(alert)


def frozen(topic: str) -> list[bytes]:
    return (FROZEN / f"{topic}.ndjson").read_bytes().splitlines()


def messages() -> list[tuple[str, bytes]]:
    topics = ("transactions", "labels", "risk-flags", "high-risk-alerts")
    return [(topic, raw) for topic in topics for raw in frozen(topic)]


@pytest.mark.parametrize(("topic", "raw"), messages(), ids=lambda part: part if isinstance(part, str) else "")
def test_a_message_of_version_1_is_read_and_nothing_of_it_is_lost(topic: str, raw: bytes) -> None:
    assert faults(validator(schema(f"{topic}.json", FROZEN)), raw) == []
    was, now = json.loads(raw), json.loads(again(topic, raw))
    assert {name: now.get(name) for name in was} == was


def test_a_ledger_day_of_version_1_is_still_read_whole() -> None:
    """The ledger is what scores are audited from: its digests must hold for ever."""
    reader, raw = DayReader(), frozen("merchant-ledger")
    days = [day for offset, message in enumerate(raw) if (day := reader.read(offset, message)) is not None]
    assert [(day.closed.day, day.closed.transactions, day.transactions) for day in days] == [(19_837, (3, 1, 12), 18)]
    assert all(faults(validator(schema("merchant-ledger.json", FROZEN)), message) == [] for message in raw)


# The check finds every kind of break, and only breaks


def changed(change: Callable[[Schema], object], of: Schema = ALERT) -> list[str]:
    new = deepcopy(of)
    change(new)
    return [str(each) for each in breaks(of, new, written_by_others=of is TRANSACTION)]


def rename(new: Schema) -> None:
    new["properties"]["risk"] = new["properties"].pop("score")
    new["required"][new["required"].index("score")] = "risk"


def add(new: Schema) -> None:
    new["properties"]["added"] = {"type": "string"}
    new["required"].append("added")


def part(new: Schema, *steps: str) -> Any:
    found = new
    for step in steps:
        found = found[step]
    return found


BREAKS: list[tuple[Callable[[Schema], object], str]] = [
    (lambda new: new["properties"].pop("threshold"), "message.threshold: removed"),
    (rename, "message.score: removed"),
    (lambda new: new["required"].remove("reasons"), "message.reasons: no longer always there"),
    (lambda new: part(new, "properties", "score").update(type="string"), "message.score: type: was 'number'"),
    (
        lambda new: part(new, "properties", "score").update(type=["number", "null"]),
        "message.score: type: was 'number', is ['number', 'null']",
    ),
    (lambda new: part(new, "properties", "ledger_day").update(type="string"), "message.ledger_day: type"),
    (lambda new: part(new, "properties", "source_offset").update(type="number"), "message.source_offset: type"),
    (lambda new: part(new, "$defs", "Level", "enum").append("severe"), "message.level: values added: severe"),
    (lambda new: part(new, "$defs", "Level", "enum").remove("medium"), "message.level: values removed: medium"),
    (lambda new: part(new, "$defs", "Level").pop("enum"), "message.level: enum: was"),
    (
        lambda new: part(new, "properties", "schema_version").update(const=2),
        "message.schema_version: const: was 1, is 2",
    ),
    (lambda new: part(new, "properties", "alert_id").pop("format"), "message.alert_id: format: was 'uuid', is None"),
    (lambda new: part(new, "properties", "score").pop("maximum"), "message.score: maximum: was 1, is None"),
    (lambda new: part(new, "properties", "reasons").update(maxItems=9), "message.reasons: maxItems: was 5, is 9"),
    (lambda new: part(new, "properties", "reasons").pop("items"), "message.reasons[]: type: was 'object', is None"),
    (lambda new: new.update(additionalProperties=False), "message.*: not: was None"),
    (lambda new: part(new, "properties", "imputed", "items").update(type="object"), "message.imputed[]: type"),
    (lambda new: part(new, "$defs", "Reason", "properties").pop("value"), "message.reasons[].value: removed"),
    (
        lambda new: part(new, "$defs", "Transaction", "required").remove("currency"),
        "message.transaction.currency: no longer always there",
    ),
    (
        lambda new: part(new, "$defs", "Transaction", "properties", "attributes").update(additionalProperties=False),
        "message.transaction.attributes.*",
    ),
]


@pytest.mark.parametrize(("change", "words"), BREAKS, ids=[words for _, words in BREAKS])
def test_a_break_is_found_by_its_place(change: Callable[[Schema], object], words: str) -> None:
    assert [found for found in changed(change) if found.startswith(words)], changed(change)


HARMLESS: dict[str, Callable[[Schema], object]] = {
    "nothing": dict,
    "a new field": add,
    "another description": lambda new: part(new, "properties", "score").update(description="Other words."),
    "types in another order": lambda new: part(new, "properties", "ledger_day", "type").reverse(),
    "values in another order": lambda new: part(new, "$defs", "Level", "enum").reverse(),
    "now always there": lambda new: part(new, "$defs", "Transaction", "required").append("amount"),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_hurts_no_reader_is_no_break(change: Callable[[Schema], object]) -> None:
    assert changed(change) == []


def test_what_producers_would_have_to_send_is_a_break() -> None:
    assert changed(add, TRANSACTION) == ["message.added: newly required of producers"]
    assert changed(lambda new: new["required"].append("amount"), TRANSACTION) == [
        "message.amount: newly required of producers"
    ]
    assert changed(lambda new: new["properties"].update(added={"type": "string"}), TRANSACTION) == []


def test_kinds_of_messages_are_told_apart() -> None:
    ledger = schema("merchant-ledger.json", FROZEN)
    assert changed(lambda new: new["oneOf"].pop(), ledger) == ["message(LedgerEnd): a kind of message removed"]
    assert changed(lambda new: part(new, "$defs", "LedgerPart", "properties").pop("day"), ledger) == [
        "message(LedgerPart).day: removed"
    ]
