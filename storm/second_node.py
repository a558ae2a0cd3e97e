"""A second broker beside a first one: partitions that it leads can lose their leader while the cluster lives on."""

import asyncio
import re
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from ops.kafka.ports import free_ports
from ops.kafka.properties import HOST, Listeners
from ops.kafka.real import Kafka, new_id
from risk.kafka.topic_states import UNLIMITED, largest_message
from storm.ground import PARTITIONS
from testing.systems import System


def second_node(first: Kafka, folder: Path) -> Kafka:
    """Not started yet. The first one stays the controller."""
    port, unused = free_ports(2)
    here = f"PLAINTEXT://{HOST}:{port}"
    more = {
        "process.roles": "broker",
        "node.id": "2",
        "controller.quorum.voters": f"1@{HOST}:{first.listeners.controller}",
        "listeners": here,
        "advertised.listeners": here,
    }
    data = folder / "data"
    data.mkdir(parents=True)
    # Made ready as a member of the first one's cluster, not of one of its own.
    of_first = (first.folder / "data" / "meta.properties").read_text()
    own = re.sub(r"^node\.id=.*$", "node.id=2", of_first, flags=re.MULTILINE)
    own = re.sub(r"^directory\.id=.*$", f"directory.id={new_id()}", own, flags=re.MULTILINE)
    (data / "meta.properties").write_text(own)
    return Kafka(folder, Listeners(port, unused, {}), more=more, brief=True)


def outputs_on_second_node(system: System) -> None:
    """Makes the topics so that the second node leads what a worker sends, and the first one what it reads."""
    asyncio.run(_make(system))


async def _make(system: System) -> None:
    topics = system.topics
    outputs = (topics.flags, topics.alerts, topics.rejected)
    wanted = []
    for name in topics:
        count, leader = 1 if name == topics.ledger else PARTITIONS, 2 if name in outputs else 1
        config = {
            "cleanup.policy": "delete",
            "retention.ms": str(UNLIMITED),
            "retention.bytes": str(UNLIMITED),
            "max.message.bytes": str(largest_message(topics, name)),
        }
        assignment = {number: [leader] for number in range(count)}
        wanted.append(NewTopic(name, -1, -1, replica_assignments=assignment, topic_configs=config))
    admin = AIOKafkaAdminClient(bootstrap_servers=system.address)
    await admin.start()
    try:
        answer = await admin.create_topics(wanted)
        assert all(code == 0 for _, code, *_ in answer.topic_errors), answer
    finally:
        await admin.close()
