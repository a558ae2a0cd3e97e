"""A cold start on a real Kafka: whoever computes how much of the past a score could see says the same.

Workers, a rebuilt store, a restored one and the audit; two partitions that begin on different days; a log of 0.1.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec import UNSET, UnsetType

from risk.clock import DAY, HOUR, day_of, to_ms
from risk.codec import encode_transaction
from risk.events import Transaction
from risk.kafka.sending import Message
from risk.outputs import RiskFlag, decode_flag, without_history_days
from testing.brokers import TestKafka, new_prefix
from testing.systems import Said, System, counts, system
from tests.kafka_tampering import messages, rewrite, send

FIRST_DAY = 19_800
LATER = 9  # days after which the second partition begins
DAYS = 46


class Sent(NamedTuple):
    """What was sent to each partition, and the system that scores it."""

    system: System
    transactions: list[list[Transaction]]

    def verify(self) -> Said:
        return self.system.scorer("verify", "--bundle", str(self.system.models / "current"))

    def flags(self, partition: int) -> list[RiskFlag]:
        found = [decode_flag(message.value) for message in messages(self.system.address, self.flag_topic, partition)]
        assert all(isinstance(flag, RiskFlag) for flag in found)
        return [flag for flag in found if isinstance(flag, RiskFlag)]

    @property
    def flag_topic(self) -> str:
        return self.system.topics.flags

    def work_to_the_end(self) -> None:
        worker = self.system.start()
        self.system.until_scored(worker)
        worker.stop()


def sales(partition: int) -> list[Transaction]:
    """Three a day, the first at ten in the morning; every fifth is a few hours late."""
    first = FIRST_DAY + LATER * partition
    return [
        Transaction(
            f"t{partition}-{day}-{number}",
            day * DAY + (10 + 3 * number - (5 if (day + number) % 5 == 0 and day > first else 0)) * HOUR,
            f"c{partition}-{number}",
            "EUR",
            merchant_id=f"m{day % 3}",
            amount=1_000 + 10 * day,
            device_id=f"d{day}",
        )
        for day in range(first, FIRST_DAY + DAYS)
        for number in range(3)
    ]


def send_days(sent: Sent, *, until: int, since: int = 0) -> None:
    """All partitions side by side, day by day, as a producer must."""
    topic = sent.system.topics.transactions
    for day in range(FIRST_DAY + since, FIRST_DAY + until):
        for partition, transactions in enumerate(sent.transactions):
            today = [
                Message(one.customer_id.encode(), encode_transaction(one))
                for one in transactions
                if day_of(one.event_time) == day
            ]
            if today:
                send(sent.system.address, topic, partition, today)


@pytest.fixture
def sent(kafka: TestKafka, tmp_path: Path) -> Iterator[Sent]:
    with system(kafka, new_prefix(), tmp_path, partitions=2) as made:
        yield Sent(made, [sales(0), sales(1)])


def seen_by_hand(sent: Sent, partition: int, flag: RiskFlag) -> int | UnsetType:
    """The bundle looks back 30 days, and into the ledger 37: a second computation out of what was sent."""
    event_time = to_ms(flag.event_time)
    past = int((event_time - sent.transactions[partition][0].event_time) / DAY)
    day = event_time // DAY
    ledger = 6 if flag.ledger_day is None else day - FIRST_DAY - 1
    short = [seen for seen, needed in ((past, 30), (ledger, 37)) if seen < needed]
    return min(short) if short else UNSET


def assert_as_by_hand(sent: Sent) -> None:
    for partition in (0, 1):
        flags = sent.flags(partition)
        assert len(flags) == len(sent.transactions[partition])
        assert [flag.history_days for flag in flags] == [seen_by_hand(sent, partition, flag) for flag in flags]
    # Partition 0 lacks the ledger longest, partition 1 its own customers.
    assert [flag.history_days for flag in sent.flags(0)].count(UNSET) == 3 * (DAYS - 38)
    assert sent.flags(0)[0].history_days == sent.flags(1)[0].history_days == 0
    assert sent.flags(1)[-1].history_days is UNSET


def assert_identical(sent: Sent) -> None:
    said = sent.verify()
    assert said.code == 0, said
    assert said.out.endswith("identical\n")


def bytes_of(sent: Sent) -> list[bytes | None]:
    topics = (sent.system.topics.flags, sent.system.topics.alerts)
    return [one.value for name in topics for number in (0, 1) for one in messages(sent.system.address, name, number)]


def change(sent: Sent, topic: str, partition: int, how: Callable[[bytes], bytes]) -> None:
    """Every value of a partition."""
    there = messages(sent.system.address, topic, partition)
    changed = [one._replace(value=None if one.value is None else how(one.value)) for one in there]
    rewrite(sent.system.address, topic, partition, changed)


@pytest.mark.proof
def test_worker_successor_rebuilt_and_restored_store_and_audit_say_the_same(sent: Sent) -> None:
    send_days(sent, until=20)
    sent.work_to_the_end()
    older = sent.system.folder / "older.db"
    assert sent.system.scorer("backup", str(older)).code == 0
    send_days(sent, since=20, until=34)
    worker = sent.system.start()
    sent.system.until_scored(worker)
    worker.kill()
    send_days(sent, since=34, until=DAYS)
    sent.work_to_the_end()
    assert_as_by_hand(sent)
    assert_identical(sent)
    whole = bytes_of(sent)

    assert sent.system.scorer("restore", str(older), "--force").code == 0
    sent.work_to_the_end()
    assert bytes_of(sent) == whole, "after a restore, what is there was sent again"
    assert_identical(sent)

    for path in sent.system.folder.glob("risk.db*"):
        path.unlink()
    sent.work_to_the_end()
    assert bytes_of(sent) == whole, "with a new store, what is there was sent again"
    assert_identical(sent)


@pytest.mark.proof
def test_the_audit_says_which_scores_saw_less_and_finds_what_says_otherwise(sent: Sent) -> None:
    send_days(sent, until=12)
    sent.work_to_the_end()
    said = sent.verify()
    scored = sum(day_of(one.event_time) < FIRST_DAY + 12 for each in sent.transactions for one in each)
    assert (
        f"cold start: {scored} of {scored} scores saw less than 37 days of the past, from 2024-03-18T10:00:00Z"
        in said.out
    )
    assert said.code == 0, said

    status = sent.system.scorer("status")
    assert "warming up until 2024-04-26: 2 of 37 days" in status.out, status
    assert "labels overdue: no label has come yet, 11 days of transactions ago" in status.out, status

    with closing(sqlite3.connect(sent.system.store)) as connection, connection:
        connection.execute("update partitions set first_event_time = first_event_time - 1 where partition = 0")
    said = sent.verify()
    assert said.code == 1
    assert (
        "-0: the store says that its first scored transaction is of 2024-03-18T09:59:59.999Z, and in the log"
        in said.out
    )

    wrong = [flag.history_days for flag in sent.flags(0)].count(3)
    change(sent, sent.flag_topic, 0, lambda raw: raw.replace(b'"history_days":3}', b'"history_days":4}'))
    said = sent.verify()
    assert said.code == 1
    assert "history_days: due 3, there 4" in said.out
    assert counts(said, "risk-flags")["different"] == wrong > 0


@pytest.mark.proof
def test_a_log_of_version_0_1_is_identical_and_is_not_sent_again(sent: Sent) -> None:
    """Its flags do not say what they saw; neither does its store know where its partitions begin."""
    send_days(sent, until=12)
    sent.work_to_the_end()
    for topic in (sent.system.topics.flags, sent.system.topics.alerts):
        for number in (0, 1):
            change(sent, topic, number, without_history_days)
    old = bytes_of(sent)
    assert old == [without_history_days(raw) for raw in old if raw is not None]
    with closing(sqlite3.connect(sent.system.store)) as connection, connection:
        connection.execute("update partitions set first_event_time = null")
    assert_identical(sent)
    assert "warming up" not in sent.system.scorer("status").out

    send_days(sent, since=12, until=14)
    sent.work_to_the_end()
    assert_identical(sent)
    assert bytes_of(sent) == [without_history_days(raw) for raw in bytes_of(sent) if raw is not None]

    for path in sent.system.folder.glob("risk.db*"):
        path.unlink()
    before = bytes_of(sent)
    sent.work_to_the_end()
    assert bytes_of(sent) == before, "what 0.1 wrote was sent again"
    assert_identical(sent)
    send_days(sent, since=14, until=15)
    sent.work_to_the_end()
    assert sent.flags(0)[-1].history_days == 13
    assert_identical(sent)
