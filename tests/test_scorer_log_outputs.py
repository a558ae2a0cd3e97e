"""Of each scored transaction the flag, the alert and the row say the same, column by column, and nothing shifts."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from risk.block import block_of
from risk.bundle import Manifest
from risk.clock import DAY, EARLIEST, LATEST, to_ms
from risk.codec import from_wire
from risk.decision import Decided, Scored
from risk.engine import Verdict
from risk.events import (
    Action,
    Decision,
    FiredRule,
    Level,
    Mode,
    Reason,
    Rejected,
    RejectReason,
    Seen,
    Transaction,
)
from risk.outputs import (
    DecidedAlert,
    DecidedFlag,
    HighRiskAlert,
    RiskFlag,
    day_named,
    decode_alert,
    decode_flag,
    encode,
)
from risk.store import FlagRow
from risk.topics import REASON
from risk.warming_up import LogStart, history_days
from scorer.log.chunks import Place
from scorer.log.outputs import MOST_RULES_BYTES, messages_of, outgoing
from testing.bundles import write_bundle
from tests.backtests import FIELDS, LEARNED
from tests.events import TIME, TRANSACTIONS

PLACE = Place("transactions", 3)
OF_A_TRANSACTION = Transaction.__struct_fields__
REASON_OF_HIGH = Reason("amount", 9.0, None, 0.5, "why")


class SomeRecord(NamedTuple):
    offset: int
    key: bytes
    value: bytes = b"{}"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """It looks 30 days back, and into the ledger 37."""
    return write_bundle(tmp_path_factory.mktemp("bundle"), FIELDS, LEARNED, [0.1] * len(LEARNED))


STARTS = st.builds(LogStart, st.none() | TIME, st.none() | st.integers(EARLIEST // DAY, LATEST // DAY))


@given(st.lists(st.tuples(TRANSACTIONS, st.sampled_from(Verdict), st.sampled_from(Level)), max_size=12), STARTS)
def test_flags_alerts_and_rows_say_what_was_scored(manifest: Manifest, drawn: list, start: LogStart) -> None:
    """Among them are duplicates and late ones, which have neither."""
    transactions = [one for one, _, _ in drawn]
    records = [SomeRecord(10 + 2 * place, f"key {place}".encode()) for place in range(len(drawn))]
    rows = [place for place, (_, verdict, _) in enumerate(drawn) if verdict == Verdict.SCORED]
    levels = [drawn[row][2] for row in rows]
    scored = Scored(
        np.array([verdict for _, verdict, _ in drawn], np.int8),
        rows,
        [row / 100 for row in rows],
        levels,
        [(REASON_OF_HIGH,) if level is Level.HIGH else () for level in levels],
        [("amount",) if row % 2 else () for row in rows],
        [None if row % 3 else 19_000 + row for row in rows],
    )
    out = outgoing(manifest, PLACE, records, block_of(transactions), scored, start)

    assert [one.source_offset for one in out.flags] == [records[row].offset for row in rows]
    alerts = {one.source_offset: decode_alert(one.message.value) for one in out.alerts}
    assert sorted(alerts) == [records[row].offset for row, level in zip(rows, levels, strict=True) if level == "high"]
    flags = list(out.flags)
    assert len(out.flags) == len(flags)
    assert list(messages_of(out.flags)) == [one.message for one in flags]
    for place, row in enumerate(rows):
        transaction, record, stored = transactions[row], records[row], FlagRow._make(out.rows[place])
        flag = decode_flag(flags[place].message.value)
        assert isinstance(flag, RiskFlag)
        assert flags[place].message.key == record.key
        assert (flag.transaction_id, flag.customer_id) == (transaction.transaction_id, transaction.customer_id)
        assert to_ms(flag.event_time) == transaction.event_time
        assert (flag.score, flag.level) == (row / 100, levels[place])
        assert day_named(flag.ledger_day) == scored.ledger_days[place]
        seen = history_days(manifest.horizon, start, transaction.event_time, scored.ledger_days[place])
        assert (flag.history_days, out.history_days[place]) == (UNSET if seen is None else seen, seen)
        assert (flag.bundle_version, flag.source_topic, flag.source_partition, flag.source_offset) == (
            manifest.version, *PLACE, record.offset,
        )  # fmt: skip
        for name in ("transaction_id", "customer_id", "score", "bundle_version", "source_partition", "source_offset"):
            assert getattr(stored, name) == getattr(flag, name)
        kept = {name: getattr(stored, name) for name in OF_A_TRANSACTION}
        kept["attributes"] = msgspec.json.decode(stored.attributes or "{}")
        assert Transaction(**kept) == transaction
        assert (stored.level, stored.ledger_day) == (flag.level, scored.ledger_days[place])
        assert msgspec.json.decode(stored.reasons or "[]", type=tuple[Reason, ...]) == flag.reasons
        assert msgspec.json.decode(stored.imputed or "[]", type=tuple[str, ...]) == flag.imputed
        if record.offset in alerts:
            alert = alerts[record.offset]
            assert isinstance(alert, HighRiskAlert)
            assert from_wire(alert.transaction) == transaction
            for name in set(alert.__struct_fields__) & set(flag.__struct_fields__):
                assert getattr(alert, name) == getattr(flag, name)
    late = [record.offset for record, (_, verdict, _) in zip(records, drawn, strict=True) if verdict == Verdict.LATE]
    assert [one.source_offset for one in out.rejects] == late
    assert {dict(one.message.headers)[REASON] for one in out.rejects} <= {RejectReason.TOO_LATE.value.encode()}
    assert not any(isinstance(alert, Rejected) for alert in alerts.values())


def test_columns_of_different_lengths_are_an_error_and_no_lost_flag(manifest: Manifest) -> None:
    scored = Scored(np.zeros(2, np.int8), [0, 1], [0.1, 0.2], [Level.LOW] * 2, [()] * 2, [()] * 2, [None] * 2)
    transaction = Transaction("t", EARLIEST, "c", "EUR")
    with pytest.raises(ValueError, match="got 1 records, 2 rows and 2 verdicts"):
        outgoing(manifest, PLACE, [SomeRecord(1, b"c")], block_of([transaction] * 2), scored)


def fired(count: int, mode: Mode = Mode.SHADOW, action: Action = Action.REVIEW, name: str = "r") -> list[FiredRule]:
    seen = Seen("amount > 5", True, 12.34, None)
    return [FiredRule(f"{name}{number:04}", action, mode, "why", (seen,)) for number in range(count)]


def decided_by(manifest: Manifest, rules: Sequence[FiredRule]) -> tuple[DecidedFlag, DecidedAlert, FlagRow]:
    scored = Scored(
        np.zeros(1, np.int8), [0], [0.5], [Level.LOW], [()], [()], [None],
        decided=Decided(["rules-0123456789abcdef"], [Decision.ALERT], [tuple(rules)]),
    )  # fmt: skip
    block = block_of([Transaction("t", EARLIEST, "c", "EUR")])
    out = outgoing(manifest, PLACE, [SomeRecord(1, b"c")], block, scored)
    flag, alert = decode_flag(out.flags.values[0]), decode_alert(out.alerts[0].message.value)
    assert isinstance(flag, DecidedFlag)
    assert isinstance(alert, DecidedAlert)
    return flag, alert, FlagRow._make(out.rows[0])


def test_the_rules_that_fired_are_the_same_in_flag_alert_and_row(manifest: Manifest) -> None:
    for rules in ([], fired(1), fired(100)):
        flag, alert, row = decided_by(manifest, rules)
        assert flag.rules == alert.rules == tuple(rules)
        assert msgspec.json.decode(row.rules or "[]", type=tuple[FiredRule, ...]) == tuple(rules)
        assert (row.rules is None) is (not rules)
        assert flag.rules_left_out is alert.rules_left_out is UNSET
        assert decode_flag(encode(flag)) == flag


def test_where_there_is_no_room_those_that_decide_come_first_and_the_rest_is_counted(manifest: Manifest) -> None:
    allows, alerts = fired(1, Mode.ON, Action.ALLOW, "z"), fired(1, Mode.ON, Action.ALERT, "y")
    rules = [*fired(997), *fired(1, Mode.ON, name="x"), *alerts, *allows]
    flag, alert, row = decided_by(manifest, rules)
    assert [one.rule for one in flag.rules[:4]] == ["z0000", "y0000", "x0000", "r0000"]
    assert flag.rules[0] == allows[0]
    assert 100 < len(flag.rules) < 300
    assert len(flag.rules) + flag.rules_left_out == len(rules)
    assert len(row.rules or "") < 1.1 * MOST_RULES_BYTES
    assert (alert.rules, alert.rules_left_out) == (flag.rules, flag.rules_left_out)
    assert msgspec.json.decode(row.rules or "", type=tuple[FiredRule, ...]) == flag.rules


def test_a_rule_that_has_no_room_for_what_it_compared_comes_without(manifest: Manifest) -> None:
    long = replace(fired(1)[0], comparisons=(Seen("x" * MOST_RULES_BYTES, True, 1.0, None),))
    flag, _, _ = decided_by(manifest, [long])
    assert flag.rules == (replace(long, comparisons=()),)
    assert flag.rules_left_out is UNSET
