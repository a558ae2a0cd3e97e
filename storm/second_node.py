"""A second broker beside a first one: partitions that it leads can lose their leader while the cluster lives on."""

import re
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from ops.kafka.ports import free_ports
from ops.kafka.properties import HOST, Listeners
from ops.kafka.real import Kafka


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
    name = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    of_first = (first.folder / "data" / "meta.properties").read_text()
    own = re.sub(r"^node\.id=.*$", "node.id=2", of_first, flags=re.MULTILINE)
    own = re.sub(r"^directory\.id=.*$", f"directory.id={name}", own, flags=re.MULTILINE)
    (data / "meta.properties").write_text(own)
    return Kafka(folder, Listeners(port, unused, {}), more=more, brief=True)
