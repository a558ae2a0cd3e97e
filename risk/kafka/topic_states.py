"""What topics there are and what they are like, and how missing ones are made."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    KafkaError,
    LeaderNotAvailableError,
    NoError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.admin import CreateTopicsRequest, DescribeConfigsRequest

from risk.errors import BrokerAwayError, BrokerError
from risk.kafka.connection import Connection, check_reachable, client_options
from risk.kafka.metadata import NO_ID, TopicsRequest
from risk.topics import Identity, Topics, topics_of

UNLIMITED = -1

# Kafka's own default, and what comes out of a message of that size is somewhat larger: a rejected one has headers, a
# flag has score and reasons.
LARGEST_INPUT = 1_048_588
LARGEST_OUTPUT = 2_097_152

# Kafka's own default from 4.0 on; before that it takes messages that say they were sent in another century.
AHEAD, MOST_AHEAD_MS = "message.timestamp.after.max.ms", 3_600_000

# How long a topic that was just made may take to be known everywhere.
APPEAR_SECONDS = 20

_TOPIC = 2  # the type of a thing with a configuration


class TopicState(NamedTuple):
    """What a broker says of a topic. No partitions: it is not there. None: this broker does not tell."""

    name: str
    partitions: int
    replication: int
    id: str | None
    retention_ms: int | None
    retention_bytes: int | None
    cleanup: str | None
    largest_message: int | None
    ahead_ms: int | None = None  # by how much a message's time may be later than the broker's; not known before 3.6


async def look(connection: Connection, names: Sequence[str]) -> list[TopicState]:
    """Never makes a topic by asking for it."""
    async with asking(connection) as client:
        async with asyncio.timeout(APPEAR_SECONDS):
            found = await _found(client, names)
            # A topic that is made or deleted at this moment may be known to one question and not to the next.
            while (described := await _described(client, [name for name in names if name in found])) is None:
                await asyncio.sleep(0.05)
                found = await _found(client, names)
    return [_state(name, found.get(name), described.get(name, {})) for name in names]


async def identity(connection: Connection, topics: Topics, prefix: str) -> Identity:
    async with asking(connection) as client:
        answer = await metadata(client, client.get_random_node(), topics, make=False)
    return identity_in(answer, prefix)


def identity_in(answer: dict[str, Any], prefix: str) -> Identity:
    """As an answer about topics tells it."""
    found = there(answer)
    ids = {name: str(topic["topic_id"]) for name, topic in found.items() if topic.get("topic_id", NO_ID) != NO_ID}
    transactions = found.get(topics_of(prefix).transactions)
    return Identity(answer["cluster_id"], ids, len(transactions["partitions"]) if transactions else 0, prefix)


async def create_missing(
    connection: Connection, topics: Topics, *, partitions: int, replication: int, retention_ms: int = UNLIMITED
) -> list[str]:
    """The names of those that were made here, and not by somebody else meanwhile. The embedded broker makes them in its
    own way, when asked about them."""
    async with asking(connection) as client:
        there = await _found(client, topics)
        missing = [name for name in topics if name not in there]
        if not missing:
            return []
        wanted = [_new_topic(topics, name, partitions, replication, retention_ms) for name in missing]
        made = missing
        try:
            made = await _create(client, wanted)
        except IncompatibleBrokerVersion:
            await metadata(client, client.get_random_node(), missing, make=True)
        await _wait_for(client, missing)
    return made


def _new_topic(topics: Topics, name: str, partitions: int, replication: int, retention_ms: int) -> tuple[Any, ...]:
    config = {
        "cleanup.policy": "delete",
        "retention.ms": str(retention_ms),
        "retention.bytes": str(UNLIMITED),
        "max.message.bytes": str(largest_message(topics, name)),
        **({AHEAD: str(MOST_AHEAD_MS)} if is_input(topics, name) else {}),
    }
    return (name, 1 if name == topics.ledger else partitions, replication, [], list(config.items()))


def largest_message(topics: Topics, name: str) -> int:
    """What a topic takes at most, in bytes."""
    return LARGEST_INPUT if is_input(topics, name) else LARGEST_OUTPUT


def is_input(topics: Topics, name: str) -> bool:
    return name in (topics.transactions, topics.labels)


@asynccontextmanager
async def asking(connection: Connection) -> AsyncIterator[AIOKafkaClient]:
    """A connection for a few questions; a refusal has its reason."""
    await check_reachable(connection)
    client = AIOKafkaClient(**client_options(connection))
    try:
        await client.bootstrap()
        yield client
    except IncompatibleBrokerVersion as error:
        raise BrokerError(f"{', '.join(connection.brokers)}: Kafka is too old for this ({error})") from error
    except (KafkaError, TimeoutError) as error:
        raise BrokerAwayError(f"{', '.join(connection.brokers)}: no answer any more ({error!r})") from error
    finally:
        await client.close()


async def metadata(client: AIOKafkaClient, node: int | None, names: Sequence[str], *, make: bool) -> dict[str, Any]:
    """As this broker knows the topics."""
    answer = await client.send(node, TopicsRequest(list(names), make=make))
    told: dict[str, Any] = answer.to_object()
    return told


async def _found(client: AIOKafkaClient, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    return there(await metadata(client, client.get_random_node(), names, make=False))


def there(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Those that are there, by name."""
    found = {}
    for topic in answer["topics"]:
        error = for_code(topic["error_code"])
        # Without a leader for the moment it is there all the same.
        if error in (NoError, LeaderNotAvailableError):
            found[topic["topic"]] = topic
        elif error is not UnknownTopicOrPartitionError:
            raise BrokerError(f"{topic['topic']}: the broker does not tell what it is like ({error.description})")
    return found


async def _described(client: AIOKafkaClient, names: Sequence[str]) -> dict[str, dict[str, str]] | None:
    """The configuration of each; nothing where the broker keeps none. None where one of them is not there."""
    if not names:
        return {}
    request = DescribeConfigsRequest([(_TOPIC, name, None) for name in names], False)
    try:
        answer = await client.send(client.get_random_node(), request)
    except IncompatibleBrokerVersion:
        return {}
    described = {}
    for code, reason, _, name, entries in answer.resources:
        if code == UnknownTopicOrPartitionError.errno:
            return None
        if code:
            raise BrokerError(
                f"{name}: the broker does not tell how it is set up ({reason or for_code(code).__name__})"
            )
        described[name] = {entry[0]: entry[1] for entry in entries}
    return described


def _state(name: str, topic: dict[str, Any] | None, config: dict[str, str]) -> TopicState:
    if topic is None:
        return TopicState(name, 0, 0, None, None, None, None, None)
    topic_id = topic.get("topic_id", NO_ID)
    return TopicState(
        name,
        len(topic["partitions"]),
        min((len(partition["replicas"]) for partition in topic["partitions"]), default=0),
        None if topic_id == NO_ID else str(topic_id),
        _number(config.get("retention.ms")),
        _number(config.get("retention.bytes")),
        config.get("cleanup.policy"),
        _number(config.get("max.message.bytes")),
        _number(config.get(AHEAD)),
    )


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


async def _create(client: AIOKafkaClient, wanted: list[tuple[Any, ...]]) -> list[str]:
    request = CreateTopicsRequest(wanted, APPEAR_SECONDS * 1000, False)
    controller = client.cluster.controller
    answer = await client.send(controller.nodeId if controller else client.get_random_node(), request)
    made = []
    for name, code, reason in answer.topic_errors:
        if code == NoError.errno:
            made.append(name)
        elif code != TopicAlreadyExistsError.errno:  # somebody else may have made it just now
            raise BrokerError(f"{name}: cannot be made; the broker says: {reason or for_code(code).description}")
    return made


async def _wait_for(client: AIOKafkaClient, names: Sequence[str]) -> None:
    """A topic is known to the brokers a moment after it was made."""
    async with asyncio.timeout(APPEAR_SECONDS):
        while len(await _found(client, names)) < len(names):
            await asyncio.sleep(0.05)
