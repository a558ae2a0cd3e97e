"""A Kafka of our own: it starts, ends, and comes back with what it had."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from ops.kafka.jars import jars, missing
from ops.kafka.ports import answers, free_ports, is_free
from ops.kafka.properties import HOST, Listeners
from ops.kafka.real import Kafka
from risk.errors import BrokerError
from testing.brokers import TestKafka, skip_without_java
from tests.processes import children_of, ended

ROOT = Path(__file__).parent.parent


async def _make_topic(address: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


async def _send(address: str, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def _values(address: str, topic: str, number: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        return [(await consumer.getone()).value for _ in range(number)]
    finally:
        await consumer.stop()


def test_a_killed_broker_comes_back_on_its_address_with_what_was_acknowledged(own_kafka: TestKafka) -> None:
    asyncio.run(_make_topic(own_kafka.address, "kept"))
    asyncio.run(_send(own_kafka.address, "kept", b"before"))
    own_kafka.kill()
    own_kafka.restart()
    asyncio.run(_send(own_kafka.address, "kept", b"after"))
    assert asyncio.run(_values(own_kafka.address, "kept", 2)) == [b"before", b"after"]


def test_clusters_that_begin_alike_have_ids_of_their_own(kafka: TestKafka, own_kafka: TestKafka) -> None:
    """What a start has in common with every other was made once, beside the jars."""
    (made,) = (jars().parent / "starts").iterdir()
    assert sorted(path.name for path in made.iterdir()) == ["bootstrap.checkpoint", "classes.jsa"]
    one, other = (
        (node.folder / "data" / "meta.properties").read_text().split() for node in (kafka.node, own_kafka.node)
    )
    assert set(one) & set(other) == {"version=1", "node.id=1"}
    assert [line.split("=")[0] for line in one] == [line.split("=")[0] for line in other]


def test_a_port_is_given_to_one_process_alone_and_its_server_can_have_it() -> None:
    """Tests run side by side, and a broker binds its ports only seconds after they were chosen."""
    (port,) = free_ports(1)
    script = f"from ops.kafka.ports import free_ports; free_ports(1, range({port}, {port + 1}))"
    other = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert f"none of {port} to {port} are free" in other.stderr
    assert is_free(port)
    with socket.create_server((HOST, port)):
        assert not is_free(port)


@pytest.mark.proof
def test_it_ends_with_ctrl_c_and_frees_its_port(tmp_path: Path) -> None:
    skip_without_java()
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "ops.kafka", "--port", str(port), "--data", str(tmp_path / "data")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"Apache Kafka answers on 127.0.0.1:{port}; data in {tmp_path}")
        assert answers(port)
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "ended\n"
    assert process.returncode == 0
    assert not answers(port)


@pytest.mark.proof
def test_it_ends_with_the_leash_that_holds_it(tmp_path: Path) -> None:
    skip_without_java()
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "ops.kafka", "--port", str(port), "--data", str(tmp_path / "data")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        [leash] = children_of(process.pid)
        [java] = map(os.pidfd_open, children_of(leash))
        os.kill(leash, signal.SIGKILL)
        _, errors = process.communicate()
    assert (process.returncode, ended(java)) == (1, True)
    assert errors.startswith("error: Kafka ended by itself, with status -9")


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    skip_without_java()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        kafka = Kafka(tmp_path, Listeners(port, *free_ports(1), {}))
        with pytest.raises(BrokerError, match=f"port {port}: something listens there already"):
            kafka.start()


def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    skip_without_java()
    plain, controller = free_ports(2)
    more = {"log.segment.bytes": "many"}
    with pytest.raises(BrokerError, match=r"(?s)Invalid value many for configuration log\.segment\.bytes"):
        Kafka(tmp_path, Listeners(plain, controller, {}), more=more, brief=True).start()


# What the machine must have


def _program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_without_java_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = missing(tmp_path / ".kafka")
    assert said is not None
    assert said.startswith("java: not found, expected Java 17 or later")
    assert "apt-get install openjdk-17-jre-headless maven" in said
    assert "brew install openjdk@17 maven" in said


def test_a_java_that_is_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path / "bin", "java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    said = missing(tmp_path / ".kafka")
    assert said is not None
    assert said.startswith('java -version: got openjdk version "11.0.2" 2019-01-15, expected Java 17 or later')


def test_maven_is_needed_the_first_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it fetched is used as long as the list of jars is the same."""
    programs, place = tmp_path / "bin", tmp_path / ".kafka"
    _program(programs, "java", """echo 'openjdk version "17.0.15"' >&2""")
    monkeypatch.setenv("PATH", str(programs))
    said = missing(place)
    assert said is not None
    assert said.startswith("mvn: not found, expected Maven")
    _program(programs, "mvn", 'for last in "$@"; do :; done; /bin/mkdir -p "${last#*=}"; : > "${last#*=}/kafka.jar"')
    assert [path.name for path in jars(place).glob("*.jar")] == ["kafka.jar"]
    (programs / "mvn").unlink()
    assert missing(place) is None
    (place / "libs" / "whole").write_text("another list")
    assert missing(place) is not None


def test_a_fetch_that_fails_says_what_maven_said_and_leaves_nothing_to_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(tmp_path / "bin", "java", """echo 'openjdk version "17.0.15"' >&2""")
    _program(tmp_path / "bin", "mvn", "echo no route to host; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for _ in range(2):
        with pytest.raises(BrokerError, match=r"(?s)cannot fetch Apache Kafka.*no route to host"):
            jars(tmp_path / ".kafka")


@pytest.mark.parametrize(("words", "command"), [([], "-m ops.kafka"), (["PORT=9192"], "-m ops.kafka --port 9192")])
def test_make_kafka_takes_a_port(words: list[str], command: str) -> None:
    """Only said, not done."""
    plain = {name: value for name, value in os.environ.items() if name != "PORT"}
    said = subprocess.run(
        ["make", "--no-print-directory", "-n", "kafka", *words],
        cwd=ROOT,
        env=plain,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.splitlines()[-1].strip().endswith(command)
