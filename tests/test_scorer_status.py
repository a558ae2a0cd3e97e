"""`status`: how far the workers are, and in words what is not there."""

from pathlib import Path

import pytest

from risk.clock import DAY, HOUR, to_text
from risk.kafka.sending import Message
from risk.ledger_day import LedgerDay
from risk.ledger_log import ClosedDay
from risk.settings import PREFIX
from risk.store import NO_CHALLENGER, Outputs, Refusal, Role, ShadowPiece, open_store
from risk.topics import topics_of
from scorer.__main__ import main
from testing.brokers import TestKafka
from testing.stores import NEW_YEAR, flag
from testing.systems import System
from tests.kafka_tampering import send

RULES = "rules-0123456789abcdef"
NOON = 19_800 * DAY + 12 * HOUR


def some_work(path: Path, prefix: str) -> None:
    """Two flags of partition 0, which changed hands once and waits; a ledger day; a bundle."""
    topics = topics_of(prefix)
    store = open_store(path)
    store.take_over(topics.transactions, 0, first_offset=0)
    owner = store.take_over(topics.transactions, 0, first_offset=0, owner="box:17").owner
    store.commit_flags(
        owner,
        expected=0,
        next_offset=2,
        newest_event_time=NOON,
        outputs=Outputs(2, 0, 0),
        rows=[flag(0), flag(1)],
        stored_at=NOON,
    )
    store.publish_heads([(owner, 2, NOON + DAY)])
    store.take_over(topics.labels, 0, first_offset=0)
    day = LedgerDay(19_790, 7, HOUR, ("mill",), (19_790 * DAY,), (3,), (1,))
    store.add_ledger_days([ClosedDay(day, 3, 0)], 1)
    store.remember_bundle("lightgbm-01234567", "{}")
    store.close()


@pytest.fixture
def made(kafka: TestKafka, prefix: str, tmp_path: Path) -> System:
    made = System(kafka.environment(prefix), tmp_path)
    made.make_topics(1)
    return made


def cells(out: str, partition: str) -> list[str]:
    [line] = [line.split() for line in out.splitlines() if line.startswith(partition)]
    return line[1:]


def test_it_says_how_far_each_partition_is(made: System) -> None:
    some_work(made.store, made.prefix)
    send(made.address, made.topics.transactions, 0, [Message(None, b"anything") for _ in range(5)])
    said = made.scorer("status")
    assert said.code == 0, said
    assert cells(said.out, made.topics.transactions) == [
        "box:17",
        "2",
        "2",
        "5",
        "3",
        to_text(NOON),
        to_text(NOON + DAY),
    ]
    assert cells(said.out, made.topics.labels) == ["-", "1", "0", "0", "0", "-", "-"]
    assert "last owner: the worker that took the partition over last" in said.out
    assert "It may have ended since" in said.out
    assert said.out.index(made.topics.transactions) < said.out.index(made.topics.labels)
    assert "newest closed day 2024-03-08, the first is 2024-03-08 (label delay 7 d, bucket 3600 s)" in said.out
    assert "bundles that scored: lightgbm-01234567" in said.out
    assert "bundle of the newest flags: v1" in said.out
    assert cells(said.out, "v1") == ["0", "0", to_text(NEW_YEAR), to_text(NOON)]


def test_a_worker_that_does_not_take_the_promoted_bundle_is_an_error(made: System) -> None:
    some_work(made.store, made.prefix)
    with open_store(made.store) as store:
        store.refuse(Role.BUNDLE, Refusal("box:17", "linear-01234567", "the file was changed", NOON))
    said = made.scorer("status")
    assert said.code == 1
    assert (
        f"error: worker box:17 does not take bundle linear-01234567, since {to_text(NOON)}: the file was changed. It "
        "goes on with the one it had" in said.err
    )


def test_it_says_which_rules_decided_from_when_and_who_does_not_take_those_in_force(made: System) -> None:
    some_work(made.store, made.prefix)
    assert "decided by" not in made.scorer("status").out
    with open_store(made.store) as store:
        owner = store.take_over(made.topics.transactions, 0, first_offset=0, owner="box:17").owner
        for offset, rules in ((2, RULES), (3, None)):
            row = flag(offset)._replace(rules_version=rules, decision=rules and "none")
            store.commit_flags(
                owner, expected=offset, next_offset=offset + 1, newest_event_time=NOON, outputs=Outputs(2, 0, 0),
                rows=[row], stored_at=NOON,
            )  # fmt: skip
            said = made.scorer("status").out
            assert cells(said, rules or "no rules")[-4:] == ["0", str(offset), to_text(NEW_YEAR), to_text(NOON)]
        store.refuse(Role.RULES, Refusal("box:17", RULES, "the file was changed", NOON))
    assert (
        f"error: worker box:17 does not take rules {RULES}, since {to_text(NOON)}: the file was changed. It goes on "
        "with those it had, or none" in made.scorer("status").err
    )


def test_it_says_what_the_challenger_scored_and_did_not(made: System) -> None:
    some_work(made.store, made.prefix)
    with open_store(made.store) as store:
        topic = made.topics.transactions
        owner = store.take_over(topic, 0, first_offset=0).owner
        store.remember_challenger("v2", "{}")
        for first, behind in ((2, 5), (5, 9), (9, 20)):
            store.commit_flags(
                owner, expected=first, next_offset=behind, newest_event_time=NOON, outputs=Outputs(2, 0, 0),
                rows=[flag(offset, NOON) for offset in range(first, behind)], challenger="v2", stored_at=NOON + DAY,
            )  # fmt: skip
        for first, behind in ((2, 5), (9, 19)):
            scores = [(offset, 0.5, 1) for offset in range(first, behind)]
            store.commit_shadow(owner, "v2", [ShadowPiece(first, behind, scores)])
    said = made.scorer("status")
    assert cells(said.out, "v2") == ["0", "2", to_text(NOON), to_text(NOON + DAY), "13", "5"]
    with open_store(made.store) as store:
        store.commit_flags(
            owner, expected=20, next_offset=21, newest_event_time=NOON, outputs=Outputs(2, 0, 0), rows=[flag(20)],
            challenger=NO_CHALLENGER,
        )  # fmt: skip
    assert "v2" not in made.scorer("status").out


def test_a_worker_that_does_not_take_the_challenger_is_an_error(made: System) -> None:
    some_work(made.store, made.prefix)
    with open_store(made.store) as store:
        store.refuse(Role.CHALLENGER, Refusal("box:17", "linear-01234567", "the file was changed", NOON))
    said = made.scorer("status")
    assert said.code == 1
    assert (
        f"error: worker box:17 does not take challenger linear-01234567, since {to_text(NOON)}: the file was changed. "
        "It goes on with the one it had, or none" in said.err
    )


def test_a_head_that_waited_before_its_partition_moved_is_not_shown(made: System) -> None:
    some_work(made.store, made.prefix)
    store = open_store(made.store)
    store.take_over(made.topics.transactions, 0, first_offset=0)
    store.close()
    assert cells(made.scorer("status").out, made.topics.transactions)[-1] == "-"


def test_without_a_store_it_shows_the_log(made: System) -> None:
    send(made.address, made.topics.transactions, 0, [Message(None, b"anything")])
    said = made.scorer("status")
    assert said.code == 1
    assert said.err.startswith(f"error: {made.store}: there is no store")
    assert cells(said.out, made.topics.transactions) == ["-", "-", "-", "1", "1", "-", "-"]
    assert not made.store.exists()


def test_without_topics_it_says_how_they_are_made(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    said = System(kafka.environment(prefix), tmp_path).scorer("status")
    assert said.code == 1
    assert f"error: not there: {prefix}transactions, " in said.err


def test_without_a_broker_it_shows_the_store(tmp_path: Path) -> None:
    some_work(tmp_path / "risk.db", "")
    away = System({f"{PREFIX}BROKERS": "127.0.0.1:1", f"{PREFIX}TOPIC_PREFIX": ""}, tmp_path)
    said = away.scorer("status")
    assert said.code == 1
    assert "error: where the log ends is not known: 127.0.0.1:1: nobody listens there" in said.err
    assert cells(said.out, "transactions-0") == ["box:17", "2", "2", "-", "-", to_text(NOON), to_text(NOON + DAY)]


def test_a_store_without_work_says_what_to_do(made: System) -> None:
    open_store(made.store).close()
    said = made.scorer("status")
    assert said.code == 1
    assert "no worker has taken a partition yet" in said.err


@pytest.mark.parametrize("command", ["worker", "status", "verify", "backup", "restore", "prune"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"], {})
    assert f"python -m scorer {command}" in capsys.readouterr().out
