"""What a broker of one node is told: its server.properties."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

HOST = "127.0.0.1"


class Listeners(NamedTuple):
    """Ports on loopback. The first is for clients and the broker itself; `secured` by protocol, such as SASL_SSL."""

    plain: int
    controller: int
    secured: Mapping[str, int]


def server_properties(listeners: Listeners, data: Path, more: Mapping[str, str]) -> str:
    clients = {"PLAINTEXT": listeners.plain, **listeners.secured}
    advertised = [f"{name}://{HOST}:{port}" for name, port in clients.items()]
    lines = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{listeners.controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join([*advertised, f"CONTROLLER://{HOST}:{listeners.controller}"]),
        "advertised.listeners": ",".join(advertised),
        "listener.security.protocol.map": ",".join(["CONTROLLER:PLAINTEXT", *(f"{name}:{name}" for name in clients)]),
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(data),
        # A mistyped name must not become a topic, and a topic is made with the retention that it needs.
        "auto.create.topics.enable": "false",
        "log.retention.ms": "-1",
        # A group of one node's clients need not wait for more members.
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # Small files: made at once, and little to read again after a crash.
        "log.segment.bytes": str(64 << 20),
        "log.index.size.max.bytes": str(1 << 20),
        "offsets.topic.segment.bytes": str(8 << 20),
        "log.cleaner.dedupe.buffer.size": str(8 << 20),
        # After SIGKILL the node may come back only when its former self counts as gone; after the default of 9 s.
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "400",
        **more,
    }
    return "".join(f"{name}={value}\n" for name, value in lines.items())
