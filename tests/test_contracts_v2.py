"""Version 2 of flags and alerts as it was frozen, as version 1 is: what rules decided, to the byte."""

import json

import pytest
from hypothesis import given

from ops.contracts.compatibility import breaks
from ops.contracts.schemas import decided_file, schemas
from risk.outputs import DecidedAlert, DecidedFlag, decode_alert, decode_flag, encode
from risk.topics import ALERTS, FLAGS, TopicKind
from tests.contracts import FOLDER, FROZEN, closed, faults, schema, validator
from tests.events import DECIDED_ALERTS, DECIDED_FLAGS
from tests.test_contracts_v1 import REMEDY

FROZEN_2 = FOLDER / "v2"
KINDS = (FLAGS, ALERTS)
OURS = {kind: validator(closed(schema(decided_file(kind)))) for kind in KINDS}
THEN = {kind: validator(schema(f"{kind.name}.json", FROZEN_2)) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_version_2_is_broken(kind: TopicKind) -> None:
    found = breaks(schema(f"{kind.name}.json", FROZEN_2), schemas()[decided_file(kind)], written_by_others=False)
    assert [str(each) for each in found] == [], REMEDY


@given(DECIDED_FLAGS)
def test_flags_of_rules_are_valid(flag: DecidedFlag) -> None:
    assert faults(OURS[FLAGS], encode(flag)) == faults(THEN[FLAGS], encode(flag)) == []


@given(DECIDED_ALERTS)
def test_alerts_of_rules_are_valid(alert: DecidedAlert) -> None:
    assert faults(OURS[ALERTS], encode(alert)) == faults(THEN[ALERTS], encode(alert)) == []


def frozen(kind: TopicKind) -> list[bytes]:
    return (FROZEN_2 / f"{kind.name}.ndjson").read_bytes().splitlines()


@pytest.mark.parametrize("raw", frozen(FLAGS))
def test_a_flag_of_version_2_is_read_and_written_to_the_byte(raw: bytes) -> None:
    flag = decode_flag(raw)
    assert isinstance(flag, DecidedFlag), flag
    assert encode(flag) == raw
    assert faults(THEN[FLAGS], raw) == []


@pytest.mark.parametrize("raw", frozen(ALERTS))
def test_an_alert_of_version_2_is_read_and_written_to_the_byte(raw: bytes) -> None:
    alert = decode_alert(raw)
    assert isinstance(alert, DecidedAlert), alert
    assert encode(alert) == raw
    assert faults(THEN[ALERTS], raw) == []


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_version_1_has_is_there_and_means_the_same(kind: TopicKind) -> None:
    """But for its number: who reads by names needs to learn nothing."""
    old, new = schema(f"{kind.name}.json", FROZEN), schema(f"{kind.name}.json", FROZEN_2)
    found = [str(each) for each in breaks(old, new, written_by_others=False)]
    assert found == ["message.schema_version: const: was 1, is 2"]
    assert set(new["required"]) - set(old["required"]) == {"decision", "rules_version", "rules"}
    for raw in frozen(kind):
        of_model = {name: value for name, value in json.loads(raw).items() if name in old["properties"]}
        assert faults(validator(old), json.dumps({**of_model, "schema_version": 1}).encode()) == []
