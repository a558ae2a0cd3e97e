"""Rules beside the model in a worker on real Kafka: sets come into force and go while it runs, and whoever decides the
same log again comes to the same."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from risk.events import Action
from risk.rules.rule_set import RuleSet
from risk.store import Role, open_store
from testing.brokers import TestKafka, new_prefix
from testing.rule_sets import keep, made_of, put_in_force
from testing.systems import System, Worker, counts, digest, system
from tests.kafka_tampering import messages

PARTITIONS = 2
REVIEWED = made_of({"large": "amount > 60", "online": 'channel == "online" and score < 0.2'}, action=Action.REVIEW)
ALLOWED = made_of({"at-a-till": 'channel == "pos"', "small": "amount < 20"}, action=Action.ALLOW)
TURNS: tuple[RuleSet | None, ...] = (None, REVIEWED, ALLOWED, None, REVIEWED)


class Worked(NamedTuple):
    """A history that went through a worker while rule sets were put in force and taken out of it."""

    system: System
    history: Path

    def said(self, topic: str) -> list[dict[str, Any]]:
        return said_on(self.system, topic)


def day(number: int) -> str:
    return f"2024-12-{number:02}"


def said_on(made: System, topic: str) -> list[dict[str, Any]]:
    found = (messages(made.address, topic, number) for number in range(PARTITIONS))
    return [json.loads(message.value or b"") for each in found for message in each]


def send_turn(made: System, worker: Worker, history: Path, turn: int) -> None:
    """Three days of it, the last time what is left, until they are scored."""
    until = ("--until", day(20 + 3 * turn)) if turn < 4 else ()
    made.replay(history, "--from", day(17 + 3 * turn), *until)
    made.until_scored(worker)


@pytest.fixture(scope="module")
def worked(kafka: TestKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worked]:
    with system(kafka, new_prefix(), tmp_path_factory.mktemp("rules"), partitions=PARTITIONS) as made:
        history = made.make_history(customers=20, days=15)
        worker = made.start()
        for turn, rules in enumerate(TURNS):
            put_in_force(rules, made.rules)
            wanted = "none" if rules is None else rules.version
            worker.until(lambda wanted=wanted: _decides_by(worker.said()) == wanted)  # type: ignore[misc]
            send_turn(made, worker, history, turn)
        worker.stop()
        yield Worked(made, history)


def _decides_by(said: str) -> str:
    found = re.findall(r"(?:begins|goes on) with rules ([a-z0-9-]+)", said)
    return found[-1] if found else ""


def test_flags_are_of_version_2_while_a_set_is_in_force_and_of_version_1_else(worked: Worked) -> None:
    flags = worked.said(worked.system.topics.flags)
    by_set = Counter(flag.get("rules_version") for flag in flags)
    assert set(by_set) == {None, REVIEWED.version, ALLOWED.version}
    for flag in flags:
        assert flag["schema_version"] == (1 if flag.get("rules_version") is None else 2)
        assert ("decision" in flag, "rules" in flag) == ("rules_version" in flag,) * 2
    assert Counter(flag["decision"] for flag in flags if flag.get("rules_version") == REVIEWED.version).keys() == {
        "none", "review", "alert",
    }  # fmt: skip
    allowed = [flag for flag in flags if flag.get("rules_version") == ALLOWED.version and flag["level"] == "high"]
    assert {flag["decision"] for flag in allowed if flag["rules"]} <= {"none"}
    assert {flag["decision"] for flag in allowed if not flag["rules"]} <= {"alert"}


def test_alerts_and_reviews_both_have_a_message_and_nothing_else_has(worked: Worked) -> None:
    flags, alerts = (worked.said(topic) for topic in (worked.system.topics.flags, worked.system.topics.alerts))
    due = {
        (flag["source_partition"], flag["source_offset"]): flag
        for flag in flags
        if (flag["level"] == "high" if flag["schema_version"] == 1 else flag["decision"] != "none")
    }
    assert {(alert["source_partition"], alert["source_offset"]) for alert in alerts} == set(due)
    assert len({alert["alert_id"] for alert in alerts}) == len(alerts)
    for alert in alerts:
        flag = due[alert["source_partition"], alert["source_offset"]]
        assert [alert.get(name) for name in ("schema_version", "decision", "rules_version", "rules", "level")] == [
            flag.get(name) for name in ("schema_version", "decision", "rules_version", "rules", "level")
        ]


def test_the_store_knows_what_was_decided_and_from_when(worked: Worked) -> None:
    with open_store(worked.system.store, read_only=True) as store:
        rows, starts = list(store.flags()), store.starts(Role.RULES)
    flags = {
        (flag["source_partition"], flag["source_offset"]): flag for flag in worked.said(worked.system.topics.flags)
    }
    for row in rows:
        flag = flags[row.source_partition, row.source_offset]
        assert (row.decision, row.rules_version) == (flag.get("decision"), flag.get("rules_version"))
        assert json.loads(row.rules or "[]") == flag.get("rules", [])
    for partition in range(PARTITIONS):
        mine = [start.version for start in starts if start.partition == partition]
        assert mine == [REVIEWED.version, ALLOWED.version, None, REVIEWED.version]
    said = worked.system.scorer("status")
    assert said.code == 0, said
    assert f"\n{REVIEWED.version} " in said.out


def test_whoever_decides_the_log_again_comes_to_the_same(worked: Worked, tmp_path: Path) -> None:
    """The audit, a backtest by the schedule, and a worker with an empty store that finds what was sent."""
    made = worked.system
    said = made.scorer("verify", "--bundle", str(made.models), "--complete")
    assert said.code == 0, said
    schedule = tmp_path / "schedule.json"
    assert made.scorer("schedule", str(schedule)).code == 0
    assert made.digest_of(worked.history, "--schedule", str(schedule)) == digest(said)
    with open_store(made.store, read_only=True) as store:
        rows, starts = list(store.flags()), store.starts(Role.RULES)
    sent = [worked.said(topic) for topic in (made.topics.flags, made.topics.alerts)]
    made.store.rename(tmp_path / "risk.db")
    worker = made.start()
    made.until_scored(worker)
    worker.stop()
    with open_store(made.store, read_only=True) as store:
        assert list(store.flags()) == rows
        assert [start._replace(stored_at=0) for start in store.starts(Role.RULES)] == [
            start._replace(stored_at=0) for start in starts
        ]
    assert [worked.said(topic) for topic in (made.topics.flags, made.topics.alerts)] == sent


def test_of_a_set_that_is_gone_the_audit_says_that_nothing_is_compared(worked: Worked, tmp_path: Path) -> None:
    made = worked.system
    (made.rules / ALLOWED.version).rename(tmp_path / "gone")
    said = made.scorer("verify", "--bundle", str(made.models))
    keep(ALLOWED, made.rules)
    count = sum(flag.get("rules_version") == ALLOWED.version for flag in worked.said(made.topics.flags))
    assert said.code == 1
    assert f"rule set not at hand: {ALLOWED.version}, which {count:,} flags name; not compared" in said.out
    flags = counts(said, "risk-flags")
    assert flags["due"] == flags["equal"]
    assert made.scorer("verify", "--bundle", str(made.models)).code == 0


def test_no_worker_starts_without_rules_while_the_folder_is_away(worked: Worked, tmp_path: Path) -> None:
    """The store knows that a set decided."""
    made = worked.system
    made.rules.rename(tmp_path / "away")
    worker = made.start()
    code = worker.wait()
    (tmp_path / "away").rename(made.rules)
    assert code == 1
    assert (
        f"current: nothing is there, expected a file that names a rule set, or none, for {REVIEWED.version} "
        in (worker.said().splitlines()[-1])
    )


@pytest.mark.proof
def test_a_set_that_is_not_whole_is_refused_by_who_runs_and_ends_a_start(
    kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    with system(kafka, prefix, tmp_path, partitions=1) as made:
        worker = made.start()
        worker.until(lambda: _decides_by(worker.said()) == "none")
        (made.rules / keep(REVIEWED, made.rules) / "rules.json").write_bytes(b"{}")
        (made.rules / "current").write_text(f"{REVIEWED.version}\n")
        worker.until(lambda: "the rule set that was put in force is not taken: " in worker.said())
        assert _decides_by(worker.said()) == "none"
        other = made.start()
        assert other.wait() == 1
        assert "rules.json" in other.said().splitlines()[-1]
        worker.stop()
