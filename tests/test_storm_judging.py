"""The judge of the storm sees everything that can be wrong: a proof that cannot fail proves nothing."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from risk.clock import to_date, to_ms
from risk.digest import canonical
from risk.events import RejectReason
from risk.kafka.sending import Message
from risk.outputs import alert_id, day_named, encode
from risk.store import FlagRow
from risk.versions import Versions
from storm.feed import Sent
from storm.ground import SMALL, World
from storm.history import Due, Item, digest_of
from storm.judging import Findings, judge
from storm.reading import Made, Reject, Source
from tests.events import SOME_ALERT, SOME_FLAG

PLACE = Source(SOME_FLAG.source_topic, SOME_FLAG.source_partition, SOME_FLAG.source_offset)
FLAG = SOME_FLAG
ALERT = replace(
    SOME_ALERT,
    alert_id=alert_id("C1", "T1", to_ms(FLAG.event_time), Versions(FLAG.bundle_version)),
    transaction=replace(SOME_ALERT.transaction, event_time=FLAG.event_time),
    score=FLAG.score,
    reasons=FLAG.reasons,
    imputed=FLAG.imputed,
    ledger_day=FLAG.ledger_day,
    bundle_version=FLAG.bundle_version,
)
ROW = FlagRow(
    *PLACE[1:], "T1", "C1", to_ms(FLAG.event_time), "EUR", 1234, "M1", None, None, None, None, None, FLAG.score, "high",
    msgspec.json.encode(FLAG.reasons).decode(), msgspec.json.encode(FLAG.imputed).decode(), day_named(FLAG.ledger_day),
    FLAG.bundle_version,
)  # fmt: skip
BAD = Item("transactions", 3, Message(b"C1", b"{"), is_bad=True, reason=RejectReason.NOT_JSON)
BAD_PLACE = Source("transactions", 3, 42)
REJECT = Reject("not_json", b"C1", b"{")

DUE = Due(canonical("T1", FLAG.score, FLAG.level, FLAG.reasons, FLAG.imputed, day_named(FLAG.ledger_day)), is_high=True)
TRUTH = {FLAG.bundle_version: {"T1": DUE}}


def made() -> Made:
    return Made({PLACE: [encode(FLAG)]}, {PLACE: [encode(ALERT)]}, {BAD_PLACE: [REJECT]}, [ROW])


def judged(made: Made) -> Findings:
    return judge(made, TRUTH, sent=[Sent(BAD, BAD_PLACE.offset)])


def test_what_is_as_it_has_to_be_is_neither_lost_nor_wrong_nor_twice() -> None:
    assert judged(made()) == Findings(1, frozenset(), frozenset(), 0)


@pytest.mark.parametrize("kind", ["flags", "alerts", "rejects", "rows"])
def test_whatever_is_missing_is_lost(kind: str) -> None:
    findings = judged(made()._replace(**{kind: type(getattr(made(), kind))()}))
    assert len(findings.lost) == 1


CHANGES: dict[str, Callable[[Made], object]] = {
    "a flag's score": lambda m: m.flags.update({PLACE: [encode(replace(FLAG, score=0.92))]}),
    "a flag's ledger day": lambda m: m.flags.update({PLACE: [encode(replace(FLAG, ledger_day=to_date(19_784)))]}),
    "a flag's bundle": lambda m: m.flags.update({PLACE: [encode(replace(FLAG, bundle_version="other"))]}),
    "a flag of nobody": lambda m: m.flags.update({BAD_PLACE: [encode(replace(FLAG, transaction_id="T2"))]}),
    "a second flag of another place": lambda m: m.flags.update({BAD_PLACE: [encode(FLAG)]}),
    "a second flag with other bytes": lambda m: m.flags[PLACE].append(encode(replace(FLAG, customer_id="C2"))),
    "an alert's reasons": lambda m: m.alerts.update({PLACE: [encode(replace(ALERT, reasons=()))]}),
    "an alert's id": lambda m: m.alerts.update(
        {PLACE: [encode(replace(ALERT, alert_id=alert_id("", "", 0, Versions(""))))]}
    ),
    "a row's score": lambda m: m.rows.__setitem__(0, ROW._replace(score=0.92)),
    "a row's reasons": lambda m: m.rows.__setitem__(0, ROW._replace(reasons=None)),
    "a row's place": lambda m: m.rows.__setitem__(0, ROW._replace(source_offset=40)),
    "a reject's reason": lambda m: m.rejects.update({BAD_PLACE: [REJECT._replace(reason="refund")]}),
    "a reject's bytes": lambda m: m.rejects.update({BAD_PLACE: [REJECT._replace(value=b"}")]}),
    "a reject's key": lambda m: m.rejects.update({BAD_PLACE: [REJECT._replace(key=None)]}),
    "a reject of a good one": lambda m: m.rejects.update({PLACE: [REJECT]}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_is_another_one_is_wrong(what: str) -> None:
    changed = made()
    CHANGES[what](changed)
    assert judged(changed).wrong


@pytest.mark.parametrize("kind", ["flags", "alerts", "rejects"])
def test_what_is_there_again_with_the_same_bytes_is_twice_and_not_wrong(kind: str) -> None:
    repeated = made()
    [values] = getattr(repeated, kind).values()
    values.append(values[0])
    assert judged(repeated) == Findings(1, frozenset(), frozenset(), 1)


def test_an_alert_of_what_did_not_score_high_is_wrong() -> None:
    truth = {FLAG.bundle_version: {"T1": DUE._replace(is_high=False)}}
    assert judge(made()._replace(rejects={}), truth).wrong == {"T1"}


def test_the_truth_of_the_storm_is_what_the_backtest_prints(tmp_path: Path) -> None:
    """The scenarios compare single transactions, the command prints one digest: both say the same of the same file."""
    world = World(tmp_path, SMALL)
    current, _ = world.versions
    assert digest_of(world.truth[current]) == world.digest()


def test_there_are_alerts_and_ledger_days_in_the_world_of_the_storm(tmp_path: Path) -> None:
    """What never happens in it would not be proved by it."""
    world = World(tmp_path, SMALL)
    due = world.truth[world.versions[0]]
    assert 500 < sum(one.is_high for one in due.values()) < len(due) / 2
    assert len(world.history.labels) > 100
