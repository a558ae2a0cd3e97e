"""What a system has made of the log: its output topics and its store, by the place that each thing came from."""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from risk.decision import Decided
from risk.digest import canonical, with_decisions
from risk.events import Decision, FiredRule, Level, Reason, Rejected
from risk.outputs import DecidedAlert, DecidedFlag, HighRiskAlert, RiskFlag, day_named, decode_alert, decode_flag
from risk.store import FlagRow, open_store
from risk.topics import REASON, SOURCE_OFFSET, SOURCE_PARTITION, SOURCE_TOPIC
from risk.versions import Versions
from testing.replays import Record, everything
from testing.systems import System

_reasons = msgspec.json.Decoder(tuple[Reason, ...])
_fired = msgspec.json.Decoder(tuple[FiredRule, ...])
_names = msgspec.json.Decoder(tuple[str, ...])


class Source(NamedTuple):
    topic: str
    partition: int
    offset: int


class Reject(NamedTuple):
    reason: str
    key: bytes | None
    value: bytes | None


class Made(NamedTuple):
    """Outputs by their source, in the order of their topic, so that what is there twice is seen."""

    flags: dict[Source, list[bytes]]
    alerts: dict[Source, list[bytes]]
    rejects: dict[Source, list[Reject]]
    rows: list[FlagRow]


def read(system: System) -> Made:
    store = open_store(system.store, read_only=True)
    try:
        rows = list(store.flags())
    finally:
        store.close()
    topics, address = system.topics, system.address
    return Made(
        _values(everything(address, topics.flags)),
        _values(everything(address, topics.alerts)),
        _rejects(everything(address, topics.rejected)),
        rows,
    )


def _all(records: dict[int, list[Record]]) -> Iterator[Record]:
    for partition in sorted(records):
        yield from records[partition]


def _values(records: dict[int, list[Record]]) -> dict[Source, list[bytes]]:
    found: defaultdict[Source, list[bytes]] = defaultdict(list)
    for record in _all(records):
        event = event_of(record.value)
        assert event.source_partition == record.partition, (event, record.partition)
        found[Source(event.source_topic, event.source_partition, event.source_offset)].append(record.value or b"")
    return dict(found)


def event_of(value: bytes | None) -> RiskFlag | HighRiskAlert:
    """What a message of the flags or of the alerts says."""
    flag = decode_flag(value)
    if not isinstance(flag, Rejected):
        return flag
    alert = decode_alert(value)
    assert not isinstance(alert, Rejected), (value, flag, alert)
    return alert


def _rejects(records: dict[int, list[Record]]) -> dict[Source, list[Reject]]:
    found: defaultdict[Source, list[Reject]] = defaultdict(list)
    for record in _all(records):
        told = dict(record.headers)
        source = Source(told[SOURCE_TOPIC].decode(), int(told[SOURCE_PARTITION]), int(told[SOURCE_OFFSET]))
        assert source.partition == record.partition, (source, record.partition)
        found[source].append(Reject(told[REASON].decode(), record.key, record.value))
    return dict(found)


def row_of(event: RiskFlag | HighRiskAlert) -> bytes:
    """As the digest has it."""
    identity = event.transaction_id if isinstance(event, RiskFlag) else event.transaction.transaction_id
    line = canonical(identity, event.score, event.level, event.reasons, event.imputed, day_named(event.ledger_day))
    if isinstance(event, DecidedFlag | DecidedAlert):
        [line] = with_decisions([line], Decided([event.rules_version], [event.decision], [event.rules]))
    return line


def versions_by(output: RiskFlag | HighRiskAlert | FlagRow) -> Versions:
    """The bundle and the rule set that decided it, whoever else had a share."""
    rules = output.rules_version if isinstance(output, DecidedFlag | DecidedAlert | FlagRow) else None
    return Versions(output.bundle_version, rules)


def decided_by(output: RiskFlag | HighRiskAlert | FlagRow) -> str:
    """As what is due has it."""
    return str(versions_by(output))


def row_of_store(row: FlagRow) -> bytes:
    reasons = _reasons.decode(row.reasons) if row.reasons else ()
    imputed = _names.decode(row.imputed) if row.imputed else ()
    line = canonical(row.transaction_id, row.score, Level(row.level), reasons, imputed, row.ledger_day)
    if row.rules_version is not None and row.decision is not None:
        fired = _fired.decode(row.rules) if row.rules else ()
        [line] = with_decisions([line], Decided([row.rules_version], [Decision(row.decision)], [fired]))
    return line
