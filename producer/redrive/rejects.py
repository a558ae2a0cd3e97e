"""A rejected message: what it was, and where it came from."""

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from producer.delivery.already import Place
from risk.kafka.sending import Message
from risk.rejects import read_reject_headers


class Reject(NamedTuple):
    reason: str
    place: Place
    source_offset: int
    message: Message  # the original bytes, under the original key; or only how they begin
    is_whole: bool
    value_sha256: str | None  # of one that is not whole, if known

    def is_of(self, value: bytes | None) -> bool:
        """Whether this value is what was rejected, as far as can be told."""
        return self.value_sha256 in (None, sha256(value or b"").hexdigest())


def reject_of(
    key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]], places: frozenset[Place]
) -> Reject | None:
    """None where the headers do not name one of the places that messages can have come from."""
    told = read_reject_headers(headers)
    if told is None or (told.topic, told.partition) not in places:
        return None
    return Reject(
        told.reason, (told.topic, told.partition), told.offset, Message(key, value), told.is_whole, told.value_sha256
    )
