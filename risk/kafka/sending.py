"""Messages to one partition, in order, each batch acknowledged before the next one leaves.

A client that keeps several batches of a partition on their way may let a later one through after an earlier one failed
for good; here nothing is behind a batch that could overtake it.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from risk.errors import BrokerAwayError, BrokerError
from risk.kafka.connection import is_away

# How batches are packed: a fifth of the bytes for a microsecond of CPU a message. zstd would halve them again, for five
# times the CPU (python -m bench.codecs). What is in a message is the same.
CODEC = "snappy"

Headers = Sequence[tuple[str, bytes | None]]


class Message(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


# Of a message. Where there are many, nobody needs an object for each.
MessageParts = tuple[bytes | None, bytes | None, Headers]


async def send_all(producer: AIOKafkaProducer, topic: str, partition: int, messages: Iterable[MessageParts]) -> int:
    """The offset after the last message, once the broker has all of them; BrokerError where it may not have,
    BrokerAwayError where that may be tried again."""
    after = count = 0
    batch = producer.create_batch()
    for key, value, headers in messages:
        while batch.append(key=key, value=value, timestamp=None, headers=list(headers)) is None:
            if not count:
                raise BrokerError(
                    f"{topic} partition {partition}: got a message of {len(value or b''):,} bytes, expected one that "
                    "fits into a batch; raise the batch size"
                )
            after = await _send(producer, topic, partition, batch, count)
            batch, count = producer.create_batch(), 0
        count += 1
    return await _send(producer, topic, partition, batch, count) if count else after


async def _send(producer: AIOKafkaProducer, topic: str, partition: int, batch: BatchBuilder, count: int) -> int:
    batch.close()
    try:
        done = await (await producer.send_batch(batch, topic, partition=partition))
    except KafkaError as error:
        kind = BrokerAwayError if is_away(error) else BrokerError
        raise kind(
            f"{topic} partition {partition}: {count} messages were not acknowledged ({error!r}), expected the broker "
            "to take them; look at the broker"
        ) from error
    return int(done.offset) + count
