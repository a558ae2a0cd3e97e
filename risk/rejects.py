"""Rejected messages: what they look like, and how they are read.

A reject is a function of the record alone, so that whoever computes it again gets the same bytes. It is the record's
own key and value, untouched, unless the two together are larger than what any topic takes: then it has the beginnings
of them, and headers say how large they were and what tells them from others. The record itself stays where it was.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from risk.diagnosis import Unread
from risk.events import Rejected
from risk.kafka.sending import Message
from risk.topics import (
    DETAIL,
    KEY_SHA256,
    KEY_SIZE,
    LARGEST_OFFSET,
    REASON,
    SOURCE_OFFSET,
    SOURCE_PARTITION,
    SOURCE_TOPIC,
    VALUE_SHA256,
    VALUE_SIZE,
)

# Of key and value together. Kafka's own default for a batch is 1,048,588 bytes; the headers are a few thousand.
LARGEST_WHOLE = 900_000
# What is kept of a value, or of a key, that is larger.
KEPT = 64 * 1024
UNKNOWN = b"unknown"

Headers = tuple[tuple[str, bytes | None], ...]


def reject_message(
    topic: str, partition: int, offset: int, key: bytes | None, value: bytes | None, why: Rejected
) -> Message:
    """What is sent for a record that was not scored."""
    return shortened(
        Message(
            key,
            value,
            (
                (REASON, why.reason.value.encode()),
                (DETAIL, why.detail.encode()),
                (SOURCE_TOPIC, topic.encode()),
                (SOURCE_PARTITION, str(partition).encode()),
                (SOURCE_OFFSET, str(offset).encode()),
            ),
        )
    )


def shortened(message: Message) -> Message:
    """A reject as it is sent today. Version 0.1 sent every one whole, and what it sent is read through this, too."""
    key, value, headers = message
    if isinstance(value, Unread):
        return Message(key, b"", (*headers, (VALUE_SIZE, UNKNOWN)))
    if len(key or b"") + len(value or b"") <= LARGEST_WHOLE:
        return message
    more: Headers = ()
    if value is not None and len(value) > KEPT:
        more += (VALUE_SIZE, str(len(value)).encode()), (VALUE_SHA256, sha256(value).hexdigest().encode())
        value = value[:KEPT]
    if key is not None and len(key) > KEPT:
        more += (KEY_SIZE, str(len(key)).encode()), (KEY_SHA256, sha256(key).hexdigest().encode())
        key = key[:KEPT]
    return Message(key, value, (*headers, *more))


class RejectHeaders(NamedTuple):
    """What the headers of a rejected message say: why, which message it was, and whether it is whole."""

    reason: str
    topic: str
    partition: int
    offset: int
    is_whole: bool = True
    value_sha256: str | None = None  # of one that is not whole, where it is known


def read_reject_headers(headers: Iterable[tuple[str, bytes | None]]) -> RejectHeaders | None:
    """None where they are not as a worker writes them. Anybody may write to the topic, so nothing is taken for granted:
    a header may be missing, there twice, empty, of any bytes and any length."""
    found: dict[str, bytes] = {}
    for name, value in headers:
        if name in found:
            return None
        found[name] = value or b""
    if not found.keys() >= {REASON, DETAIL, SOURCE_TOPIC, SOURCE_PARTITION, SOURCE_OFFSET}:
        return None
    partition, offset = _number(found[SOURCE_PARTITION]), _number(found[SOURCE_OFFSET])
    reason, topic = _name(found[REASON]), _name(found[SOURCE_TOPIC])
    if partition is None or offset is None or not reason or not topic:
        return None
    is_whole = VALUE_SIZE not in found and KEY_SIZE not in found
    return RejectHeaders(reason, topic, partition, offset, is_whole, _name(found.get(VALUE_SHA256, b"")) or None)


def _number(digits: bytes) -> int | None:
    """Python refuses to read a number of some thousand digits by raising."""
    if not digits.isdigit() or len(digits) > len(str(LARGEST_OFFSET)):
        return None
    number = int(digits)
    return number if number <= LARGEST_OFFSET else None


def _name(value: bytes) -> str:
    """Reasons and names of topics are ASCII; what is not, is neither."""
    return value.decode("ascii") if value.isascii() else ""
