"""Messages to one partition, in order, each batch acknowledged before the next one leaves.

A client that keeps several batches of a partition on their way may let a later one through after an earlier one failed
for good; here nothing is behind a batch that could overtake it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

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


async def send_all(producer: AIOKafkaProducer, topic: str, partition: int, messages: Sequence[Message]) -> int:
    """The offset after the last message, once the broker has all of them; BrokerError where it may not have,
    BrokerAwayError where that may be tried again."""
    place = 0
    after = 0
    while place < len(messages):
        batch = producer.create_batch()
        first = place
        while place < len(messages):
            message = messages[place]
            if (
                batch.append(key=message.key, value=message.value, timestamp=None, headers=list(message.headers))
                is None
            ):
                break
            place += 1
        if place == first:
            raise BrokerError(
                f"{topic} partition {partition}: got a message of {len(messages[place].value or b''):,} bytes, "
                "expected one that fits into a batch; raise the batch size"
            )
        batch.close()
        try:
            done = await (await producer.send_batch(batch, topic, partition=partition))
        except KafkaError as error:
            kind = BrokerAwayError if is_away(error) else BrokerError
            raise kind(
                f"{topic} partition {partition}: {place - first} messages were not acknowledged ({error!r}), expected "
                "the broker to take them; look at the broker"
            ) from error
        after = done.offset + place - first
    return after
