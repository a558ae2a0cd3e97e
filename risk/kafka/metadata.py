"""Kafka's Metadata request in its version 10, which the client does not know: the first that tells a topic's id.

The id is what tells a topic from another of the same name that was made after it was deleted. Brokers that are older
answer in the client's newest version, which does not have it.
"""

from functools import lru_cache
from io import BytesIO
from typing import Any
from uuid import UUID

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import (
    MetadataRequest_v4,
    MetadataRequest_v5,
)
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Schema, TaggedFields

# As the protocol has it: not known.
NO_ID = UUID(int=0)


class _Uuid:
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))

    @classmethod
    def repr(cls, value: UUID) -> str:
        return str(value)


_TEXT = CompactString("utf-8")
_NUMBERS = CompactArray(Int32)


class _Response(Response):  # type: ignore[misc]
    """A worker asks the same with every chunk, and nearly always has the same answer: to read those bytes anew took a
    sixth of its main thread. Nobody may change what is read."""

    API_KEY = 3
    API_VERSION = 10
    _object: dict[str, Any] | None = None

    @classmethod
    def decode(cls, data: BytesIO) -> "_Response":
        return _read(data.read())

    def to_object(self) -> dict[str, Any]:
        if self._object is None:
            self._object = super().to_object()
        return self._object

    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), ("tags", TaggedFields)),
        ),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", _TEXT),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", _NUMBERS),
                        ("isr", _NUMBERS),
                        ("offline_replicas", _NUMBERS),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("authorized_operations", Int32),
        ("tags", TaggedFields),
    )


@lru_cache(maxsize=16)  # several brokers may answer in several orders
def _read(raw: bytes) -> _Response:
    data = BytesIO(raw)
    return _Response(*(field.decode(data) for field in _Response.SCHEMA.fields))


class _Request(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    _bytes: bytes | None = None

    def encode(self) -> bytes:
        if self._bytes is None:
            self._bytes = super().encode()
        return self._bytes

    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", _TEXT), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class TopicsRequest(Request[MetadataRequest_v4 | MetadataRequest_v5 | _Request]):  # type: ignore[misc]
    """About these topics; `make` where the broker may make those that are missing."""

    API_KEY = 3

    def __init__(self, topics: list[str], *, make: bool) -> None:
        self._topics = topics
        self._make = make

    def build(self, request_struct_class: Any) -> RequestStruct:
        if request_struct_class is _Request:
            return _question(tuple(self._topics), self._make)
        return request_struct_class(self._topics, self._make)


@lru_cache(maxsize=16)  # as with answers: the bytes are the same each time
def _question(topics: tuple[str, ...], make: bool) -> _Request:
    return _Request([(NO_ID, name, {}) for name in topics], make, False, False, {})
