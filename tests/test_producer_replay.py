"""A replay into a real Kafka, judged by what is read back."""

import asyncio
import re
import shlex
import signal
import tempfile
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from producer.__main__ import main
from risk.clock import DAY, day_of
from risk.topics import Topics, group_of, topics_of
from testing.brokers import TestKafka
from testing.replays import START, Record, everything, history, labels, row, transactions
from tests.kafka_replays import (
    PARTITIONS,
    UNLIMITED,
    Running,
    arrived,
    expected,
    months,
    refusal,
    wait_for,
    with_topics,
)
from trainer.__main__ import main as trainer


@pytest.fixture
def environment(kafka: TestKafka, prefix: str) -> dict[str, str]:
    return with_topics(kafka, prefix)


def test_every_transaction_and_label_arrives_once_in_order_and_where_its_customer_belongs(
    kafka: TestKafka, prefix: str, environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = months(tmp_path)
    assert main(["replay", str(path), *UNLIMITED], environment) == 0
    topics = topics_of(prefix)
    assert arrived(kafka.address, topics) == expected(path, topics)
    sent = transactions([one for part in everything(kafka.address, topics.transactions).values() for one in part])
    known = labels([one for part in everything(kafka.address, topics.labels).values() for one in part])
    assert (len(sent), len(known)) == (600, 120)
    assert "sent  600 transactions, 120 labels, 0 rows as they are" in capsys.readouterr().out


async def _make_topics_with_the_brokers_time(address: str, topics: Topics) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    config = {"message.timestamp.type": "LogAppendTime"}
    await admin.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs=config) for name in topics[:2]])
    await admin.close()


def test_before_a_day_begins_everything_dated_before_it_has_arrived(
    kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    """The broker's own clock says when each message was in the log."""
    topics = topics_of(prefix)
    asyncio.run(_make_topics_with_the_brokers_time(kafka.address, topics))
    path = months(tmp_path, rows=3000)
    assert main(["replay", str(path), *UNLIMITED], kafka.environment(prefix)) == 0
    sent = [one for part in everything(kafka.address, topics.transactions).values() for one in part]
    known = [one for part in everything(kafka.address, topics.labels).values() for one in part]
    dated = [(day_of(t.event_time), r.timestamp) for t, r in zip(transactions(sent), sent, strict=True)]
    heard = [(day_of(label.labelled_at), r.timestamp) for label, r in zip(labels(known), known, strict=True)]
    days = sorted({day for day, _ in dated})
    assert len(days) == 12
    for day in days[1:]:
        begins = min(at for of, at in dated if of == day)
        assert max(at for of, at in dated + heard if of < day) <= begins


async def _scored(address: str, prefix: str, count: int) -> int:
    """Commits as a scorer does, until so many are seen; the most that were ever uncommitted."""
    topic, most, seen = topics_of(prefix).transactions, 0, 0
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    async with AIOKafkaConsumer(
        bootstrap_servers=address, group_id=group_of(prefix), enable_auto_commit=False, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign(places)
        done = dict.fromkeys(places, 0)
        while seen < count:
            for place, records in (await consumer.getmany(timeout_ms=1000, max_records=40)).items():
                done[place] = records[-1].offset + 1
                seen += len(records)
            ends = await consumer.end_offsets(places)
            most = max(most, sum(ends[place] for place in places) - sum(done.values()))
            await consumer.commit(done)
    return most


@pytest.mark.proof
def test_no_more_than_the_limit_is_ahead_of_the_scorers(
    kafka: TestKafka, prefix: str, environment: dict[str, str], tmp_path: Path
) -> None:
    path, topic = months(tmp_path), topics_of(prefix).transactions
    running = Running(environment, str(path), "--max-in-flight", "100")
    wait_for(kafka.address, topic, 100)
    line = ""
    while "waiting" not in line:
        assert running.process.stdout is not None
        line = running.process.stdout.readline()
    assert f"no scorer has committed anything (group {group_of(prefix)})" in line
    assert sum(map(len, everything(kafka.address, topic).values())) == 100
    most = asyncio.run(asyncio.wait_for(_scored(kafka.address, prefix, 600), 300))
    assert most <= 140  # the limit, and what this scorer had read and not yet committed
    assert running.wait() == 0


@pytest.mark.proof
def test_a_broker_that_is_killed_and_comes_back_loses_and_reorders_nothing(
    own_kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    environment, topics = with_topics(own_kafka, prefix), topics_of(prefix)
    path = months(tmp_path, rows=4000)
    running = Running(environment, str(path), "--rate", "2000", *UNLIMITED)
    for number in (1, 2):
        wait_for(own_kafka.address, topics.transactions, 1200 * number)
        own_kafka.kill()
        own_kafka.restart()
    assert running.wait() == 0, running.said
    assert arrived(own_kafka.address, topics) == expected(path, topics)


async def _make_again(address: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.delete_topics([topic])
    await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    await admin.close()


@pytest.mark.parametrize("name", ["transactions", pytest.param("labels", marks=pytest.mark.proof)])
def test_a_topic_that_is_made_again_meanwhile_ends_the_replay(
    kafka: TestKafka, prefix: str, environment: dict[str, str], tmp_path: Path, name: str
) -> None:
    """What was sent before is gone, so it must not be called sent."""
    position = tmp_path / "at.json"
    path = months(tmp_path, rows=4000)
    running = Running(environment, str(path), "--rate", "1000", "--position", str(position), *UNLIMITED)
    wait_for(kafka.address, prefix + "transactions", 500)
    asyncio.run(_make_again(kafka.address, prefix + name))
    assert running.wait() == 1, running.said
    assert f"{prefix}{name}: topic id: got" in running.said.splitlines()[-1]
    assert "Begin anew without --resume" in running.said.splitlines()[-1]
    assert not msgspec.json.decode(position.read_bytes())["is_finished"]


def test_rows_that_are_no_transactions_are_sent_as_they_are_or_named(
    kafka: TestKafka, prefix: str, environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row(1, 0), row(2, 1, amount="-5.00"), "T3,2024-01-01T02:00:00Z,,M1,1.00,EUR,,", "short", row(4, 3)]
    path = history(tmp_path / "h.csv", rows)
    assert main(["replay", str(path), *UNLIMITED], environment) == 0
    found = [one for part in everything(kafka.address, topics_of(prefix).transactions).values() for one in part]
    said = capsys.readouterr()
    assert len(found) == 4
    assert [one.transaction_id for one in transactions(sorted(found, key=_name))] == ["T1", "T4"]
    (refund,) = (one for one in found if b'"T2"' in (one.value or b""))
    assert (refund.key, msgspec.json.decode(refund.value or b"")["amount"]) == (b"C2", -5.0)
    (nobody,) = (one for one in found if b'"T3"' in (one.value or b""))
    assert nobody.key == b""
    assert "2 transactions, 0 labels, 2 rows as they are" in said.out
    assert "line 5: not_an_object" in said.err


def test_how_to_list_every_row_that_was_not_sent_is_told(
    environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, columns = history(tmp_path / "my h.csv", [row(1, 0), *["short"] * 12]), tmp_path / "map.toml"
    names = ("transaction_id", "event_time", "customer_id", "amount", "currency")
    columns.write_text("".join(f'{name} = "{name}"\n' for name in names))
    assert main(["replay", str(path), "--columns", str(columns), *UNLIMITED], environment) == 0
    [command] = re.findall("... and 2 more; `python -m trainer (.*)` lists every row", capsys.readouterr().err)
    words = shlex.split(command)
    words[-1] = str(tmp_path / words[-1])
    assert trainer(words, {}) == 0
    assert len(Path(words[-1]).read_text().splitlines()) == 12


def test_a_message_that_no_broker_takes_is_left_out_and_said(
    kafka: TestKafka, prefix: str, environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row(1, 1), row(2, 2).replace("M2", "M" * 700_000), row(3, 3).replace("M0", "M" * 1_020_000), row(4, 4)]
    assert main(["replay", str(history(tmp_path / "h.csv", rows)), *UNLIMITED], environment) == 0
    found = [one for part in everything(kafka.address, topics_of(prefix).transactions).values() for one in part]
    assert sorted(map(_name, found)) == ["T1", "T2", "T4"]
    said = capsys.readouterr()
    assert "sent  2 transactions, 0 labels, 1 row as it is" in said.out
    assert "not sent, for brokers would refuse it: 1 message of more than 1,000,000 bytes" in said.err
    assert '"transaction_id":"T3"' in said.err


def _name(record: Record) -> str:
    return str(msgspec.json.decode(record.value or b"{}").get("transaction_id"))


def test_a_history_ahead_of_now_is_refused_and_a_shift_makes_it_past(
    kafka: TestKafka, prefix: str, environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ahead = history(tmp_path / "h.csv", [row(1, 0), row(2, 24 * 365 * 90)])
    said = refusal(capsys, environment, str(ahead), *UNLIMITED)
    assert "which is ahead of now" in said
    assert "--shift=-" in said
    assert main(["replay", str(ahead), "--until", "2024-02-01", "--limit", "1", *UNLIMITED], environment) == 0
    assert main(["replay", str(ahead), "--shift", "auto", *UNLIMITED], environment) == 0
    found = transactions(
        [one for part in everything(kafka.address, topics_of(prefix).transactions).values() for one in part]
    )
    times = sorted(one.event_time for one in found if one.transaction_id == "T2")
    assert len(times) == 1
    assert (times[0] - START) % DAY == 0


def test_missing_topics_are_told_with_the_command_that_makes_them(
    kafka: TestKafka, prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, kafka.environment(prefix), str(months(tmp_path)))
    assert "python -m producer topics" in said


def test_without_a_broker_it_ends_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, {"TRUSTLENS_BROKERS": "127.0.0.1:1"}, str(months(tmp_path)))
    assert "127.0.0.1:1: nobody listens there" in said


def test_a_generated_world_is_sent_like_a_file(
    kafka: TestKafka, prefix: str, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    world = ["replay", "--world", "trustlens", "--rows", "300", "--seed", "5", *UNLIMITED]
    for words in (["--limit", "100"], ["--resume"]):
        assert main([*world, *words], environment) == 0
    (path,) = tmp_path.glob("trustlens-worlds-*/trustlens-rows300-seed5.parquet")
    assert arrived(kafka.address, topics_of(prefix)) == expected(path, topics_of(prefix))


def test_a_loop_goes_on_lap_after_lap_until_it_is_told_to_end(
    kafka: TestKafka, prefix: str, environment: dict[str, str], tmp_path: Path
) -> None:
    topic = topics_of(prefix).transactions
    running = Running(environment, str(months(tmp_path, rows=100)), "--loop", "--rate", "1000", *UNLIMITED)
    wait_for(kafka.address, topic, 350)
    assert running.end(signal.SIGINT) == 130, running.said
    found = everything(kafka.address, topic)
    for part in found.values():
        times = [one.event_time for one in transactions(part)]
        assert all(before <= after for before, after in pairwise(times))
    ids = [one.transaction_id for part in found.values() for one in transactions(part)]
    assert len(set(ids)) == len(ids)
    assert {"T7", "T7~1", "T7~2"} <= set(ids)
