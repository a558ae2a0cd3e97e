"""The topics that a replay sends to, as they are at its start."""

from collections.abc import Mapping
from typing import NamedTuple

from producer.delivery.already import Place
from producer.delivery.wire import Wire
from producer.replay.position import Position
from risk.errors import OptionError
from risk.kafka.connection import Connection
from risk.kafka.log import Bounds
from risk.kafka.topic_states import identity
from risk.topics import Identity, Topics


class Target(NamedTuple):
    topics: Topics
    partitions: int
    cluster: str
    ids: tuple[str, str]  # of transactions and labels; empty where the broker does not tell
    known: Identity  # all that was told of them


async def target_of(connection: Connection, topics: Topics, prefix: str) -> Target:
    known = await identity(connection, topics, prefix)
    ids = (known.topic_ids.get(topics.transactions, ""), known.topic_ids.get(topics.labels, ""))
    return Target(topics, known.partitions, known.cluster_id or "", ids, known)


async def offsets_of(wire: Wire, target: Target) -> dict[Place, Bounds]:
    topics = (target.topics.transactions, target.topics.labels)
    return await wire.offsets([(topic, number) for topic in topics for number in range(target.partitions)])


def noted_ends(position: Position, offsets: Mapping[Place, Bounds]) -> dict[Place, int]:
    """The offsets that an earlier run had come to; OptionError where the topics have lost what it sent."""
    ends = {(topic, number): end for topic, noted in position.ends.items() for number, end in enumerate(noted)}
    for place, end in ends.items():
        if place not in offsets or offsets[place].end < end:
            got = offsets[place].end if place in offsets else "no such partition"
            raise OptionError(
                f"{place[0]} partition {place[1]}: got {got} as its end, expected at least {end}, which is where the "
                "interrupted replay was; the topic has lost messages, so begin anew without --resume"
            )
    return ends
