"""What a worker does when something is wrong: it does not start, or it ends, with a status and a word that helps."""

import asyncio
import os
import re
import signal
import socket
import sqlite3
import urllib.request
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from risk.kafka.connection import connection_of
from risk.kafka.sending import Message
from risk.kafka.topic_states import identity
from risk.settings import PREFIX, read_settings
from risk.store import open_store
from risk.topics import SOURCE_OFFSET, group_of
from scorer.worker import command
from scorer.worker.exits import EXIT_AWAY, EXIT_FAILED, EXIT_STALE
from scorer.worker.process import STOPS
from storm.feed import open_transaction
from storm.history import Item
from testing.brokers import TestKafka
from testing.systems import Said, System, Worker, counts, system
from tests.kafka_tampering import (
    ALL,
    compact,
    end_is_written,
    lose,
    messages,
    send,
    send_and_abort,
    send_in_a_transaction,
)
from tests.test_kafka_batches import good


def refused(made: System) -> Said:
    """`worker` in this process, where it ends before it has begun anything. How this process logs, collects and is told
    to end stays as it is."""
    before = {number: signal.getsignal(number) for number in STOPS}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(command, "log_to_stderr", lambda *_: None)
        patched.setattr(command, "collect_less", lambda: None)
        try:
            return made.scorer("worker", "--metrics-port", "0", "--bundle", str(made.models / "current"))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def test_a_bundle_that_was_changed_does_not_start(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    with system(kafka, prefix, tmp_path) as made:
        [model] = made.models.glob("*/model.onnx")
        model.write_bytes(model.read_bytes() + b"x")
        said = refused(made)
        assert said.code == EXIT_FAILED
        assert "model.onnx: got SHA-256" in said.err
        assert not made.store.exists()


def test_topics_that_are_missing_are_named_with_the_command_that_makes_them(
    kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    made = System(kafka.environment(prefix), tmp_path)
    made.make_bundle()
    said = refused(made)
    assert said.code == EXIT_FAILED
    assert "python -m producer topics" in said.err


def test_a_broker_that_is_not_there_is_named(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    made = System({**kafka.environment(prefix), f"{PREFIX}BROKERS": "127.0.0.1:9"}, tmp_path)
    made.make_bundle()
    said = refused(made)
    assert said.code == EXIT_AWAY, "it may come: whoever started the worker starts it again"
    assert "127.0.0.1:9" in said.err


def test_a_port_that_another_worker_has_is_told_with_the_way_out(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    """Before anything is begun, and without a trace of the program's insides."""
    with socket.create_server(("127.0.0.1", 0)) as other, system(kafka, prefix, tmp_path) as made:
        port = other.getsockname()[1]
        worker = made.start("--metrics-port", str(port))
        assert worker.wait() == EXIT_FAILED
        assert f"cannot listen at 127.0.0.1 port {port} (Address already in use)" in worker.said()
        assert "--metrics-port" in worker.said()
        assert "Traceback" not in worker.said()
        assert "never awaited" not in worker.said()
        assert not made.store.exists()


@pytest.mark.proof
def test_who_may_not_join_the_group_ends_and_says_so(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    """Another program has the group's name and shares partitions out by other rules. The client would wait for ever."""
    with system(kafka, prefix, tmp_path) as made:

        async def beside_another() -> Worker:
            name = group_of(made.prefix)
            async with AIOKafkaConsumer(made.topics.labels, bootstrap_servers=made.address, group_id=name) as other:
                await other.getmany(timeout_ms=100)
                worker = made.start()
                await asyncio.to_thread(worker.wait)
                return worker

        worker = asyncio.run(beside_another())
        assert worker.wait() == EXIT_FAILED
        assert "InconsistentGroupProtocol" in worker.said()


def test_a_store_of_another_log_is_refused(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    """Offsets of one log mean nothing in another."""
    with system(kafka, prefix, tmp_path) as made:
        with open_store(made.store) as store:
            settings = read_settings({k: v for k, v in made.environment.items() if k.startswith(PREFIX)})
            store.remember_identity(asyncio.run(identity(connection_of(settings), made.topics, made.prefix)))
        other = System({**made.environment, f"{PREFIX}TOPIC_PREFIX": f"{prefix}other."}, tmp_path)
        other.make_topics(2)
        said = refused(other)
        assert said.code == EXIT_FAILED
        assert "risk.db" in said.err
        assert "begin with a new store: set TRUSTLENS_DB to another file, or move this one away" in said.err


@pytest.mark.proof
def test_a_locked_store_is_waited_for(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    """Another process holds the store while transactions come; when it lets go, all of them are scored."""
    with system(kafka, prefix, tmp_path) as made:
        history = made.make_history(customers=10, days=12)
        worker = made.start()
        _until_it_holds(worker)
        holder = sqlite3.connect(made.store, isolation_level=None)
        holder.execute("begin immediate")
        made.replay(history)
        worker.until(lambda: _lag(worker) > 0)
        assert holder.execute("select count(*) from risk_flags").fetchone() == (0,)
        holder.execute("rollback")
        holder.close()
        made.until_scored(worker)
        worker.stop()
        assert made.scorer("verify", "--bundle", str(made.models / "current")).code == 0


@pytest.mark.proof
def test_a_store_that_is_deleted_under_an_idle_worker_ends_it(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    """Who has nothing to write notices, too."""
    with system(kafka, prefix, tmp_path) as made:
        worker = made.start()
        _until_it_holds(worker)
        for name in ("risk.db", "risk.db-wal", "risk.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        assert worker.wait() == EXIT_STALE
        assert "was deleted while it was open" in worker.said()


@pytest.mark.proof
def test_partitions_that_are_added_end_a_worker_and_the_next_one(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    """They would go unscored; and a customer's key leads to another partition from then on."""
    with system(kafka, prefix, tmp_path) as made:
        worker = made.start()
        _until_it_holds(worker)
        asyncio.run(_grow(made, 6))
        for ending in (worker, made.start()):
            assert ending.wait() == EXIT_FAILED
        assert f"{made.topics.transactions}: number of partitions: got 6, expected 2" in worker.said()


async def _grow(made: System, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=made.address)
    await admin.start()
    try:
        await admin.create_partitions({made.topics.transactions: NewPartitions(partitions)})
    finally:
        await admin.close()


@pytest.mark.proof
def test_a_second_word_to_stop_changes_nothing(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    with system(kafka, prefix, tmp_path) as made:
        worker = made.start()
        _until_it_holds(worker)
        worker.signal(signal.SIGTERM)
        worker.signal(signal.SIGTERM)
        worker.signal(signal.SIGINT)
        assert worker.wait() == 0


@pytest.mark.proof
def test_a_log_that_went_on_without_its_records_is_proved_to_have_none(
    kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    """A producer that writes in transactions leaves offsets without records, between records and at the end."""
    with system(kafka, prefix, tmp_path) as made:
        history = made.make_history(customers=10, days=12)
        worker = made.start()
        _until_it_holds(worker)
        asyncio.run(_markers(made, 3))
        made.replay(history)
        asyncio.run(_markers(made, 2))
        made.until_scored(worker)
        worker.stop()
        assert made.scorer("verify", "--bundle", str(made.models / "current")).code == 0


def test_of_kafkas_transactions_a_worker_scores_what_was_committed(
    kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    """What was aborted leaves nothing, in the middle and at the end; what lies behind an open one waits, as lag."""
    with system(kafka, prefix, tmp_path, partitions=1) as made:
        place, labels = (made.topics.transactions, 0), (made.topics.labels, 0)
        worker = made.start()
        _until_it_holds(worker)
        for name in ("a", "b"):
            send_and_abort(made.address, *place, [good("x"), Message(b"x", b"not JSON")])
            send_in_a_transaction(made.address, *place, [good(name)])
        send_and_abort(made.address, *labels, [Message(b"x", b"not JSON")])
        send_and_abort(made.address, *place, [good("y")])
        made.until_scored(worker)
        with open_transaction(made.address, [Item(*place, good("c"))], prefix, commits=True):
            send(made.address, *place, [good("d")])
            worker.until(lambda: _lag(worker) == 2)
            assert len(messages(made.address, made.topics.flags, 0)) == 2
        made.until_scored(worker)
        worker.stop()
        flags = [msgspec.json.decode(flag.value or b"") for flag in messages(made.address, made.topics.flags, 0)]
        assert [flag["transaction_id"] for flag in flags] == ["T-a", "T-b", "T-c", "T-d"]
        assert messages(made.address, made.topics.rejected, 0) == []
        said = made.scorer("verify", "--complete", "--bundle", str(made.models / "current"))
        assert said.code == 0, said
        assert "aborted" not in said.out


@pytest.mark.proof
def test_records_that_go_under_a_running_worker_end_it(kafka: TestKafka, prefix: str, tmp_path: Path) -> None:
    """The client would begin again wherever the log begins; the worker says what is gone, though nothing else comes."""
    with system(kafka, prefix, tmp_path, partitions=1) as made:
        worker = made.start()
        _until_it_holds(worker)
        worker.signal(signal.SIGSTOP)
        made.replay(made.make_history(customers=10, days=12))
        lose(made.address, made.topics.transactions, 0, ALL)
        worker.signal(signal.SIGCONT)
        assert worker.wait() == EXIT_FAILED
        [rows] = {end for (topic, _), end in made.ends().items() if topic == made.topics.transactions}
        assert f"offset 0, and the log begins at {rows}: {rows} records are gone" in worker.said()


@pytest.mark.proof
@pytest.mark.parametrize("name", ["transactions", "labels"])
def test_messages_that_compaction_took_stop_a_worker_until_that_is_accepted(
    name: str, kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    """The log begins where it began, and its offsets go on as where transactions end. Of what was worked on before
    nothing is missed."""
    one, another = Message(b"1", b"not JSON"), Message(b"2", b"not JSON")
    with system(kafka, prefix, tmp_path, partitions=1) as made:
        place = prefix + name, 0

        def rejected() -> list[int]:
            found = messages(made.address, made.topics.rejected, 0)
            return [int(dict(one.headers)[SOURCE_OFFSET] or b"") for one in found]

        send(made.address, *place, [one])
        worker = made.start()
        made.until_scored(worker)
        worker.stop()
        send(made.address, *place, [one, another, one])
        compact(made.address, *place, (one, None), left=3)
        refuses = made.start()
        assert refuses.wait() == EXIT_FAILED
        assert f"{place[0]} partition 0: compaction took 1 record out of the log, from offset 1 to 1." in refuses.said()
        assert "cleanup.policy" in refuses.said()
        assert rejected() == [0]
        accepts = made.start("--accept-gap")
        made.until_scored(accepts)
        accepts.stop()
        assert "from offset 1 to 1; goes on without them, as --accept-gap says" in accepts.said()
        assert rejected() == [0, 2, 3, 4]
        goes_on = made.start()
        send(made.address, *place, [another])
        made.until_scored(goes_on)
        goes_on.stop()
        said = made.scorer("verify", "--bundle", str(made.models / "current"))
        assert said.code == EXIT_FAILED, said
        assert f"taken out of the log by compaction: {place[0]}-0, 2 offsets from 0 to 1; what is there" in said.out
        assert counts(said, made.topics.rejected)["equal"] == 4
        assert counts(said, made.topics.rejected)["extra"] == 1


@pytest.mark.proof
def test_a_store_that_may_not_grow_ends_the_worker_and_loses_nothing(
    kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    """As on a full disk: it ends, says why, and the next worker has all of it."""
    with system(kafka, prefix, tmp_path) as made:
        worker = made.start()
        _until_it_holds(worker)
        worker.let_no_file_grow_beyond(300_000)
        made.replay(made.make_history(customers=30, days=20))
        assert worker.wait() == EXIT_FAILED
        assert "risk.db" in worker.said()
        assert not made.has_reached(made.ends())
        again = made.start()
        made.until_scored(again)
        again.stop()
        assert made.scorer("verify", "--bundle", str(made.models / "current")).code == 0


def _until_it_holds(worker: Worker) -> None:
    worker.until(lambda: "ownership: owns" in worker.said())


def _lag(worker: Worker) -> float:
    """How far behind it is, as its metrics say."""
    found = re.search(r"metrics at (http://\S+)", worker.said())
    assert found is not None
    with urllib.request.urlopen(found[1], timeout=300) as answer:
        text = answer.read().decode()
    return sum(float(lag) for lag in re.findall(r"^trustlens_lag_messages\{.*\} (\S+)$", text, re.MULTILINE))


async def _markers(made: System, count: int) -> None:
    """Kafka's own transactions, of one message that is no transaction of ours each: a marker lies behind every one."""
    name = f"{made.prefix}{os.getpid()}"
    producer = AIOKafkaProducer(bootstrap_servers=made.address, transactional_id=name)
    await producer.start()
    try:
        for _ in range(count):
            for partition in (0, 1):
                async with producer.transaction():
                    await producer.send(made.topics.transactions, b"not JSON", key=b"nobody", partition=partition)
    finally:
        await producer.stop()
    await end_is_written(made.address, name)
