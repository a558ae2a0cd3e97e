"""A rejected message: what it was, and where it came from."""

from collections.abc import Iterable
from typing import NamedTuple

from producer.delivery.already import Place
from risk.kafka.sending import Message
from risk.topics import REASON, SOURCE_OFFSET, SOURCE_PARTITION, SOURCE_TOPIC


class Reject(NamedTuple):
    reason: str
    place: Place
    source_offset: int
    message: Message  # the original bytes, under the original key


def reject_of(
    key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]], places: frozenset[Place]
) -> Reject | None:
    """None where the headers do not name one of the places that messages can have come from."""
    told = dict(headers)
    try:
        place = (told[SOURCE_TOPIC].decode(), int(told[SOURCE_PARTITION]))
        offset, reason = int(told[SOURCE_OFFSET]), told[REASON].decode()
    except (KeyError, ValueError):
        return None
    if place not in places:
        return None
    return Reject(reason, place, offset, Message(key, value))
