"""The lines of the contracts' page that read a topic, run as they stand there."""

import asyncio
import json
import re
import subprocess

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from risk.outputs import encode
from risk.topics import topics_of
from testing.brokers import TestKafka
from tests.contracts import FOLDER, faults, schema, validator
from tests.events import SOME_ALERT
from tests.operations import tool

COMMANDS = re.findall(r"```sh\n(kcat .*)\n```", (FOLDER / "README.md").read_text())
ALERTS, FOLLOWED, REJECTED = COMMANDS
HEADERS = {"reason": b"refund", "source-offset": b"7"}


async def send(kafka: TestKafka, prefix: str) -> None:
    topics = topics_of(prefix)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topics.alerts, 2, 1), NewTopic(topics.rejected, 2, 1)])
    finally:
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka.address) as producer:
        for partition in (0, 1):
            await producer.send_and_wait(topics.alerts, encode(SOME_ALERT), key=b"C1", partition=partition)
        await producer.send_and_wait(topics.rejected, b"what came", key=b"C1", headers=list(HEADERS.items()))


def run(command: str, kafka: TestKafka, prefix: str) -> str:
    environment = kafka.environment(prefix)  # the broker is shared, so the topics bear a prefix
    return subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_a_line_of_the_page_names_broker_and_topic(command: str) -> None:
    broker, topic = re.escape("${TRUSTLENS_BROKERS:-127.0.0.1:9092}"), re.escape("${TRUSTLENS_TOPIC_PREFIX}")
    assert re.search(rf'-b "{broker}" -C -t "{topic}(high-risk-alerts|transactions-rejected)" ', command)


def test_kcat_reads_the_topics_as_the_page_says(kafka: TestKafka, prefix: str) -> None:
    tool("kcat")
    asyncio.run(send(kafka, prefix))
    alerts = run(ALERTS, kafka, prefix).splitlines()
    assert len(alerts) == 2
    for line in alerts:
        assert faults(validator(schema("high-risk-alerts.json")), line.encode()) == []
    keyed = run(FOLLOWED.replace("-o end", "-o beginning -e"), kafka, prefix).splitlines()
    assert sorted(line.split(" ", 2)[:2] for line in keyed) == [["C1", "0/0"], ["C1", "1/0"]]
    assert json.loads(keyed[0].split(" ", 2)[2])["alert_id"] == SOME_ALERT.alert_id
    assert run(REJECTED, kafka, prefix) == "reason=refund,source-offset=7\nwhat came\n"
