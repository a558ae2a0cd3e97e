"""The published contracts are what the programs write and read: generated, committed, and checked by jsonschema."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ops.contracts.__main__ import files
from ops.contracts.asyncapi import document
from ops.contracts.promises import CHANGES, OF_TOPIC, PRODUCER
from ops.contracts.schemas import schemas
from risk.clock import DAY
from risk.codec import decode_label, decode_transaction, encode_label, encode_transaction
from risk.events import Label, Rejected, RejectReason, Transaction
from risk.ledger_day import LedgerTerms, close_day
from risk.ledger_log import messages_of
from risk.outputs import HighRiskAlert, RiskFlag, encode
from risk.scorer import MOST_REASONS
from risk.topics import KINDS
from tests.contracts import FOLDER, FROM_PRODUCERS, closed, faults, schema, validator
from tests.events import ALERTS, FLAGS, LABELS, TEXT, TRANSACTIONS

OURS = {file: validator(closed(schema(file))) for file in schemas()}
PUBLISHED = {file: validator(schema(file)) for file in schemas()}


@pytest.mark.parametrize("file", sorted(files()))
def test_the_committed_file_is_what_the_types_say(file: str) -> None:
    assert (FOLDER / file).read_text() == files()[file], "run: make docs"


def test_the_page_lists_the_fields_of_what_is_sent() -> None:
    """In the schemas' order, and which of them must be there."""
    section = (FOLDER / "README.md").read_text().split("## The fields of what is sent")[1].split("\n## ")[0]
    tables = section.split("|---|---|---|\n")[1:]
    for table, file in zip(tables, FROM_PRODUCERS, strict=True):
        listed = re.findall(r"^\| `(\w+)` \| (required|) ?\|", table, re.MULTILINE)
        published = schema(file)
        assert listed == [
            (name, "required" if name in published["required"] else "") for name in published["properties"]
        ]


def test_no_file_lies_there_that_nobody_writes() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == set(files())


def test_the_command_writes_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ops.contracts", str(tmp_path / "new")]
    assert subprocess.run(command, capture_output=True, check=True).stderr == b""
    assert {path.name: path.read_text() for path in (tmp_path / "new").iterdir()} == files()


def test_the_command_says_what_it_wants() -> None:
    done = subprocess.run([sys.executable, "-m", "ops.contracts"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "got 0 arguments, expected one: the folder to write to\n")


@pytest.mark.parametrize("file", sorted(schemas()))
def test_a_schema_is_one_and_its_examples_are_valid(file: str) -> None:
    Draft202012Validator.check_schema(schema(file))
    for example in schema(file)["examples"]:
        assert faults(OURS[file], json.dumps(example).encode()) == []


def properties(part: Any) -> list[dict[str, Any]]:
    """Every field that a schema describes, however deep."""
    if isinstance(part, list):
        return [found for each in part for found in properties(each)]
    if not isinstance(part, dict):
        return []
    own = list(part["properties"].values()) if isinstance(part.get("properties"), dict) else []
    return own + [found for keyword, value in part.items() if keyword != "examples" for found in properties(value)]


@pytest.mark.parametrize("file", sorted(schemas()))
def test_every_field_says_what_it_means(file: str) -> None:
    found = properties(schema(file))
    assert found
    assert [field for field in found if not field["description"].endswith(".")] == []


# What is written is valid


@given(TRANSACTIONS)
def test_transactions_are_valid(transaction: Transaction) -> None:
    assert faults(OURS["transactions.json"], encode_transaction(transaction)) == []


@given(LABELS)
def test_labels_are_valid(label: Label) -> None:
    assert faults(OURS["labels.json"], encode_label(label)) == []


@given(FLAGS)
def test_flags_are_valid(flag: RiskFlag) -> None:
    assert faults(OURS["risk-flags.json"], encode(flag)) == []


@given(ALERTS)
def test_alerts_are_valid(alert: HighRiskAlert) -> None:
    assert faults(OURS["high-risk-alerts.json"], encode(alert)) == []


@given(
    st.integers(7_400, 84_000),
    st.lists(st.tuples(TEXT, st.integers(0, DAY - 1), st.booleans()), max_size=8),
    st.integers(0, 1000),
)
def test_ledger_days_are_valid(day: int, seen: list[tuple[str, int, bool]], others: int) -> None:
    times = np.array([day * DAY + time for _, time, _ in seen], np.int64)
    frauds = np.array([is_fraud for *_, is_fraud in seen], bool)
    closed_day = close_day(day, LedgerTerms(7, 3_600_000), [merchant for merchant, *_ in seen], times, frauds)
    for message in messages_of(closed_day, len(seen) + others):
        assert faults(OURS["merchant-ledger.json"], message) == []


def test_there_are_never_more_reasons_than_the_contract_says() -> None:
    assert schema("high-risk-alerts.json")["properties"]["reasons"]["maxItems"] == MOST_REASONS


def test_the_reasons_for_a_reject_are_all_there() -> None:
    reason = schema("transactions-rejected.headers.json")["properties"]["reason"]
    assert reason["examples"] == list(RejectReason)
    assert all(re.fullmatch(reason["pattern"], name) for name in RejectReason)


# What is not valid is not accepted

GOOD = {"transaction_id": "T1", "event_time": "2024-05-01T12:00:00Z", "customer_id": "C1", "currency": "EUR"}
LABEL = {**GOOD, "is_fraud": True, "labelled_at": "2024-05-09T12:00:00Z", "source": "desk"}

CHANGES_TO_A_TRANSACTION: list[dict[str, object]] = [
    {"transaction_id": ""},
    {"transaction_id": None},
    {"customer_id": 7},
    {"event_time": "2024-05-01T12:00:00"},
    {"event_time": "2024-02-30T12:00:00Z"},
    {"event_time": 1714564800},
    {"currency": "euro"},
    {"amount": "12"},
    {"amount": True},
    {"amount": -1},
    {"amount": 2e14},
    {"merchant_id": "a\0"},
    {"attributes": {"a": [1]}},
    {"attributes": {"a": "\0"}},
    {"attributes": {"\0": 1}},
    {"attributes": []},
]


@pytest.mark.parametrize("change", CHANGES_TO_A_TRANSACTION, ids=str)
def test_what_the_schema_refuses_the_scorer_rejects(change: dict[str, object]) -> None:
    raw = json.dumps({**GOOD, **change}).encode()
    assert faults(PUBLISHED["transactions.json"], raw)
    assert isinstance(decode_transaction(raw), Rejected)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_required_field_is_required_by_both(name: str) -> None:
    raw = json.dumps({field: value for field, value in GOOD.items() if field != name}).encode()
    assert faults(PUBLISHED["transactions.json"], raw)
    assert isinstance(decode_transaction(raw), Rejected)


@pytest.mark.parametrize("change", [{"is_fraud": 1}, {"labelled_at": "soon"}, {"source": None}, {"customer_id": ""}])
def test_what_the_schema_refuses_is_no_label(change: dict[str, object]) -> None:
    raw = json.dumps({**LABEL, **change}).encode()
    assert faults(PUBLISHED["labels.json"], raw)
    assert isinstance(decode_label(raw), Rejected)


@pytest.mark.parametrize(
    "change",
    [{}, {"amount": 0}, {"amount": None, "merchant_id": ""}, {"attributes": {"a": None}}, {"new": [1]}],
    ids=str,
)
def test_what_the_schema_takes_the_scorer_takes(change: dict[str, object]) -> None:
    raw = json.dumps({**GOOD, **change}).encode()
    assert faults(PUBLISHED["transactions.json"], raw) == []
    assert isinstance(decode_transaction(raw), Transaction)


# The AsyncAPI document


def references(part: Any) -> list[str]:
    if isinstance(part, list):
        return [found for each in part for found in references(each)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"]] if "$ref" in part else []
    return own + [found for value in part.values() for found in references(value)]


def test_every_reference_of_the_document_leads_somewhere() -> None:
    whole = document()
    for reference in references(whole):
        file, _, inside = reference.partition("#")
        found: Any = schema(file) if file else whole
        for step in filter(None, inside.split("/")):
            found = found[step]
        assert found


def test_every_topic_is_a_channel_with_its_promise() -> None:
    channels = document()["channels"]
    assert list(channels) == [kind.name for kind in KINDS]
    for kind in KINDS:
        assert channels[kind.name]["description"] == OF_TOPIC[kind.name]
        assert "Key" in OF_TOPIC[kind.name]
    assert all(PRODUCER in OF_TOPIC[name] for name in ("transactions", "labels"))


def test_the_page_states_the_promises_in_the_same_words() -> None:
    page = " ".join((FOLDER / "README.md").read_text().replace("\n> ", "\n").split())
    assert PRODUCER in page
    assert CHANGES in page
    assert [kind.name for kind in KINDS if f"`{kind.name}`" not in page] == []
